"""Captured processes on the disk: they outlive the engine that captured them."""

import os
import re
import signal

from harness.case import EngineTestCase

# Counts in memory only: a file shows the count, but a new process would begin at 0.
COUNTER = "setsid sh -c 'i=0; while :; do i=$((i+1)); echo $i > /tmp/count.new; mv /tmp/count.new /tmp/count; sleep 0.02; done' </dev/null >/dev/null 2>&1 &"

# Holds memory, and says again and again whether all of it is as it was.
HOARDER = """
import os, time, zlib
memory = os.urandom(1 << 20) * 64
checksum = zlib.crc32(memory)
while True:
    with open("/tmp/sum.new", "w") as file:
        file.write("intact" if zlib.crc32(memory) == checksum else "damaged")
    os.rename("/tmp/sum.new", "/tmp/sum")
    time.sleep(0.05)
"""


class DurableStateTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def counting(self, at_least: int = 5):
        """A sandbox with a process that counts."""
        box = self.engine.create()
        box.output(COUNTER)
        self.wait_for_count(box, at_least)
        return box

    def count(self, box) -> int:
        text = box.exec("cat /tmp/count")["stdout"].strip()
        return int(text) if text else 0

    def wait_for_count(self, box, at_least: int) -> None:
        self.eventually(lambda: self.count(box) >= at_least, message="the counter stands still")

    def assert_goes_on(self, box, captured: int) -> None:
        """The counter counts, and has not begun anew."""
        box.output("rm -f /tmp/count")
        self.eventually(lambda: self.count(box) > 0, message="the counter has gone")
        self.assertGreaterEqual(self.count(box), captured)

    def test_a_durable_snapshot_is_answered_when_another_engine_can_restore_it(self):
        snapshot = self.counting().snapshot(durable=True, runtime="require")
        other = self.start_engine()
        restored = other.restore(snapshot)
        self.assertEqual(restored.info["runtime"]["kept"], snapshot["runtime"]["kept"])
        self.assert_goes_on(restored, 5)
        self.assertGreater(snapshot["memoryBytes"], 0)

    def test_snapshots_in_a_row_do_not_see_each_other(self):
        """The engine's copies of memory are processes for a while; they are not the sandbox's."""
        box = self.engine.create()
        box.write("/tmp/hoarder.py", HOARDER)
        box.output("setsid /usr/bin/python3 /tmp/hoarder.py </dev/null >/dev/null 2>&1 &")
        box.wait_until("test -e /tmp/sum")
        for _ in range(4):
            report = box.snapshot(runtime="require")["runtime"]
            self.assertEqual((report["kept"], report["dropped"]), (1, []))
        self.assertEqual([p["verdict"] for p in box.call("sandbox/explain")["processes"]], ["kept"])

    def test_the_background_tells_when_it_is_done(self):
        snapshot = self.counting().snapshot()
        told = self.engine.wait_for("snapshot/durability", lambda p: p["snapshotId"] == snapshot["id"], seconds=30)
        self.assertTrue(told["durable"])
        self.engine.kill(self.engine_pid(self.engine), signal.SIGKILL)
        self.engine.wait()
        self.engine = self.start_engine()
        self.assert_goes_on(self.engine.restore(snapshot), 5)

    def test_snapshots_without_processes_are_told_of_too(self):
        snapshot = self.engine.create().snapshot()
        self.assertTrue(
            self.engine.wait_for("snapshot/durability", lambda p: p["snapshotId"] == snapshot["id"])["durable"]
        )

    def test_an_engine_that_ends_in_good_order_loses_nothing(self):
        snapshot = self.counting().snapshot()
        self.restart()
        for _ in range(2):
            self.assert_goes_on(self.engine.restore(snapshot), 5)

    def test_rollback_to_what_another_engine_captured(self):
        box = self.counting()
        snapshot = box.snapshot(durable=True)
        hibernated = box.call("sandbox/hibernate")
        self.restart()
        box.engine = self.engine
        box.call("sandbox/resume")
        self.assert_goes_on(box, 5)
        box.output("pkill -f [c]ount.new")
        box.rollback(snapshot)
        self.assert_goes_on(box, 5)
        self.assertEqual(hibernated["id"], box.id)

    def test_a_hibernated_sandbox_wakes_in_another_engine(self):
        box = self.counting()
        box.call("sandbox/hibernate")
        self.engine.kill(self.engine_pid(self.engine), signal.SIGKILL)
        self.engine.wait()
        self.engine = self.start_engine()
        box.engine = self.engine
        self.assertEqual(box.get()["status"], "hibernated")
        self.assertGreater(box.call("sandbox/resume")["runtime"]["kept"], 0)
        self.assert_goes_on(box, 5)
        self.assertFalse(os.path.exists(self.runtime_folder("sandboxes", box.id)))

    def test_files_only_on_request(self):
        box = self.counting()
        box.output("echo kept > /root/file")
        snapshot = box.snapshot(durable=True)
        box.rollback(snapshot, runtime="none")
        for restored in (self.engine.restore(snapshot, runtime="none"), box):
            self.assertEqual(restored.output("cat /root/file"), "kept\n")
            self.assertEqual(restored.exec("pgrep -f [c]ount.new")["exitCode"], 1)
            self.assertNotIn("runtime", restored.get())

    def test_a_hibernated_sandbox_resumed_without_its_processes(self):
        box = self.counting()
        box.call("sandbox/hibernate")
        box.call("sandbox/resume", runtime="none")
        self.assertEqual(box.exec("pgrep -f [c]ount.new")["exitCode"], 1)
        self.assertEqual(box.output("test -f /tmp/count && echo there"), "there\n")

    def runtime_folder(self, *names: str) -> str:
        return os.path.join(self.store, *names, "runtime")

    def test_damaged_states_are_refused_and_the_files_come_back(self):
        """Cut short, altered, of another machine, or without their memory."""
        snapshot = self.counting().snapshot(durable=True)
        self.restart()
        folder = self.runtime_folder("snapshots", snapshot["id"])
        state = os.path.join(folder, "state")
        pages = next(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("pages-"))
        whole = {path: open(path, "rb").read() for path in (state, pages)}

        def altered(content: bytes) -> bytes:
            middle = len(content) // 2
            return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

        for path, content, code, kind in (
            (state, whole[state][:-1], 1012, "SnapshotCorrupt"),
            (state, altered(whole[state]), 1012, "SnapshotCorrupt"),
            (state, b"", 1012, "SnapshotCorrupt"),
            (state, re.sub(rb"state \d\n", b"state 9\n", whole[state], count=1), 1011, "SnapshotIncompatible"),
            (pages, whole[pages][:4096], 1012, "SnapshotCorrupt"),
        ):
            with open(path, "wb") as file:
                file.write(content)
            error = self.assert_fails(code, kind, self.engine.restore, snapshot)
            self.assertEqual(error.data.get("snapshotId", snapshot["id"]), snapshot["id"])
            with open(path, "wb") as file:
                file.write(whole[path])
        os.unlink(pages)
        self.assert_fails(1012, "SnapshotCorrupt", self.engine.restore, snapshot)
        self.assertEqual(self.engine.restore(snapshot, runtime="none").output("test -f /tmp/count; echo $?"), "0\n")

    def test_a_damaged_hibernated_sandbox_sleeps_on(self):
        box = self.counting()
        box.call("sandbox/hibernate")
        state = os.path.join(self.runtime_folder("sandboxes", box.id), "state")
        content = open(state, "rb").read()
        with open(state, "wb") as file:
            file.write(content[:100])
        self.assert_fails(1012, "SnapshotCorrupt", box.call, "sandbox/resume")
        self.assertEqual(box.get()["status"], "hibernated")
        with open(state, "wb") as file:
            file.write(content)
        box.call("sandbox/resume")
        self.assert_goes_on(box, 5)

    def test_a_deleted_snapshot_leaves_nothing(self):
        snapshot = self.counting().snapshot()
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        self.assert_fails(1010, "SnapshotNotFound", self.engine.restore, snapshot)
        self.eventually(lambda: self.staged_states() == [])

    def staged_states(self) -> list[str]:
        staging = os.path.join(self.store, "staging")
        return [
            name
            for engine in os.listdir(staging)
            for name in os.listdir(os.path.join(staging, engine))
            if name.startswith("runtime-")
        ]

    def test_a_source_that_is_destroyed_at_once_is_captured(self):
        """The memory of a large process is still being moved when the answer comes."""
        box = self.engine.create()
        box.output(
            ["/bin/sh", "-c", f"setsid /usr/bin/python3 -c '{HOARDER}' </dev/null >/dev/null 2>&1 &"]
        )
        box.wait_until("test -s /tmp/sum")
        snapshot = box.snapshot(runtime="require")
        box.destroy()
        restored = self.engine.restore(snapshot)
        restored.output("rm /tmp/sum")
        restored.wait_until("test -s /tmp/sum")
        self.assertEqual(restored.output("cat /tmp/sum"), "intact")
