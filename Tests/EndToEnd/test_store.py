"""The store: shared by several engines, kept over restarts, and collected."""

import fcntl
import os
import struct
import subprocess
import unittest

from isorun_client import EngineError
from harness.case import EngineTestCase, unreferenced


class SharedStoreTests(EngineTestCase):
    def test_snapshots_outlive_the_engine(self):
        box = self.engine.create(env={"SET": "1"}, cwd="/root")
        box.output("echo kept > file")
        snapshot = box.snapshot(name="n", labels={"a": "b"})
        self.restart()
        self.assertEqual(self.engine.call("snapshot/get", {"snapshotId": snapshot["id"]}), snapshot)
        self.assertEqual(self.engine.restore(snapshot).output("cat file; echo $SET; pwd"), "kept\n1\n/root\n")

    def test_snapshots_outlive_a_killed_engine(self):
        box = self.engine.create()
        box.output("echo kept > /root/file")
        snapshot = box.snapshot()
        self.engine.kill(self.engine_pid(self.engine))
        self.engine.wait()
        self.engine = self.start_engine()
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
        self.assertEqual(self.engine.restore(snapshot).read("/root/file"), "kept\n")

    def test_a_second_engine_sees_and_restores_them_at_once(self):
        second = self.start_engine()
        box = self.engine.create()
        for n in range(5):
            box.output(f"echo {n} > /root/file")
            snapshot = box.snapshot()
            self.assertEqual(second.call("snapshot/get", {"snapshotId": snapshot["id"]}), snapshot)
            self.assertEqual(second.restore(snapshot).read("/root/file"), f"{n}\n")
        second.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        self.assert_fails(1010, "SnapshotNotFound", self.engine.restore, snapshot)

    def test_each_engine_has_its_own_sandboxes(self):
        second = self.start_engine()
        box, other = self.engine.create(), second.create()
        self.assertEqual([s["id"] for s in self.engine.call("sandbox/list", {})["sandboxes"]], [box.id])
        self.assert_fails(1001, "SandboxNotFound", second.call, "sandbox/get", {"sandboxId": box.id})
        self.assertEqual(self.engine.close(), 0)
        self.assertEqual(other.output("echo alive"), "alive\n")

    def test_a_snapshot_that_another_engine_uses_may_be_deleted(self):
        second = self.start_engine()
        box = self.engine.create()
        box.output("echo kept > /root/file")
        snapshot = box.snapshot()
        restored = second.restore(snapshot)
        box.destroy()
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        self.engine.call("engine/gc", {})
        self.assertEqual(restored.output("cat /root/file"), "kept\n")
        self.assertEqual(restored.output("echo more >> /root/file; cat /root/file"), "kept\nmore\n")

    def test_garbage_collection_beside_working_engines(self):
        engines = [self.engine, self.start_engine(), self.start_engine()]
        boxes = [engine.create() for engine in engines]
        collecting = [engine.send("engine/gc", {}) for engine in engines for _ in range(10)]
        snapshots = []
        for n in range(30):
            box = boxes[n % 3]
            box.write("/root/file", str(n))
            snapshots.append(box.snapshot())
            collecting.append(engines[(n + 1) % 3].send("engine/gc", {}))
        for request in collecting:
            self.assertEqual(set(request.result()), {"freedBytes", "removed"})
        for n, snapshot in enumerate(snapshots):
            self.assertEqual(engines[(n + 2) % 3].restore(snapshot).read("/root/file"), str(n))

    def test_a_hibernated_sandbox_is_resumed_by_one_engine_only(self):
        box = self.engine.create()
        box.call("sandbox/hibernate")
        self.restart()
        second = self.start_engine()
        requests = [engine.send("sandbox/resume", {"sandboxId": box.id}) for engine in (self.engine, second)]
        outcomes = []
        for request in requests:
            try:
                outcomes.append(request.result()["status"])
            except EngineError as error:
                self.assertIn(error.code, (1001, 1003, 1090), str(error))
                outcomes.append("refused")
        self.assertEqual(sorted(outcomes), ["refused", "running"])


class PlacementTests(EngineTestCase):
    FS_IOC_GETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x20000  # ioctl_iflags(2)

    def test_what_is_made_is_spread_over_the_disk(self):
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.store], stdout=subprocess.PIPE, text=True, check=True)
        if kind.stdout.strip() != "ext2/ext3":
            raise unittest.SkipTest(f"the store lies on {kind.stdout.strip()}, which spreads folders as it likes")
        staging = os.path.join(self.store, "staging")
        (engine,) = os.listdir(staging)
        folder = os.open(os.path.join(staging, engine), os.O_RDONLY)
        try:
            flags = struct.unpack("i", fcntl.ioctl(folder, self.FS_IOC_GETFLAGS, bytes(4)))[0]
        finally:
            os.close(folder)
        self.assertTrue(flags & self.FS_TOPDIR_FL)

    def test_a_sandbox_has_one_record_and_one_folder_of_files(self):
        box = self.engine.create()
        folder = os.path.join(self.store, "sandboxes", box.id)
        for n in range(5):
            box.write("/root/file", str(n))
            snapshot = box.snapshot()
            box.rollback(snapshot)
            box.call("sandbox/setTimeout", timeoutSec=100 + n)
        names = self.settled(lambda: sorted(os.listdir(folder)))
        self.assertEqual([name.split("-")[0] for name in names], ["files", "sandbox.json"])
        trash = os.path.join(self.store, "trash")
        self.eventually(lambda: os.listdir(trash) == [], message="what was replaced is not deleted")


class CollectionTests(EngineTestCase):
    def test_a_fresh_store_has_nothing_to_collect(self):
        result = self.engine.call("engine/gc", {"dryRun": True})
        self.assertEqual((result["freedBytes"], unreferenced(self.engine)), (0, 0))

    def test_a_dry_run_removes_nothing_and_a_real_one_all(self):
        box = self.engine.create()
        box.output("head -c 3000000 /dev/urandom > /root/file")
        snapshot = box.snapshot()
        self.assertEqual(self.engine.close(), 0)
        manifest = os.path.join(self.store, "snapshots", snapshot["id"])
        subprocess.run(["rm", "-rf", manifest], check=True)  # as if a crash had lost it
        engine = self.engine = self.start_engine()
        self.eventually(lambda: unreferenced(engine) == 0, message="what a crash left is not collected at the start")
        self.assertEqual(os.listdir(os.path.join(self.store, "layers")), [])
