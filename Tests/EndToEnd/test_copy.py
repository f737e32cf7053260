"""fs/copyIn and fs/copyOut: files and trees between the host and a sandbox."""

import os

from harness.case import EngineTestCase


class CopyTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create()
        self.box.output("mkdir /root/d; printf hello > /root/d/file")

    def fails(self, code, kind, method, **params):
        return self.assert_fails(code, kind, self.box.call, method, **params)

    def test_copy_in_and_out_of_a_tree(self):
        source, back = os.path.join(self.folder, "in"), os.path.join(self.folder, "out")
        os.makedirs(os.path.join(source, "sub", "empty"))
        with open(os.path.join(source, "sub", "data"), "wb") as file:
            file.write(bytes(range(256)) * 5000)
        os.chmod(os.path.join(source, "sub", "data"), 0o754)
        os.utime(os.path.join(source, "sub", "data"), ns=(10**18, 10**18 + 123456789))
        os.symlink("data", os.path.join(source, "sub", "link"))
        os.symlink("/etc/hostname", os.path.join(source, "absolute"))
        self.box.call("fs/copyIn", source=source, path="/root/in")
        self.assertEqual(
            self.box.output("cd /root/in; readlink sub/link absolute; stat -c %a:%U sub/data; ls -d sub/*ty"),
            "data\n/etc/hostname\n754:root\nsub/empty\n",
        )
        self.box.call("fs/copyOut", path="/root/in", destination=back)
        with open(os.path.join(back, "sub", "data"), "rb") as file:
            self.assertEqual(file.read(), bytes(range(256)) * 5000)
        info = os.stat(os.path.join(back, "sub", "data"))
        self.assertEqual((info.st_mode & 0o777, info.st_uid), (0o754, os.geteuid()))
        self.assertEqual(os.readlink(os.path.join(back, "absolute")), "/etc/hostname")
        self.assertTrue(os.path.isdir(os.path.join(back, "sub", "empty")))

    def test_copy_of_one_file(self):
        file = os.path.join(self.folder, "one")
        with open(file, "w") as out:
            out.write("from the host")
        self.box.call("fs/copyIn", source=file, path="/root/one")
        self.assertEqual(self.box.read("/root/one"), "from the host")
        self.box.call("fs/copyOut", path="/root/d/file", destination=file + "-out")
        with open(file + "-out") as back:
            self.assertEqual(back.read(), "hello")

    def test_copy_errors(self):
        missing = os.path.join(self.folder, "missing")
        self.fails(1040, "PathNotFound", "fs/copyIn", source=missing, path="/root/x")
        self.fails(1040, "PathNotFound", "fs/copyOut", path="/root/none", destination=missing)
        self.fails(-32602, None, "fs/copyIn", source="relative", path="/root/x")
        self.fails(-32602, None, "fs/copyOut", path="/root/d/file", destination="relative")
        self.assertFalse(os.path.lexists(missing))

    def test_copy_out_replaces_a_file_but_no_folder(self):
        """As cp does: what is asked for by name is replaced, a folder never by a file."""
        mine = os.path.join(self.folder, "mine")
        with open(mine, "w") as file:
            file.write("the former content")
        self.box.call("fs/copyOut", path="/root/d/file", destination=mine)
        with open(mine) as file:
            self.assertNotEqual(file.read(), "the former content")
        self.fails(1041, "PathExists", "fs/copyOut", path="/root/d/file", destination=self.folder)

    def test_an_ordinary_users_copy_in_cannot_read_what_the_user_cannot(self):
        if self.caller == "root":
            self.skipTest("root may read everything")
        self.fails(1044, "PermissionDenied", "fs/copyIn", source="/etc/shadow", path="/root/shadow")
