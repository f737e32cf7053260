"""Waits for the machine to have nothing else to do, so that a figure is the engine's and not the neighbours'."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

IDLE_SHARE = 0.9  # of all processors together
WINDOW_SECONDS = 0.5

Result = TypeVar("Result")


class Calm:
    """Repeats what was disturbed, until it was not or the patience is over."""

    def __init__(self, patience_seconds: float):
        self._deadline = time.monotonic() + patience_seconds
        #: What had to be taken although the machine was busy.
        self.disturbed: list[str] = []

    def undisturbed(self, name: str, measure: Callable[[], Result]) -> Result:
        while True:
            was_calm = self._wait()
            result = measure()
            if was_calm and _idle_share() >= IDLE_SHARE:
                return result
            if time.monotonic() > self._deadline:
                self.disturbed.append(name)
                return result

    def _wait(self) -> bool:
        while _idle_share() < IDLE_SHARE:
            if time.monotonic() > self._deadline:
                return False
        return True


def _idle_share() -> float:
    """How much of the processors nobody wanted, over the next moments."""
    before = _processor_times()
    time.sleep(WINDOW_SECONDS)
    spent = [after - earlier for after, earlier in zip(_processor_times(), before)]
    return (spent[3] + spent[4]) / max(1, sum(spent))  # idle and waiting for a disk (proc_stat(5))


def _processor_times() -> list[int]:
    with open("/proc/stat") as file:
        return [int(field) for field in file.readline().split()[1:9]]
