"""Stores that are none, come from a newer version, or have lost or corrupt parts."""

import glob
import json
import os

from harness.case import EngineTestCase


class BrokenStoreTests(EngineTestCase):
    starts_engine = False

    def refused(self, store, codes):
        """initialize fails with one of the codes; the engine lives on and can be given another store."""
        engine = self.start_engine(initialize=False)
        error = engine.send("initialize", {"store": store}).error()
        self.assertIn(error.code, codes, str(error))
        self.assertIn(os.path.basename(store), error.message + json.dumps(error.data), "the message names the store")
        engine.initialize(store=self.store)
        self.assertEqual(engine.close(), 0)
        return error

    def used_store(self):
        """A store with two snapshots and no engine; returns the snapshots."""
        engine = self.start_engine()
        box = engine.create()
        box.output("echo 1 > /root/file")
        snapshots = [box.snapshot()]
        box.output("echo 2 > /root/file")
        snapshots.append(box.snapshot())
        self.assertEqual(engine.close(), 0)
        return snapshots

    def test_a_folder_that_is_something_else(self):
        folder = os.path.join(self.folder, "documents")
        os.mkdir(folder)
        with open(os.path.join(folder, "letter.txt"), "w") as file:
            file.write("dear reader")
        self.refused(folder, (1091,))
        self.assertEqual(os.listdir(folder), ["letter.txt"])

    def test_a_file(self):
        path = os.path.join(self.folder, "a-file")
        open(path, "w").close()
        self.refused(path, (1091,))

    def test_a_relative_path(self):
        engine = self.start_engine(initialize=False)
        self.assert_fails(-32602, None, engine.call, "initialize", {"store": "relative/store"})

    def test_a_folder_that_may_not_be_written(self):
        self.refused("/proc/sys/isorun-store", (1080, 1091))

    def test_an_empty_folder_becomes_a_store(self):
        folder = os.path.join(self.folder, "empty")
        os.mkdir(folder)
        engine = self.start_engine(store=folder)
        self.assertEqual(engine.create().output("echo ok"), "ok\n")

    def test_a_store_from_a_newer_version(self):
        self.used_store()
        with open(os.path.join(self.store, "version")) as file:
            version = file.read()
        with open(os.path.join(self.store, "version"), "w") as file:
            file.write("999\n")
        engine = self.start_engine(initialize=False)
        error = self.assert_fails(1091, "StoreCorrupt", engine.call, "initialize", {"store": self.store})
        self.assertIn("999", error.message)
        with open(os.path.join(self.store, "version"), "w") as file:
            file.write(version)
        engine.initialize(store=self.store)

    def test_a_version_that_is_none(self):
        self.used_store()
        path = os.path.join(self.store, "version")
        with open(path) as file:
            version = file.read()
        for text in ("", "one", "\0" * 100):
            with open(path, "w") as file:
                file.write(text)
            engine = self.start_engine(initialize=False)
            self.assert_fails(1091, "StoreCorrupt", engine.call, "initialize", {"store": self.store})
        with open(path, "w") as file:
            file.write(version)

    def test_a_corrupt_manifest_of_a_snapshot(self):
        first, second = self.used_store()
        path = os.path.join(self.store, "snapshots", first["id"], "manifest.json")
        with open(path) as file:
            text = file.read()
        for broken in (text.replace("host", "hosT", 1), text[: len(text) // 2], "", "{}", "[" * 100_000):
            with self.subTest(manifest=broken[:30]):
                with open(path, "w") as file:
                    file.write(broken)
                engine = self.start_engine()
                self.assert_fails(1012, "SnapshotCorrupt", engine.call, "sandbox/restore", {"snapshotId": first["id"]})
                self.assert_fails(1012, "SnapshotCorrupt", engine.call, "snapshot/get", {"snapshotId": first["id"]})
                listed = [s["id"] for s in engine.call("snapshot/list", {})["snapshots"]]
                self.assertIn(second["id"], listed)
                self.assertEqual(engine.restore(second).read("/root/file"), "2\n", "the others are not touched by it")
                self.assertEqual(engine.close(), 0)
        with open(path, "w") as file:
            file.write(text)
        self.assertEqual(self.start_engine().restore(first).read("/root/file"), "1\n", "nothing was thrown away")

    def test_a_corrupt_snapshot_can_be_deleted(self):
        first, second = self.used_store()
        with open(os.path.join(self.store, "snapshots", first["id"], "manifest.json"), "w") as file:
            file.write("garbage")
        engine = self.start_engine()
        self.assertIsNone(engine.call("snapshot/delete", {"snapshotId": first["id"]}))
        self.assertEqual(engine.restore(second).read("/root/file"), "2\n")

    def test_a_layer_that_is_missing(self):
        first, _ = self.used_store()
        for layer in glob.glob(os.path.join(self.store, "layers", "*")):
            os.rename(layer, layer + "-lost")
        engine = self.start_engine()
        error = engine.send("sandbox/restore", {"snapshotId": first["id"]}).error()
        self.assertIn(error.code, (1012, 1091), str(error))
        self.assertEqual(engine.create().output("echo alive"), "alive\n")

    def test_manifests_carry_a_version_and_a_checksum(self):
        first, _ = self.used_store()
        with open(os.path.join(self.store, "snapshots", first["id"], "manifest.json")) as file:
            text = file.read()
        self.assertRegex(text.lower(), r'"(format|version|formatversion)"')
        self.assertRegex(text.lower(), r'"(checksum|sha256|digest)"')

    def test_foreign_files_in_a_store_are_survived(self):
        self.used_store()
        for folder in ("", "layers", "snapshots", "sandboxes", "images"):
            if os.path.isdir(os.path.join(self.store, folder)):
                with open(os.path.join(self.store, folder, "foreign file"), "w") as file:
                    file.write("x")
        engine = self.start_engine()
        self.assertEqual(len(engine.call("snapshot/list", {})["snapshots"]), 2)
        self.assertEqual(engine.create().output("echo ok"), "ok\n")
        for folder in ("", "layers", "snapshots", "sandboxes", "images"):
            path = os.path.join(self.store, folder, "foreign file")
            if os.path.exists(path):
                os.unlink(path)
