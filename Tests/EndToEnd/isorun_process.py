"""A handle on one long-lived process of a sandbox: each method is one request."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isorun_client import Request
    from isorun_sandbox import Sandbox


class Process:
    """A process of a sandbox, started by `process/start` or found in `process/list`."""

    def __init__(self, box: Sandbox, info: dict):
        self.box = box
        self.engine = box.engine
        self.info = info
        self.id: str = info["id"]
        self.pid: int = info["pid"]

    def send(self, method: str, **params: Any) -> Request:
        return self.box.send(f"process/{method}", processId=self.id, **params)

    def call(self, method: str, **params: Any) -> Any:
        return self.send(method, **params).result()

    # Input

    def write(self, data: str | bytes) -> int:
        return self.begin_write(data).result()["written"]

    def begin_write(self, data: str | bytes) -> Request:
        """A write that is not waited for."""
        if isinstance(data, bytes):
            return self.send("write", data=base64.b64encode(data).decode(), encoding="base64")
        return self.send("write", data=data)

    def close_stdin(self) -> None:
        self.call("closeStdin")

    def signal(self, name: str) -> None:
        self.call("signal", signal=name)

    def resize(self, cols: int, rows: int) -> None:
        self.call("resize", cols=cols, rows=rows)

    # The end

    def get(self) -> dict:
        return self.call("get")

    def wait(self, **params: Any) -> dict:
        return self.call("wait", **params)

    # Output

    def attach(self, cursor: int = 0) -> int:
        """Attaches; where the replay begins."""
        return self.call("attach", cursor=cursor)["cursor"]

    def detach(self) -> None:
        self.call("detach")

    def notifications(self, method: str) -> list[dict]:
        """Those of the process, in the order in which they came."""
        return [p for p in self.engine.params_of(f"process/{method}") if self.is_mine(p)]

    def is_mine(self, params: dict) -> bool:
        return (params["sandboxId"], params["processId"]) == (self.box.id, self.id)

    def output(self, stream: str = "stdout") -> bytes:
        """What has come of a stream so far."""
        parts = [p for p in self.notifications("output") if p["stream"] == stream]
        return b"".join(
            base64.b64decode(p["data"]) if p["encoding"] == "base64" else p["data"].encode() for p in parts
        )

    def wait_for_output(self, text: str | bytes, stream: str = "stdout", seconds: float = 30) -> bytes:
        """Waits until a text has come; all that has come by then."""
        text = text.encode() if isinstance(text, str) else text
        self.engine.wait_for("process/output", lambda p: self.is_mine(p) and text in self.output(stream), seconds)
        return self.output(stream)

    def wait_for_end(self, stream: str = "stdout", seconds: float = 30) -> dict:
        """Waits until the stream has ended; what was told of it."""
        return self.engine.wait_for(
            "process/outputEnded", lambda p: self.is_mine(p) and p["stream"] == stream, seconds
        )

    def wait_for_exit(self, seconds: float = 30) -> dict:
        """The notification of the process's end."""
        return self.engine.wait_for("process/exited", self.is_mine, seconds)

    def run(self) -> bytes:
        """Attaches and waits for the end of the output; what it was."""
        self.attach()
        self.wait_for_end()
        return self.output()
