"""The figures of running processes: a Python with four threads and much memory is forked, rolled back and put to sleep."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from report import Row, ratio_row, row
from wire import Wire

from harness import processes

if TYPE_CHECKING:
    from bench import Bench

CHILDREN = 5
MANY_CHILDREN = 100
ROUNDS = 5

# Writes 100 MB, each time anew.
FILES = """
import os
os.makedirs("/data", exist_ok=True)
for number in range(2000):
    with open(f"/data/{number}", "wb") as file:
        file.write(os.urandom(50_000))
"""

# Fills its memory, says so, and changes one hundredth of it for each file /tmp/change-N that it finds.
PROGRAM = """
import mmap, os, sys, threading, time
size = int(sys.argv[1]) << 20
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
block = os.urandom(1 << 20)
for start in range(0, size, 1 << 20):
    memory[start : start + (1 << 20)] = block
for _ in range(3):
    threading.Thread(target=lambda: time.sleep(100000), daemon=True).start()
open("/tmp/ready", "w").close()
number = 0
while True:
    if os.path.exists(f"/tmp/change-{number}"):
        memory[: size // 100] = os.urandom(size // 100)
        open(f"/tmp/changed-{number}", "w").close()
        number += 1
    time.sleep(0.01)
"""


class Live:
    """The parts of the bench that have a live process; each gets an engine of its own."""

    def __init__(self, bench: "Bench"):
        self._bench = bench

    def parts(self):
        return (
            ("live, 100 MB", lambda wire: self.forks(wire, 100, "100 MB", goal=5, pause=5)),
            ("live, 1 GB", lambda wire: self.forks(wire, 1024, "1 GB", goal=8, pause=30)),
            ("live, sleep", self.sleep),
            ("live, changes", self.changes),
            ("live, files", self.files),
            ("live, crowd", self.crowd),
        )

    def forks(self, wire: Wire, size: int, name: str, *, goal: float, pause: float) -> None:
        box = self._start(wire, size)
        # What follows at once competes with the writing of all the memory of this one.
        wire.call("sandbox/snapshot", sandboxId=box, runtime="require", durable=True)
        pauses, snapshot = [], None
        for _ in range(ROUNDS):
            snapshot = wire.call("sandbox/snapshot", sandboxId=box, runtime="require")
            pauses.append(snapshot["pauseMs"])
        self._fork(wire, box, 1)  # makes the template warm
        each = statistics.median(self._fork(wire, box, CHILDREN) / CHILDREN for _ in range(ROUNDS))
        floor = self._bench.mark(f"child of {name}")
        self._add(row(f"fork of a live {name}, per child", each, below=goal, yardstick=floor))
        self._add(ratio_row(f"fork of a live {name}, per child", each, factor=1.3, yardstick=floor))
        back = statistics.median(self._timed(wire, "sandbox/rollback", sandboxId=box, snapshotId=snapshot["id"])
                                 for _ in range(ROUNDS))
        self._add(row(f"rollback of a live {name}", back, below=goal, yardstick=floor))
        self._add(row(f"pause in a snapshot, {name}", statistics.median(pauses), below=pause))

    def sleep(self, wire: Wire) -> None:
        box = self._start(wire, 100)
        asleep, awake = [], []
        for _ in range(ROUNDS):
            asleep.append(self._timed(wire, "sandbox/hibernate", sandboxId=box))
            awake.append(self._timed(wire, "sandbox/resume", sandboxId=box))
        self._add(row("hibernate, 100 MB", statistics.median(asleep), below=150))
        self._add(row("resume, 100 MB", statistics.median(awake), below=60))

    def changes(self, wire: Wire) -> None:
        """Snapshots that are safe on the disk, and a restore by an engine that has nothing of them in memory."""
        box = self._start(wire, 1024)
        first = self._timed(wire, "sandbox/snapshot", sandboxId=box, runtime="require", durable=True)
        times, snapshot = [], None
        for number in range(3):
            wire.exec(box, f"touch /tmp/change-{number}; while ! test -e /tmp/changed-{number}; do sleep 0.02; done")
            begun = time.perf_counter()
            snapshot = wire.call("sandbox/snapshot", sandboxId=box, runtime="require", durable=True)
            times.append((time.perf_counter() - begun) * 1e3)
        self._add(ratio_row("durable snapshot after 1 % of 1 GB changed", statistics.median(times), factor=0.05,
                            yardstick=("the first one", first)))
        restored = wire.call("sandbox/restore", snapshotId=snapshot["id"], runtime="require")["id"]
        self._add(ratio_row("first fork of what was restored, 1 GB", self._fork(wire, restored, 1), factor=0.05,
                            yardstick=("the first one", first)))
        wire.call("sandbox/destroy", sandboxId=restored)
        with self._bench.second_engine(wire) as other:
            cold = self._timed(other, "sandbox/restore", snapshotId=snapshot["id"], runtime="require")
        self._add(row("cold restore, 1 GB", cold, below=1000))

    def files(self, wire: Wire) -> None:
        """Snapshots after much has been written, and after a single file has."""
        box = self._start(wire, 100)
        pauses, times, pauses_after, times_after = [], [], [], []
        for _ in range(ROUNDS):
            wire.exec(box, ["/usr/bin/python3", "-c", FILES])
            self._snapshot(wire, box, pauses, times)
            wire.exec(box, "echo changed > /data/1000")
            self._snapshot(wire, box, pauses_after, times_after)
        name = "100 MB written in 2,000 files"
        self._add(row(f"pause in a snapshot, {name}", statistics.median(pauses), below=20))
        self._add(row("pause in a snapshot, one of them changed", statistics.median(pauses_after), below=20))
        self._add(ratio_row("snapshot, one of them changed", statistics.median(times_after), factor=0.2,
                            yardstick=(f"snapshot, {name}", statistics.median(times))))

    def _snapshot(self, wire: Wire, box: str, pauses: list[float], times: list[float]) -> None:
        begun = time.perf_counter()
        pauses.append(wire.call("sandbox/snapshot", sandboxId=box, runtime="require")["pauseMs"])
        times.append((time.perf_counter() - begun) * 1e3)

    def crowd(self, wire: Wire) -> None:
        box = self._start(wire, 1024)
        answer = wire.call("sandbox/fork", sandboxId=box, count=MANY_CHILDREN, runtime="require")
        name = f"memory of {MANY_CHILDREN} children of 1 GB"
        self._add(row(f"{name} and their source, Pss", self._memory(wire), below=1536, unit="MiB"))
        wire.call("sandbox/destroy", sandboxId=box)
        self._add(row(f"{name} when it has gone, Pss", self._memory(wire), below=1536, unit="MiB"))
        for child in answer["sandboxes"]:
            wire.call("sandbox/destroy", sandboxId=child["id"])

    def _memory(self, wire: Wire) -> float:
        """Of the engine and everything in its sandboxes, in MiB."""
        pids = [wire.pid, *processes.descendants(wire.pid)]
        return sum(processes.memory_kib(pid, "Pss") for pid in pids) / 1024

    def _start(self, wire: Wire, size: int) -> str:
        # Twice what the program holds: its limit would end it else.
        box = wire.call("sandbox/create", network={"mode": "none"}, memMiB=2 * size + 256)["id"]
        wire.call("fs/write", sandboxId=box, path="/tmp/program.py", data=PROGRAM)
        wire.exec(box, f"setsid /usr/bin/python3 /tmp/program.py {size} < /dev/null > /dev/null 2>&1 &")
        wire.exec(box, "while ! test -e /tmp/ready; do sleep 0.05; done")
        return box

    def _fork(self, wire: Wire, box: str, count: int) -> float:
        """The milliseconds of a fork; its children are destroyed afterwards."""
        begun = time.perf_counter()
        answer = wire.call("sandbox/fork", sandboxId=box, count=count, runtime="require")
        taken = (time.perf_counter() - begun) * 1e3
        for child in answer["sandboxes"]:
            wire.call("sandbox/destroy", sandboxId=child["id"])
        return taken

    def _timed(self, wire: Wire, method: str, **params) -> float:
        begun = time.perf_counter()
        wire.call(method, **params)
        return (time.perf_counter() - begun) * 1e3

    def _add(self, figure: Row) -> None:
        self._bench.rows.append(figure)
