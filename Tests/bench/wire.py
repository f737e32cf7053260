"""The leanest client: one thread writes a frame and reads frames, so that the engine is measured and not it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "EndToEnd"))

from isorun_client import read_frame  # noqa: E402


class Wire:
    """An engine and the connection to it."""

    def __init__(self, engine: str, store: str, **identity):
        self._process = subprocess.Popen(
            [engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **identity
        )
        self._last_id = 0
        self.store = store
        self.call("initialize", store=store)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, method: str, **params) -> int:
        self._last_id += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()
        return self._last_id

    def receive(self) -> dict:
        """The next answer, whichever request it belongs to."""
        while True:
            frame = read_frame(self._process.stdout)
            if frame is None:
                raise EOFError("the engine has ended")
            message = json.loads(frame)
            if "error" in message:
                raise RuntimeError(message["error"])
            if "id" in message:
                return message

    def call(self, method: str, **params):
        request_id = self.send(method, **params)
        while (message := self.receive())["id"] != request_id:
            pass
        return message["result"]

    def create(self, image: str = "host", mode: str = "none") -> str:
        return self.call("sandbox/create", image=image, network={"mode": mode})["id"]

    def exec(self, sandbox: str, command: str | list[str]) -> dict:
        result = self.call("sandbox/exec", sandboxId=sandbox, command=command)
        if result["exitCode"] != 0:
            raise RuntimeError(result)
        return result

    def close(self) -> None:
        if self._process.stdin.closed:
            return
        self._last_id += 1
        for message in ({"id": self._last_id, "method": "shutdown"}, {"method": "exit"}):
            body = json.dumps({"jsonrpc": "2.0", **message}).encode()
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()
        self._process.wait(60)
        self._process.stdin.close()
        self._process.stdout.close()
