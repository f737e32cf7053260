"""A store on a full or read-only filesystem, and commands that fill it: a small tmpfs, so root only."""

import os
import subprocess

from isorun_client import EngineError
from harness.case import EngineTestCase


class SmallStoreTests(EngineTestCase):
    callers = ("root",)
    starts_engine = False

    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "isorun-test", self.disk], check=True)
        self.addCleanup(self.unmount)
        self.small_store = os.path.join(self.disk, "store")

    def unmount(self):
        """Ends the engines first, or the filesystem would be busy."""
        for engine in self._engines:
            engine.close_stdin()
            engine.wait()
        subprocess.run(["umount", self.disk], check=True)

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.disk], check=True)

    def fill(self):
        """Leaves no free block."""
        with open(os.path.join(self.disk, "filler"), "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                pass

    def unfill(self):
        os.unlink(os.path.join(self.disk, "filler"))

    def test_a_command_that_fills_the_disk(self):
        engine = self.start_engine(store=self.small_store)
        box = engine.create()
        result = box.exec(
            'echo mine > /root/mine; head -c 200M /dev/zero > /root/fill; echo "status $?"; rm /root/fill'
        )
        self.assertIn("No space left", result["stderr"])
        self.assertEqual(result["stdout"], "status 1\n")
        self.assertEqual(box.output("cat /root/mine; echo more > /root/more; cat /root/more"), "mine\nmore\n")

    def test_requests_on_a_full_disk(self):
        engine = self.start_engine(store=self.small_store)
        box = engine.create()
        box.output("echo kept > /root/file")
        snapshot = box.snapshot()
        self.fill()
        for request in (
            engine.send("sandbox/create", {}),
            box.send("sandbox/snapshot"),
            box.send("sandbox/fork", count=3),
            engine.send("sandbox/restore", {"snapshotId": snapshot["id"]}),
            box.send("fs/write", path="/root/big", data="x" * 1_000_000),
        ):
            with self.subTest(method=request.method):
                self.assert_error(request.error(), 1061, "NoSpace")
        self.assertEqual(box.output("cat /root/file"), "kept\n")
        self.unfill()
        self.assertEqual(box.output("cat /root/file; ls /root"), "kept\nfile\n")
        self.assertEqual(engine.restore(snapshot).read("/root/file"), "kept\n")
        self.assertEqual(len(engine.call("sandbox/list", {})["sandboxes"]), 2)
        self.assertEqual(len(engine.call("snapshot/list", {})["snapshots"]), 1)

    def test_a_snapshot_of_running_processes_that_fills_the_disk(self):
        """Most of the files are copied before the processes are stopped: they notice nothing."""
        engine = self.start_engine(store=self.small_store)
        box = engine.create()
        box.output("mkdir /data; for i in $(seq 100); do head -c 400K /dev/urandom > /data/$i; done")
        box.output("setsid sh -c 'while :; do date +%s%N > /root/alive; sleep 0.1; done' < /dev/null > /dev/null 2>&1 &")
        box.wait_until("test -s /root/alive")
        expected = box.output("cat /data/* | sha256sum")
        for method in "sandbox/snapshot", "sandbox/fork":
            self.assert_error(box.send(method, runtime="require").error(), 1061, "NoSpace")
            self.assertEqual(self.staged_layers(), [])
        before = box.read("/root/alive")
        self.eventually(lambda: box.read("/root/alive") != before, message="the source stands still")
        self.assertEqual(box.output("cat /data/* | sha256sum"), expected)
        box.output("rm /data/?? /data/100")
        snapshot = box.snapshot(runtime="require")
        self.assertEqual(engine.restore(snapshot).output("ls /data"), "".join(f"{i}\n" for i in range(1, 10)))

    def staged_layers(self) -> list[str]:
        return [name for _, folders, _ in os.walk(os.path.join(self.small_store, "staging")) for name in folders
                if name.startswith("layer")]

    def test_deleting_on_a_full_disk_frees_it(self):
        engine = self.start_engine(store=self.small_store)
        box = engine.create()
        box.output("head -c 20M /dev/zero > /root/file")
        snapshot = box.snapshot()
        box.destroy()
        self.fill()
        engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        self.unfill()
        self.eventually(lambda: self.free() > 60 << 20, message="the layer's space was not freed")

    def free(self):
        info = os.statvfs(self.disk)
        return info.f_bavail * info.f_frsize

    def test_a_start_on_a_full_disk(self):
        self.fill()
        engine = self.start_engine(initialize=False)
        try:
            engine.call("initialize", {"store": self.small_store})
        except EngineError as error:
            self.assert_error(error, 1061, "NoSpace")
        self.unfill()

    def test_a_new_store_on_a_read_only_disk(self):
        self.remount("ro")
        engine = self.start_engine(initialize=False)
        error = engine.send("initialize", {"store": self.small_store}).error()
        self.assertIn(error.code, (1080, 1091), str(error))
        self.assertIn("read-only", error.message.lower())

    def test_a_disk_that_becomes_read_only(self):
        """As after an I/O error: requests that write fail, the engine lives, nothing is lost."""
        engine = self.start_engine(store=self.small_store)
        box = engine.create()
        snapshot = box.snapshot()
        box.destroy()
        self.assertEqual(engine.close(), 0)
        self.remount("ro")
        engine = self.start_engine(initialize=False)
        try:
            engine.initialize(store=self.small_store)
        except EngineError as error:
            self.assertIn(error.code, (1080, 1091), str(error))
        self.remount("rw")
        engine = self.start_engine(store=self.small_store)
        self.assertEqual(engine.restore(snapshot).output("echo alive"), "alive\n")
