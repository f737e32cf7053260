"""What layers do to those beneath: deletions, folders that hide or merge, links across, owners, attributes."""

import os
import subprocess

from harness import oci, rootfs
from harness.case import EngineTestCase


class LayerTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def image(self, *fills, **create):
        """A sandbox on an image with a shell, and a layer for each function that adds entries."""
        path = os.path.join(self.folder, "layout")
        subprocess.run(["rm", "-rf", path], check=True)
        oci.Layout(oci.Image([oci.base_layer()] + [oci.layer(fill) for fill in fills])).write(path)
        self.engine.call("image/import", {"path": path, "ref": "layers:1"})
        return self.engine.create(image="layers:1", **create)

    @staticmethod
    def tree(archive):
        for name in ("d", "d/sub", "e"):
            rootfs.folder(archive, name)
        for name in ("d/a", "d/b", "d/sub/c", "e/f"):
            rootfs.file(archive, name, name.encode())

    def test_deleted_entries(self):
        def upper(archive):
            rootfs.folder(archive, "d")
            rootfs.file(archive, "d/.wh.a")
            rootfs.file(archive, "d/.wh.sub")
            rootfs.file(archive, ".wh.e")

        box = self.image(self.tree, upper)
        self.assertEqual(box.output("ls -A /d; ls -d /e || echo gone"), "b\ngone\n")
        box.output("rm -r /d && mkdir /d /e && echo new > /d/a")
        self.assertEqual(box.output("ls -A /d /e"), "/d:\na\n\n/e:\n")

    def test_deletions_that_delete_nothing_are_not_seen(self):
        def upper(archive):
            rootfs.folder(archive, "new")
            rootfs.file(archive, "new/.wh.never")
            rootfs.file(archive, "new/kept", b"kept")
            rootfs.file(archive, ".wh.nothing")

        box = self.image(upper)
        self.assertEqual(box.output("ls -A /new; ls -A / | grep -c nothing || true"), "kept\n0\n")
        self.assertEqual(box.output("rm -r /new && ls -d /new || echo gone"), "gone\n")

    def test_a_folder_that_was_deleted_and_made_anew(self):
        def upper(archive):
            rootfs.file(archive, ".wh.d")
            rootfs.folder(archive, "d")
            rootfs.file(archive, "d/new", b"new")

        def top(archive):
            rootfs.folder(archive, "d")
            rootfs.file(archive, "d/.wh.sub")
            rootfs.file(archive, "d/top", b"top")

        box = self.image(self.tree, upper, top)
        self.assertEqual(box.output("ls -A /d"), "new\ntop\n")
        self.assertEqual(box.output("mkdir /d/sub && ls -A /d/sub"), "")

    def test_an_opaque_folder_hides_what_was_beneath_and_nothing_of_its_own(self):
        def upper(archive):
            rootfs.folder(archive, "d")
            rootfs.file(archive, "d/x", b"x")
            rootfs.file(archive, "d/.wh..wh..opq")
            rootfs.folder(archive, "d/sub")
            rootfs.file(archive, "d/sub/y", b"y")

        box = self.image(self.tree, upper)
        self.assertEqual(box.output("ls -A /d /d/sub"), "/d:\nsub\nx\n\n/d/sub:\ny\n")

    def test_a_deletion_concerns_other_layers_only(self):
        def upper(archive):
            rootfs.folder(archive, "d")
            rootfs.file(archive, "d/a", b"again\n")
            rootfs.file(archive, "d/.wh.a")

        self.assertEqual(self.image(self.tree, upper).output("cat /d/a"), "again\n")

    def test_files_and_folders_take_each_others_place(self):
        def upper(archive):
            rootfs.folder(archive, "d")
            rootfs.file(archive, "d/sub", b"file\n")
            rootfs.folder(archive, "d/a")
            rootfs.file(archive, "d/a/inner", b"inner\n")
            rootfs.link(archive, "e", "d")

        self.assertEqual(self.image(self.tree, upper).output("cat /d/sub /d/a/inner; ls -A /e"),
                         "file\ninner\na\nb\nsub\n")

    def test_a_hard_link_to_a_file_of_a_layer_beneath(self):
        def upper(archive):
            rootfs.folder(archive, "e")
            rootfs.hard_link(archive, "e/link", "d/sub/c")

        box = self.image(self.tree, upper)
        self.assertEqual(box.output("cat /e/link; stat -c %h /e/link /d/sub/c"), "d/sub/c2\n2\n")
        first, second = box.output("stat -c %i /e/link /d/sub/c").split()
        self.assertEqual(first, second, "they are one file")

    def test_a_layer_that_leaves_folders_out_keeps_those_beneath(self):
        def lower(archive):
            rootfs.folder(archive, "d", mode=0o700, mtime=981173106)
            rootfs.folder(archive, "real", mode=0o711)
            rootfs.link(archive, "link", "real")

        def upper(archive):
            rootfs.file(archive, "d/file", b"1")
            rootfs.file(archive, "link/file", b"through the link\n")
            rootfs.file(archive, "fresh/deep/file", b"2")

        box = self.image(lower, upper)
        self.assertEqual(box.output("stat -c %a /d /real /fresh /fresh/deep"), "700\n711\n755\n755\n")
        self.assertEqual(box.output("readlink /link; cat /real/file /link/file"), "real\n" + "through the link\n" * 2)

    def test_such_a_layer_deletes_as_well(self):
        def upper(archive):
            rootfs.file(archive, "d/.wh.a")
            rootfs.file(archive, "d/sub/.wh..wh..opq")
            rootfs.file(archive, "d/sub/new", b"")
            rootfs.file(archive, ".wh.e")

        box = self.image(self.tree, upper)
        self.assertEqual(box.output("ls -A /d /d/sub; ls -d /e || echo gone"), "/d:\nb\nsub\n\n/d/sub:\nnew\ngone\n")

    def test_such_a_layer_belongs_to_its_image(self):
        """The same layer on other layers means something else, so it is not shared."""

        def upper(archive):
            rootfs.hard_link(archive, "link", "which")

        for name in ("one", "two"):
            box = self.image(lambda archive: rootfs.file(archive, "which", name.encode()), upper)
            self.assertEqual(box.output("cat /link"), name)
            box.destroy()

    def test_owners(self):
        def upper(archive):
            rootfs.file(archive, "mine", b"", uid=1000, gid=50)
            rootfs.file(archive, "last", b"", uid=65535, gid=65535)
            rootfs.file(archive, "beyond", b"", uid=100_000, gid=0, mode=0o6755)
            rootfs.file(archive, "far", b"", uid=2_000_000_000, gid=2_000_000_000)

        box = self.image(upper)
        self.assertEqual(box.output("stat -c %u:%g /beyond /far"), "0:0\n0:0\n")
        if self.caller == "bare":
            self.assertEqual(box.output("stat -c %u:%g /mine /last"), "0:0\n0:0\n")
        else:
            self.assertEqual(box.output("stat -c %u:%g /mine /last"), "1000:50\n65535:65535\n")
            self.assertEqual(box.output("stat -c %a /beyond"), "755\n", "it must not run as root instead")
        self.assertIn("belong to root", self.engine.stderr())

    def test_what_files_can_be(self):
        def upper(archive):
            info = self.tar_info("pipe", type=b"6", mode=0o620)
            archive.addfile(info)
            rootfs.file(archive, "sparse-looking", bytes(1 << 20) + b"end")
            rootfs.file(archive, "su", b"", mode=0o4755)
            rootfs.folder(archive, "sticky", mode=0o1777)
            info = self.tar_info("noted")
            info.pax_headers = {"SCHILY.xattr.user.colour": "blue", "SCHILY.xattr.user.overlay.opaque": "y",
                                "SCHILY.xattr.security.selinux": "label", "mtime": "981173106.123456789"}
            archive.addfile(info)
            info = self.tar_info("dev", type=b"5", mode=0o755)
            archive.addfile(info)
            rootfs.device(archive, "dev/null", 1, 3)

        box = self.image(upper)
        self.assertEqual(box.output("stat -c '%n %A' /pipe /su /sticky"),
                         "/pipe prw--w----\n/su -rwsr-xr-x\n/sticky drwxrwxrwt\n")
        self.assertEqual(box.output("stat -c %s /sparse-looking"), f"{(1 << 20) + 3}\n")
        self.assertEqual(box.output("stat -c %.9Y /noted || stat -c %Y /noted").split(".")[0].strip(), "981173106")
        layers = os.path.join(self.store, "layers")
        noted = [os.path.join(layers, name, "content/noted") for name in os.listdir(layers)]
        if self.caller == "root":
            found = next(path for path in noted if os.path.exists(path))
            self.assertEqual(sorted(os.listxattr(found)), ["user.colour", "user.overlay.overlay.opaque"])
            self.assertEqual(os.stat(found).st_mtime_ns, 981173106_123456789)

    @staticmethod
    def tar_info(name, **fields):
        import tarfile

        info = tarfile.TarInfo(name)
        info.mode = 0o644
        for key, value in fields.items():
            setattr(info, key, value)
        return info

    def test_sparse_files(self):
        source = os.path.join(self.folder, "sparse")
        with open(source, "wb") as file:
            file.truncate(50 << 20)
            file.seek(10 << 20)
            file.write(b"island")
        path = os.path.join(self.folder, "sparse.tar")
        for format in ("gnu", "pax"):
            subprocess.run(["tar", "-C", self.folder, "--sparse", f"--format={format}", "-cf", path, "sparse"], check=True)
            with open(path, "rb") as file:
                data = file.read()
            self.assertLess(len(data), 1 << 20)
            layout = os.path.join(self.folder, format)
            oci.Layout(oci.Image([oci.base_layer(), data])).write(layout)
            self.engine.call("image/import", {"path": layout, "ref": "sparse:1"})
            box = self.engine.create(image="sparse:1")
            size, blocks = box.output("stat -c '%s %b' /sparse").split()
            self.assertEqual(int(size), 50 << 20)
            self.assertLess(int(blocks) * 512, 2 << 20, "holes stay holes")
            box.destroy()
