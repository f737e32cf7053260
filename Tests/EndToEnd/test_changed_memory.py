"""Captures after the first one copy what has changed, and nothing else is lost or stale by that."""

import os

from harness import processes
from harness.programs import Probe
from harness.runtime import RuntimeTestCase

ROUNDS = 6
MEGABYTES = 96

# Holds memory, and changes a hundredth of it for each file /tmp/change-N that it finds.
HOARDER = f"""
import mmap, os, time
size = {MEGABYTES} << 20
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for start in range(0, size, 1 << 20):
    memory[start : start + (1 << 20)] = os.urandom(1 << 20)
open("/tmp/ready", "w").close()
number = 0
while True:
    if os.path.exists(f"/tmp/change-{{number}}"):
        memory[: size // 100] = os.urandom(size // 100)
        open(f"/tmp/changed-{{number}}", "w").close()
        number += 1
    time.sleep(0.01)
"""


class ChangedMemoryTests(RuntimeTestCase):
    def test_every_capture_has_the_memory_of_its_moment(self):
        """A program changes its memory in every way, and so does its child, which shares most of it."""
        box = self.engine.create()
        Probe.install(box, "memory_history")
        probe = Probe.start(box, "memory_history")
        snapshots = []
        for number in range(ROUNDS):
            snapshots.append(self.snapshot_whole(box))
            probe.check(f"the source after snapshot {number}")
            for child in self.forked_whole(box, 2):
                probe.in_sandbox(child).check(f"forked in round {number}")
                child.destroy()
        for number, snapshot in enumerate(snapshots):
            restored = self.engine.restore(snapshot)
            probe.in_sandbox(restored).check(f"restored from snapshot {number}")
            # What was restored is captured in turn.
            second = self.snapshot_whole(restored)
            again = self.engine.restore(second)
            probe.in_sandbox(again).check(f"restored from a snapshot of what was restored from snapshot {number}")
            restored.destroy()
            again.destroy()
            # Each that is in memory holds descriptors.
            for done in (snapshot, second):
                self.engine.call("snapshot/delete", {"snapshotId": done["id"]})

    def test_another_engine_finds_each_of_the_snapshots(self):
        """On the disk they share what is alike; one that is deleted takes nothing from the others."""
        box = self.engine.create()
        Probe.install(box, "memory_history")
        probe = Probe.start(box, "memory_history")
        snapshots = []
        for number in range(3):
            snapshots.append(box.snapshot(runtime="require", durable=True))
            probe.check(f"the source after snapshot {number}")
        self.engine.call("snapshot/delete", {"snapshotId": snapshots.pop(0)["id"]})
        snapshots.append(box.snapshot(runtime="require", durable=True))
        other = self.start_engine()
        for number, snapshot in enumerate(snapshots, 1):
            probe.in_sandbox(other.restore(snapshot)).check(f"restored from snapshot {number}")

    def test_a_second_snapshot_takes_as_much_room_as_has_changed(self):
        box = self.start_hoarder()
        first = box.snapshot(runtime="require", durable=True)
        taken = self.room_taken()
        self.assertGreater(taken, MEGABYTES << 20)
        self.change(box, 0)
        box.snapshot(runtime="require", durable=True)
        self.assertLess(self.room_taken() - taken, MEGABYTES << 20 >> 2)
        # What comes from a snapshot differs from that, and from nothing else.
        box.rollback(first, runtime="require")
        for restored in (self.engine.restore(first, runtime="require"), box):
            taken = self.room_taken()
            self.change(restored, 0)
            restored.snapshot(runtime="require", durable=True)
            self.assertLess(self.room_taken() - taken, MEGABYTES << 20 >> 2)

    def test_a_fork_of_a_fork_shares_the_memory_of_all(self):
        """Each capture builds upon what its sandbox was itself forked from."""
        box = self.start_hoarder()
        for number in range(3):
            child = self.forked_whole(box, 1)[0]
            box.destroy()
            self.change(child, number)
            box = child
        self.forked_whole(box, 1)
        pids = [self.engine.launcher_pid, *processes.descendants(self.engine.launcher_pid)]
        self.assertLess(sum(processes.memory_kib(pid, "Pss") for pid in pids), (MEGABYTES << 10) * 1.5)

    def start_hoarder(self):
        box = self.engine.create()
        box.write("/tmp/hoarder.py", HOARDER)
        box.output("setsid /usr/bin/python3 /tmp/hoarder.py </dev/null >/dev/null 2>&1 &")
        box.wait_until("test -e /tmp/ready")
        return box

    def change(self, box, number: int) -> None:
        box.output(f"touch /tmp/change-{number}")
        box.wait_until(f"test -e /tmp/changed-{number}")

    def room_taken(self) -> int:
        """By the store, in bytes; a file with several names counts once."""
        files = {}
        for folder, _, names in os.walk(self.store):
            for name in names:
                status = os.lstat(os.path.join(folder, name))
                files[status.st_ino] = status.st_blocks * 512
        return sum(files.values())
