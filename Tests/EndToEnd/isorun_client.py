"""A small client of isorun-engine's protocol, for the tests and the benchmark.

It spawns the engine, keeps any number of requests in flight, collects notifications, and can send bytes
that no decent client would. It checks of the transport what every test relies on: that nothing but whole
frames reaches standard output, and that a request is answered once.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from concurrent.futures import Future
from typing import Any, Callable

from isorun_sandbox import Sandbox

DEFAULT_SECONDS = 60


class EngineError(Exception):
    """The engine answered a request with an error object."""

    def __init__(self, method: str, error: dict):
        super().__init__(f"{method}: {error.get('code')} {error.get('message')} {error.get('data')}")
        self.code = error.get("code")
        self.message = error.get("message")
        self.data = error.get("data") or {}
        self.kind = self.data.get("kind")


class EngineGone(Exception):
    """The engine closed its standard output before it answered."""


class Request:
    """One request in flight."""

    def __init__(self, request_id: Any, method: str):
        self.id = request_id
        self.method = method
        self._future: Future = Future()

    def result(self, seconds: float = DEFAULT_SECONDS) -> Any:
        """The result; raises EngineError, EngineGone, or TimeoutError when no answer came in time."""
        try:
            return self._future.result(seconds)
        except TimeoutError:
            raise TimeoutError(f"{self.method} (id {self.id!r}) was not answered within {seconds} s") from None

    def error(self, seconds: float = DEFAULT_SECONDS) -> EngineError:
        """The error that the request failed with; AssertionError when it succeeded."""
        try:
            result = self.result(seconds)
        except EngineError as error:
            return error
        raise AssertionError(f"{self.method} was expected to fail and answered {result!r}")

    def done(self) -> bool:
        return self._future.done()

    def on_done(self, callback: Callable[[], None]) -> None:
        self._future.add_done_callback(lambda _: callback())


class Engine:
    """A running isorun-engine and the connection to it."""

    def __init__(
        self,
        command: list[str],
        *,
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        stderr_path: str = os.devnull,
        reading: bool = True,
        record_limit: int = 0,
    ):
        self.stderr_path = stderr_path
        with open(stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env, cwd=cwd, bufsize=0
            )
        self.notifications: list[dict] = []
        self.strays: list[dict] = []  # responses to no request of ours, such as those with id null
        self.garbage: list[str] = []  # breaches of the transport by the engine
        self.traffic: list[tuple[str, dict]] = []  # ("sent" | "received", message)
        self.host: dict = {}
        self.capabilities: dict = {}
        self._record_limit = record_limit
        self._ids = itertools.count(1)
        self._pending: dict[tuple[type, Any], Request] = {}
        self._changed = threading.Condition()
        self._write_lock = threading.Lock()
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reading = False
        if reading:
            self.start_reading()

    # Requests

    def initialize(self, **params: Any) -> dict:
        params.setdefault("clientInfo", {"name": "end-to-end", "version": "1"})
        result = self.call("initialize", params)
        self.host = result["host"]
        self.capabilities = result["capabilities"]
        self.notify("initialized", {})
        return result

    def call(self, method: str, params: Any = None, seconds: float = DEFAULT_SECONDS) -> Any:
        return self.send(method, params).result(seconds)

    def send(self, method: str, params: Any = None, *, request_id: Any = None) -> Request:
        """Sends a request and returns at once."""
        if request_id is None:
            request_id = next(self._ids)
        request = Request(request_id, method)
        with self._changed:
            self._pending[_key(request_id)] = request
        self._send({"jsonrpc": "2.0", "id": request_id, "method": method}, params)
        return request

    def notify(self, method: str, params: Any = None) -> None:
        self._send({"jsonrpc": "2.0", "method": method}, params)

    def cancel(self, request: Request) -> None:
        self.notify("$/cancelRequest", {"id": request.id})

    # Raw bytes

    def send_frame(self, body: bytes | str) -> None:
        body = body.encode() if isinstance(body, str) else body
        self.send_bytes(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def send_bytes(self, data: bytes) -> None:
        view = memoryview(data)
        with self._write_lock:
            while view:
                view = view[os.write(self.process.stdin.fileno(), view) :]

    def next_stray(self, seconds: float = 30) -> dict:
        """The next response that belongs to no request sent by `send`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.strays, seconds):
                raise TimeoutError(f"no response came within {seconds} s")
            return self.strays.pop(0)

    # Notifications

    def wait_for(self, method: str, matches: Callable[[dict], bool] = lambda _: True, seconds: float = 30) -> dict:
        """The params of the first notification of that method that matches, waiting for it."""

        def found() -> dict | None:
            return next((p for p in self.params_of(method) if matches(p)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, seconds)
            params = found()
        if params is None:
            raise TimeoutError(f"no matching {method} came within {seconds} s")
        return params

    def params_of(self, method: str) -> list[dict]:
        return [n.get("params", {}) for n in list(self.notifications) if n["method"] == method]

    # Sandboxes

    def create(self, **params: Any) -> Sandbox:
        params.setdefault("network", {"mode": "none"})
        return Sandbox(self, self.call("sandbox/create", params))

    def restore(self, snapshot: dict, **overrides: Any) -> Sandbox:
        return Sandbox(self, self.call("sandbox/restore", {"snapshotId": snapshot["id"], **overrides}))

    # The end

    @property
    def launcher_pid(self) -> int:
        return self.process.pid

    def close_stdin(self) -> None:
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def close(self, seconds: float = 30) -> int:
        """Ends the engine by shutdown and exit. Returns its exit code."""
        if self.process.poll() is None:
            try:
                self.call("shutdown", seconds=seconds)
                self.notify("exit")
            except (EngineGone, BrokenPipeError):
                pass
        return self.wait(seconds)

    def wait(self, seconds: float = 30) -> int:
        """Waits for the engine's end and returns its exit code, negative for a signal."""
        code = self.process.wait(seconds)
        self.close_stdin()
        if self._reading:
            self._reader.join(seconds)
        else:
            self.process.stdout.close()
        return code

    def kill(self, pid: int | None = None, signal: int = 9) -> None:
        """Signals the launcher, or `pid`."""
        os.kill(pid or self.launcher_pid, signal)

    def stderr(self) -> str:
        with open(self.stderr_path, errors="replace") as file:
            return file.read()

    # The reader

    def start_reading(self) -> None:
        self._reading = True
        self._reader.start()

    def _send(self, message: dict, params: Any) -> None:
        if params is not None:
            message["params"] = params
        self._record("sent", message)
        self.send_frame(json.dumps(message))

    def _record(self, direction: str, message: dict) -> None:
        if len(self.traffic) < self._record_limit:
            self.traffic.append((direction, message))

    def _read_all(self) -> None:
        stream = os.fdopen(self.process.stdout.fileno(), "rb", buffering=1 << 16, closefd=False)
        try:
            while (body := read_frame(stream)) is not None:
                self._receive(json.loads(body.decode()))
        except (ValueError, EOFError) as error:
            self.garbage.append(str(error))
            while stream.read(1 << 16):  # keep draining, or the engine would block
                pass
        finally:
            with self._changed:
                pending, self._pending = self._pending, {}
                self._changed.notify_all()
            for request in pending.values():
                request._future.set_exception(EngineGone(f"the engine ended before it answered {request.method}"))
            stream.close()
            self.process.stdout.close()

    def _receive(self, message: dict) -> None:
        self._record("received", message)
        if "method" in message:
            with self._changed:
                self.notifications.append(message)
                self._changed.notify_all()
            return
        with self._changed:
            request = self._pending.pop(_key(message.get("id")), None)
            if request is None:
                self.strays.append(message)
                self._changed.notify_all()
                return
        if "error" in message:
            request._future.set_exception(EngineError(request.method, message["error"]))
        else:
            request._future.set_result(message["result"])


def _key(request_id: Any) -> tuple[type, Any]:
    return type(request_id), request_id  # 1 and "1" are two ids


def read_frame(stream) -> bytes | None:
    """One body, or None at the end of the stream; ValueError on anything that is not a frame."""
    length = None
    while True:
        line = stream.readline(8192)
        if line == b"" and length is None:
            return None
        if line == b"\r\n" and length is not None:
            break
        name, colon, value = line.partition(b": ")
        if not colon or not line.endswith(b"\r\n") or name not in (b"Content-Length", b"Content-Type"):
            raise ValueError(f"not a header line: {line[:200]!r}")
        if name == b"Content-Length":
            length = int(value)
    body = bytearray()
    while len(body) < length:
        part = stream.read(length - len(body))
        if not part:
            raise EOFError(f"the engine ended within a body: {len(body)} of {length} bytes")
        body += part
    return bytes(body)
