"""image/import of a rootfs archive, image/list, get, remove, and sandboxes on what was imported."""

import os
import shutil
import subprocess

from harness import rootfs
from harness.case import EngineTestCase


class ImageTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.archive = os.path.join(self.folder, "tiny.tar")
        rootfs.build(self.archive)

    def imported(self, path=None, ref="tiny:1"):
        return self.engine.call("image/import", {"path": path or self.archive, "ref": ref})

    def refs(self):
        return sorted(image["ref"] for image in self.engine.call("image/list", {})["images"] if image["ref"] != "host")

    def test_a_sandbox_on_an_imported_image(self):
        self.assertEqual(self.imported()["ref"], "tiny:1")
        box = self.engine.create(image="tiny:1")
        self.assertEqual(box.info["image"], "tiny:1")
        self.assertEqual(box.output("cat /etc/tiny-release /etc/release /etc/absolute /etc/same"), "tiny 1\n" * 4)
        self.assertEqual(box.exec("test -e /usr/bin/python3")["exitCode"], 1, "nothing of the host is in it")
        self.assertEqual(box.output("stat -c '%Y %h' /etc/tiny-release"), "981173106 2\n")
        box.output("echo changed > /etc/tiny-release")
        self.assertEqual(self.engine.create(image="tiny:1").output("cat /etc/tiny-release"), "tiny 1\n")

    def test_owners_come_as_in_the_archive(self):
        if self.caller == "bare":
            self.skipTest("without subordinate ids every file belongs to root")
        self.imported()
        box = self.engine.create(image="tiny:1")
        self.assertEqual(box.output("stat -c %u:%g:%a /home/app/owned"), "1000:1000:640\n")
        self.assertEqual(
            box.output("id -u; pwd; cat owned", user="app", cwd="/home/app"), "1000\n/home/app\nowned by app\n"
        )

    def test_isolation_is_that_of_the_host_image(self):
        self.imported()
        box = self.engine.create(image="tiny:1")
        self.assertEqual(
            set(box.output("ls /dev").split()) & {"null", "zero", "urandom", "pts"}, {"null", "zero", "urandom", "pts"}
        )
        self.assertEqual(box.output("cat /run/isorun/id").strip(), box.id)
        self.assertIn("Seccomp:\t2", box.output("cat /proc/self/status"))
        self.assertNotEqual(box.exec("echo x > /proc/sys/kernel/domainname")["exitCode"], 0)

    def test_snapshots_forks_and_rollback_on_it(self):
        self.imported()
        box = self.engine.create(image="tiny:1")
        box.output("echo 1 > /root/file; rm /etc/release; rm -r /home/app; mkdir /home/app")
        snapshot = box.snapshot()
        self.assertEqual(snapshot["image"], "tiny:1")
        box.output("echo 2 > /root/file")
        child = box.fork()[0]
        box.rollback(snapshot)
        self.assertEqual((box.read("/root/file"), child.read("/root/file")), ("1\n", "2\n"))
        self.assertEqual(box.output("ls -A /home/app; test -e /etc/release || echo gone"), "gone\n")
        kinds = {c["path"]: c["kind"] for c in box.call("sandbox/diff")["changes"]}
        self.assertEqual((kinds["/etc/release"], kinds["/root/file"]), ("deleted", "added"))

    def test_every_compression(self):
        for name, mode in (("gzip", "w:gz"), ("xz", "w:xz")):
            with self.subTest(compression=name):
                path = f"{self.archive}.{name}"
                rootfs.build(path, mode=mode)
                self.imported(path, f"tiny:{name}")
                self.assertEqual(self.engine.create(image=f"tiny:{name}").output("cat /etc/release"), "tiny 1\n")

    def test_zstd(self):
        if not shutil.which("zstd"):
            self.skipTest("the program zstd, which compresses the archive, is missing")
        subprocess.run(["zstd", "-q", self.archive], check=True)
        self.imported(self.archive + ".zst")
        self.assertEqual(self.engine.create(image="tiny:1").output("cat /etc/release"), "tiny 1\n")

    def test_list_and_get(self):
        self.assertIn("host", [image["ref"] for image in self.engine.call("image/list", {})["images"]])
        image = self.imported()
        self.assertEqual(self.refs(), ["tiny:1"])
        self.assertEqual(self.engine.call("image/get", {"ref": "tiny:1"}), image)
        self.assert_fails(1020, "ImageNotFound", self.engine.call, "image/get", {"ref": "none:1"})
        self.assert_fails(1020, "ImageNotFound", self.engine.call, "sandbox/create", {"image": "none:1"})

    def test_the_same_archive_twice_shares_its_layers(self):
        self.imported(ref="tiny:1")
        layers = os.listdir(os.path.join(self.store, "layers"))
        self.imported(ref="tiny:2")
        self.assertEqual(os.listdir(os.path.join(self.store, "layers")), layers)
        self.assertEqual(self.refs(), ["tiny:1", "tiny:2"])
        self.engine.call("image/remove", {"ref": "tiny:1"})
        self.assertEqual(self.engine.create(image="tiny:2").output("cat /etc/release"), "tiny 1\n")

    def test_remove(self):
        self.imported()
        box = self.engine.create(image="tiny:1")
        self.assert_fails(1022, "ImageInUse", self.engine.call, "image/remove", {"ref": "tiny:1"})
        snapshot = box.snapshot()
        box.destroy()
        self.assert_fails(1022, "ImageInUse", self.engine.call, "image/remove", {"ref": "tiny:1"})
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        self.assertIsNone(self.engine.call("image/remove", {"ref": "tiny:1"}))
        self.assert_fails(1020, "ImageNotFound", self.engine.call, "image/remove", {"ref": "tiny:1"})
        self.eventually(lambda: not os.listdir(os.path.join(self.store, "layers")), message="layers are left")

    def test_what_is_ready_for_an_image_is_not_used_after_its_layers_came_anew(self):
        self.imported()
        for _ in range(3):
            self.engine.create(image="tiny:1").destroy()
        other = self.start_engine()
        other.call("image/remove", {"ref": "tiny:1"})
        self.eventually(lambda: not os.listdir(os.path.join(self.store, "layers")), message="layers are left")
        self.assert_fails(1020, "ImageNotFound", self.engine.create, image="tiny:1")
        other.call("image/import", {"path": self.archive, "ref": "tiny:1"})
        boxes = [self.engine.create(image="tiny:1") for _ in range(6)]
        self.assertEqual({box.output("cat /etc/release") for box in boxes}, {"tiny 1\n"})
        self.assertEqual(boxes[0].output("stat -c %a /"), "755\n")

    def test_many_images_in_turn(self):
        """Only some of them have something ready at a time, and nothing of the others stays."""
        staging = os.path.join(self.store, "staging")

        def spare_files():
            return sum(len([n for n in os.listdir(entry.path) if n.startswith("files-")]) for entry in os.scandir(staging))

        for number in range(6):
            rootfs.build(self.archive, extra=lambda archive: rootfs.file(archive, "number", b"%d" % number))
            self.imported(ref=f"tiny:{number}")

        def use_each_in_turn():
            for number in range(6):
                box = self.engine.create(image=f"tiny:{number}")
                self.assertEqual(box.output("cat /number"), str(number))
                box.destroy()

        use_each_in_turn()
        self.assert_no_growth(spare_files, 6, use_each_in_turn)

    def test_the_host_image_cannot_be_removed_or_replaced(self):
        for method, params in (
            ("image/remove", {"ref": "host"}),
            ("image/import", {"path": self.archive, "ref": "host"}),
        ):
            self.assertIn(self.engine.send(method, params).error().code, (-32602, 1022))

    def test_an_image_outlives_the_engine(self):
        self.imported()
        self.restart()
        self.assertEqual(self.engine.create(image="tiny:1").output("cat /etc/release"), "tiny 1\n")

    def test_progress_is_told_to_who_asks(self):
        self.engine.call("image/import", {"path": self.archive, "ref": "tiny:1", "workDoneToken": "w"})
        kinds = [p["value"]["kind"] for p in self.engine.params_of("$/progress") if p["token"] == "w"]
        self.assertEqual((kinds[0], kinds[-1], kinds.count("begin"), kinds.count("end")), ("begin", "end", 1, 1))
