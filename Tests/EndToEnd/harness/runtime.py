"""What the tests of runtime state share: a base class, and the rounds that every live sandbox is put through."""

from __future__ import annotations

import itertools
from typing import Callable

from isorun_client import Sandbox
from isorun_process import Process

from .case import EngineTestCase


_numbers = itertools.count(1)


class RuntimeTestCase(EngineTestCase):
    """Tests that need an engine which keeps running processes."""

    def setUp(self) -> None:
        super().setUp()
        state = self.engine.capabilities["runtimeState"]
        if not state["supported"]:
            self.skipTest(f"no processes are kept here: {state['reason']}")

    def live_through(self, box: Sandbox, check: Callable[[Sandbox, str], None]) -> Sandbox:
        """Puts a sandbox through every operation, and then what was restored of it through the same again.

        `check` says of a sandbox whether its processes are as they should be; the text tells it where. Returns the
        sandbox of the last generation; the others are destroyed. What root's copies of copies prove need not be proved
        again for others.
        """
        generations = 2 if self.caller == "root" else 1
        for number in range(1, generations + 1):
            box = self._one_generation(box, lambda b, where: check(b, f"{where}, generation {number}"))
        return box

    def _one_generation(self, box: Sandbox, check: Callable[[Sandbox, str], None]) -> Sandbox:
        snapshot = self.snapshot_whole(box)
        check(box, "the source after a snapshot")
        restored = self.engine.restore(snapshot)
        check(restored, "restored")
        for child in self.forked_whole(box, 2):
            check(child, "forked")
            child.destroy()
        check(box, "the source after a fork")
        box.rollback(snapshot)
        check(box, "rolled back")
        self.sleep_and_wake(box)
        check(box, "resumed")
        check(restored, "restored, later")
        box.destroy()
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        return restored

    def ask(self, box: Sandbox, process: Process, request: str = "look") -> str:
        """What a process, or its copy in another sandbox, answers to "NUMBER REQUEST": a line that ends with "answer NUMBER"."""
        (copy,) = [p for p in box.processes() if p.id == process.id]
        copy.attach()
        number = next(_numbers)
        copy.write(f"{number} {request}\n")
        end = f" answer {number}\n"
        return copy.wait_for_output(end).decode().partition(end)[0].splitlines()[-1]

    def snapshot_whole(self, box: Sandbox) -> dict:
        """A snapshot of which nothing is left out."""
        snapshot = box.snapshot(runtime="require")
        self.assert_whole(snapshot["runtime"])
        return snapshot

    def forked_whole(self, box: Sandbox, count: int) -> list[Sandbox]:
        return box.fork(count, runtime="require")

    def sleep_and_wake(self, box: Sandbox) -> None:
        self.assertEqual(box.call("sandbox/hibernate")["status"], "hibernated")
        self.assertEqual(box.call("sandbox/resume")["status"], "running")

    def assert_whole(self, report: dict) -> None:
        self.assertEqual((report["dropped"], report["reset"]), ([], []))
        self.assertGreater(report["kept"], 0)
