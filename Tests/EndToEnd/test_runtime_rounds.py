"""A long life: a random mix of snapshots, restores, forks, rollbacks and hibernations of running processes, without drift or leak.

ISORUN_ROUNDS says how many operations; ISORUN_SEED repeats a life.
"""

import os
import random

from harness import processes
from harness.programs import Probe
from harness.runtime import RuntimeTestCase

ROUNDS = int(os.environ.get("ISORUN_ROUNDS", "30"))
PROGRAMS = ("memory_history", "threads", "futexes", "process_tree")
SNAPSHOTS_KEPT = 3
#: What an engine may hold more at the end than in the middle, in KiB: buffers that have grown, not one state. In a short life they all
#: still grow.
GROWTH_KIB = 4096
LONG = 200


class RoundsTests(RuntimeTestCase):
    def test_a_long_life(self):
        seed = int(os.environ.get("ISORUN_SEED") or random.randrange(1 << 30))
        chance = random.Random(seed)
        self.box = self.engine.create()
        self.probes = []
        for name in PROGRAMS:
            Probe.install(self.box, name)
            self.probes.append(Probe.start(self.box, name))
        self.snapshots = []
        early = None
        for number in range(ROUNDS):
            operation = chance.choice([self.snapshot, self.snapshot, self.restore, self.fork, self.rollback, self.sleep])
            where = f"round {number} of seed {seed}: {operation.__name__}"
            operation(chance)
            self.check(self.box, where)
            if number == ROUNDS // 2:
                early = self.held()
        descriptors, memory = self.held()
        self.assertLessEqual(descriptors, early[0], f"descriptors, seed {seed}")
        if ROUNDS >= LONG:
            self.assertLess(memory, early[1] + GROWTH_KIB, f"memory in KiB, seed {seed}")

    def check(self, box, where) -> None:
        copies = [probe.in_sandbox(box) for probe in self.probes]
        for copy, generation in [(copy, copy.begin_check()) for copy in copies]:
            copy.finish_check(generation, where)

    def held(self) -> tuple[int, int]:
        """What the engine holds when nothing is kept but the sandbox itself: descriptors, and memory in KiB."""
        while self.snapshots:
            self.forget(0)
        # What was kept for the next fork goes with the namespaces.
        self.sleep_and_wake(self.box)
        pid = self.engine_pid(self.engine)
        return (self.settled(lambda: processes.open_files(pid)), processes.memory_kib(pid, "Pss"))

    def forget(self, place: int) -> None:
        self.engine.call("snapshot/delete", {"snapshotId": self.snapshots.pop(place)["id"]})

    # Operations

    def snapshot(self, chance) -> None:
        self.snapshots.append(self.snapshot_whole(self.box))
        if len(self.snapshots) > SNAPSHOTS_KEPT:
            self.forget(chance.randrange(len(self.snapshots)))

    def restore(self, chance) -> None:
        """Goes on in a restored copy instead."""
        if not self.snapshots:
            self.snapshot(chance)
        restored = self.engine.restore(chance.choice(self.snapshots))
        self.box.destroy()
        self.box = restored
        # A rollback leads to a snapshot of the sandbox itself or of one that it descends from.
        while self.snapshots:
            self.forget(0)

    def fork(self, chance) -> None:
        children = self.forked_whole(self.box, chance.randint(1, 2))
        for child in children:
            self.check(child, "a child")
        for child in children:
            child.destroy()

    def rollback(self, chance) -> None:
        if not self.snapshots:
            self.snapshot(chance)
        self.box.rollback(chance.choice(self.snapshots))

    def sleep(self, chance) -> None:
        self.sleep_and_wake(self.box)
