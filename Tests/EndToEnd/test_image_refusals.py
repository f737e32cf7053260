"""What image/import refuses, by name and without leaving anything."""

import os
import shutil
import subprocess
import tarfile

from harness import rootfs
from harness.case import EngineTestCase


class ImportRefusalTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.archive = os.path.join(self.folder, "bad.tar")

    def refused(self, path=None, code=1021, kind="ImageInvalid"):
        params = {"path": path or self.archive, "ref": "bad:1"}
        error = self.assert_fails(code, kind, self.engine.call, "image/import", params)
        self.assertEqual([i["ref"] for i in self.engine.call("image/list", {})["images"] if i["ref"] != "host"], [])
        layers = os.path.join(self.store, "layers")
        self.assertEqual(os.listdir(layers) if os.path.isdir(layers) else [], [], "a refused import leaves nothing")
        return error

    def refused_with(self, extra):
        rootfs.build(self.archive, extra=extra)
        return self.refused()

    def test_paths_that_climb_out(self):
        for name in ("../evil", "etc/../../evil", "/../evil"):
            with self.subTest(name=name):
                error = self.refused_with(lambda archive: rootfs.file(archive, name, b"x"))
                self.assertIn("evil", error.message, "the refusal names the path")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "evil")))

    def test_hard_links_that_lead_out(self):
        for target in ("../../../../etc/passwd", "etc/../../outside"):
            with self.subTest(target=target):
                self.refused_with(lambda archive: rootfs.hard_link(archive, "etc/evil", target))

    def test_an_absolute_hard_link_never_takes_the_hosts_file(self):
        """Such a link is refused, or means the archive's own file: never the host's."""
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w") as file:
            file.write("host secret")
        self.refused_with(lambda archive: rootfs.hard_link(archive, "etc/evil", secret))
        self.refused_with(lambda archive: rootfs.hard_link(archive, "etc/evil", "/etc/shadow"))

    def test_a_file_written_through_a_link(self):
        outside = os.path.join(self.folder, "outside")
        os.mkdir(outside)

        def extra(archive):
            rootfs.link(archive, "escape", outside)
            rootfs.file(archive, "escape/evil", b"x")

        rootfs.build(self.archive, extra=extra)
        try:
            self.engine.call("image/import", {"path": self.archive, "ref": "linked:1"})
        except Exception as error:
            self.assertEqual(error.code, 1021, str(error))
        self.assertEqual(os.listdir(outside), [])

    def test_device_nodes(self):
        if self.caller == "root":
            self.skipTest("devices are refused in an ordinary user's import")
        self.refused_with(lambda archive: rootfs.device(archive, "dev-null", 1, 3))

    def test_a_truncated_archive(self):
        rootfs.build(self.archive)
        size = os.path.getsize(self.archive)
        for part in (size // 2, size // 3 + 100):
            os.truncate(self.archive, part)
            self.refused()

    def test_a_truncated_gzip(self):
        path = self.archive + ".gz"
        rootfs.build(path, mode="w:gz")
        os.truncate(path, os.path.getsize(path) // 2)
        self.refused(path)

    def test_garbage(self):
        for data in (b"", b"garbage", os.urandom(100_000), b"\0" * 10, b"\x1f\x8b\x08garbage", b"{}"):
            with self.subTest(data=data[:12]):
                with open(self.archive, "wb") as file:
                    file.write(data)
                self.refused()

    def test_an_archive_that_is_missing(self):
        self.refused(os.path.join(self.folder, "missing.tar"), 1040, "PathNotFound")

    def test_a_bomb(self):
        """An archive that unpacks to several thousand times its size is refused."""
        if not shutil.which("xz"):
            self.skipTest("the program xz, which compresses the archive, is missing")
        with tarfile.open(self.archive, "w") as archive:
            for number in range(2):
                rootfs.file(archive, f"zeros{number}", bytes(128 << 20))
        subprocess.run(["xz", "-0", "-T2", self.archive], check=True)
        self.assertLess(os.path.getsize(self.archive + ".xz"), 1 << 20)
        self.refused(self.archive + ".xz")

    def test_refs_that_are_none(self):
        rootfs.build(self.archive)
        for ref in ("", " ", "has space", "new\nline", "a" * 5000):
            with self.subTest(ref=ref[:20]):
                self.assert_fails(-32602, None, self.engine.call, "image/import", {"path": self.archive, "ref": ref})
