"""A handle on one sandbox, for the client: each method is one request."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

from isorun_process import Process

if TYPE_CHECKING:
    from isorun_client import Engine, Request


class Sandbox:
    """A sandbox of an engine."""

    def __init__(self, engine: Engine, info: dict):
        self.engine = engine
        self.info = info
        self.id: str = info["id"]

    def send(self, method: str, **params: Any) -> Request:
        return self.engine.send(method, {"sandboxId": self.id, **params})

    def call(self, method: str, **params: Any) -> Any:
        return self.send(method, **params).result()

    def exec(self, command: str | list[str], **params: Any) -> dict:
        return self.call("sandbox/exec", command=command, **params)

    def start(self, command: str | list[str], **params: Any) -> Request:
        """An exec that is not waited for."""
        return self.send("sandbox/exec", command=command, **params)

    def launch(self, command: str | list[str], **params: Any) -> Process:
        """A long-lived process."""
        return Process(self, self.call("process/start", command=command, **params))

    def processes(self) -> list[Process]:
        return [Process(self, info) for info in self.call("process/list")["processes"]]

    def output(self, command: str | list[str], **params: Any) -> str:
        """What the command prints; AssertionError unless it exits with 0."""
        result = self.exec(command, **params)
        if result["exitCode"] != 0:
            raise AssertionError(f"{command!r} failed: {result}")
        return result["stdout"]

    def python(self, program: str, **params: Any) -> str:
        """The output of a Python program that runs inside, with the host image's interpreter."""
        return self.output(["/usr/bin/python3", "-c", program], **params)

    def wait_for_foreground(self, program: str) -> None:
        """Waits until a program runs in the foreground of its terminal: the shell has printed its command before that."""
        self.wait_until(f"ps -C {program} -o stat= | grep -q '^S.*+'", seconds=30)

    def wait_until(self, command: str, seconds: float = 30) -> None:
        """Repeats the command until it exits with 0."""
        deadline = time.monotonic() + seconds
        while self.exec(command)["exitCode"] != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{command!r} did not come true within {seconds} s")
            time.sleep(0.02)

    def write(self, path: str, text: str, **params: Any) -> dict:
        return self.call("fs/write", path=path, data=text, **params)

    def read(self, path: str) -> str:
        return self.call("fs/read", path=path)["data"]

    def read_bytes(self, path: str, **params: Any) -> bytes:
        return base64.b64decode(self.call("fs/read", path=path, encoding="base64", **params)["data"])

    def snapshot(self, **params: Any) -> dict:
        return self.call("sandbox/snapshot", **params)

    def fork(self, count: int = 1, **params: Any) -> list[Sandbox]:
        answer = self.call("sandbox/fork", count=count, **params)
        return [Sandbox(self.engine, info) for info in answer["sandboxes"]]

    def rollback(self, snapshot: dict, **params: Any) -> dict:
        return self.call("sandbox/rollback", snapshotId=snapshot["id"], **params)

    def get(self) -> dict:
        return self.call("sandbox/get")

    def destroy(self) -> dict:
        return self.call("sandbox/destroy")
