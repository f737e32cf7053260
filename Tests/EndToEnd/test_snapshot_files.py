"""snapshot/export and snapshot/import."""

import os
import subprocess

from harness import rootfs
from harness.case import EngineTestCase


class SnapshotFileTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "snapshot.isorun")

    def export(self, snapshot: dict) -> dict:
        return self.engine.call("snapshot/export", {"snapshotId": snapshot["id"], "path": self.path})

    def other_store(self):
        """An engine that has nothing in common with the first but the machine."""
        return self.start_engine(store=os.path.join(self.folder, "other-store"))

    def import_into(self, engine) -> dict:
        return engine.call("snapshot/import", {"path": self.path})

    def test_files_and_settings_reach_another_store(self):
        box = self.engine.create(env={"SET": "1"}, labels={"a": "b"})
        box.output("echo one > /root/one; ln -s one /root/link; ln /root/one /root/hard")
        box.snapshot()
        box.output("echo two > /root/two; rm /root/one; chmod 600 /root/two")
        snapshot = box.snapshot(name="the one", labels={"c": "d"})
        exported = self.export(snapshot)
        self.assertEqual((exported["path"], exported["sizeBytes"]), (self.path, os.path.getsize(self.path)))
        other = self.other_store()
        imported = self.import_into(other)
        self.assertEqual(imported, snapshot)
        restored = other.restore(imported)
        self.assertEqual(
            restored.output("cat /root/two /root/hard; stat -c %a /root/two; echo $SET; ls /root"),
            "two\none\n600\n1\nhard\nlink\ntwo\n",
        )

    def test_processes_go_along(self):
        box = self.engine.create()
        box.output(
            "setsid sh -c 'i=0; while :; do i=$((i+1)); echo $i > /tmp/new; mv /tmp/new /tmp/count; sleep 0.02; done'"
            " </dev/null >/dev/null 2>&1 &"
        )
        box.wait_until("test $(cat /tmp/count) -ge 5")
        self.export(box.snapshot(runtime="require"))
        other = self.other_store()
        restored = other.restore(self.import_into(other))
        restored.output("rm -f /tmp/count")
        restored.wait_until("test $(cat /tmp/count) -ge 5")

    def test_a_snapshot_of_an_image_takes_the_image_along(self):
        archive = os.path.join(self.folder, "tiny.tar")
        rootfs.build(archive)
        self.engine.call("image/import", {"path": archive, "ref": "tiny:1"})
        box = self.engine.create(image="tiny:1")
        box.write("/kept", "1")
        self.export(box.snapshot())
        other = self.other_store()
        restored = other.restore(self.import_into(other))
        self.assertEqual(restored.call("fs/read", path="/kept")["data"], "1")
        self.assertEqual(restored.info["image"], "tiny:1")
        self.assertEqual(os.lstat(self.path).st_uid, os.geteuid(), "the file belongs to who started the engine")
        # The other store has the image, and nothing that keeps it from collecting garbage.
        committed = other.call("image/commit", {"snapshotId": restored.snapshot()["id"], "ref": "kept:1"})
        self.assertEqual((committed["layers"], other.create(image="kept:1").read("/kept")), (2, "1"))
        layers = os.path.join(self.folder, "other-store", "layers")
        before = os.listdir(layers)
        rootfs.build(archive, extra=lambda tar: rootfs.file(tar, "more"))
        other.call("image/import", {"path": archive, "ref": "more:1"})
        other.call("image/remove", {"ref": "more:1"})
        self.eventually(lambda: sorted(os.listdir(layers)) == sorted(before), message="layers are left")

    def test_into_the_same_store(self):
        """Beside the original it gets an id of its own; after its deletion it keeps the old one."""
        snapshot = self.engine.create().snapshot()
        self.export(snapshot)
        second = self.import_into(self.engine)
        self.assertNotEqual(second["id"], snapshot["id"])
        self.engine.restore(second)
        for id in (snapshot["id"], second["id"]):
            self.engine.call("snapshot/delete", {"snapshotId": id})
        self.assertEqual(self.import_into(self.engine)["id"], snapshot["id"])

    def test_damaged_files_are_refused_and_leave_nothing(self):
        box = self.engine.create()
        box.output("head -c 300000 /dev/urandom > /root/noise")
        self.export(box.snapshot())
        with open(self.path, "rb") as file:
            whole = file.read()
        other = self.other_store()
        middle = len(whole) // 2
        for content in (
            b"", b"no archive", whole[:-1], whole[:middle],
            whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
            subprocess.run(["tar", "--zstd", "-cf", "-", "/dev/null"], capture_output=True).stdout,
        ):
            with open(self.path, "wb") as file:
                file.write(content)
            self.assert_fails(1012, "SnapshotCorrupt", self.import_into, other)
            self.assertEqual(other.call("snapshot/list", {})["snapshots"], [])
        layers = os.path.join(self.folder, "other-store", "layers")
        self.assertEqual(os.listdir(layers), [])

    def test_paths(self):
        snapshot = self.engine.create().snapshot()
        self.export(snapshot)
        self.assert_fails(1041, "PathExists", self.export, snapshot)
        self.path = os.path.join(self.folder, "missing", "file")
        self.assert_fails(1040, "PathNotFound", self.export, snapshot)
        self.assert_fails(1040, "PathNotFound", self.import_into, self.engine)
        self.assert_fails(1010, "SnapshotNotFound", self.export, {"id": "snap0123456789abcdef"})
