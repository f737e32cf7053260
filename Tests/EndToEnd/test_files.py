"""fs/*: every method, its result, its options and its errors."""

import base64
import hashlib
import time

from isorun_client import EngineError
from harness.case import EngineTestCase


class FileTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create()
        self.box.output("mkdir /root/d; printf hello > /root/d/file; ln -s file /root/d/link; mkfifo /root/d/fifo")

    def fails(self, code, kind, method, **params):
        return self.assert_fails(code, kind, self.box.call, method, **params)

    # read

    def test_read(self):
        result = self.box.call("fs/read", path="/root/d/file")
        self.assertEqual(
            (result["data"], result["encoding"], result["size"], result["eof"]), ("hello", "utf8", 5, True)
        )
        self.assertEqual(self.box.read("/root/d/link"), "hello")

    def test_read_of_a_part(self):
        for offset, length, data, eof in (
            (1, 3, "ell", False),
            (3, 100, "lo", True),
            (5, 10, "", True),
            (99, 1, "", True),
        ):
            result = self.box.call("fs/read", path="/root/d/file", offset=offset, length=length)
            self.assertEqual((result["data"], result["size"], result["eof"]), (data, 5, eof), (offset, length))

    def test_read_of_bytes(self):
        self.box.output("head -c 3000000 /dev/urandom > /root/random")
        data = self.box.read_bytes("/root/random")
        self.box.call("fs/write", path="/root/copy", data=base64.b64encode(data).decode(), encoding="base64")
        self.box.output("cmp /root/random /root/copy")

    def test_a_large_file_in_parts(self):
        self.box.output("head -c 20000000 /dev/urandom > /root/random")
        data, eof = bytearray(), False
        while not eof:
            part = self.box.call("fs/read", path="/root/random", encoding="base64", offset=len(data), length=4 << 20)
            data += base64.b64decode(part["data"])
            eof = part["eof"]
        self.assertEqual(hashlib.sha256(data).hexdigest(), self.box.output("sha256sum /root/random").split()[0])

    def test_a_file_too_large_for_one_message_is_not_sent_as_one(self):
        self.box.output("truncate -s 3G /root/huge")
        result = self.box.call("fs/read", path="/root/huge")
        self.assertEqual((len(result["data"]), result["size"], result["eof"]), (8 << 20, 3 << 30, False))
        self.assert_fails(-32602, None, self.box.call, "fs/read", path="/root/huge", length=(32 << 20) + 1)

    def test_read_errors(self):
        self.fails(1040, "PathNotFound", "fs/read", path="/root/none")
        self.fails(1040, "PathNotFound", "fs/read", path="/root/none/deeper")
        self.fails(1043, "PathIsDirectory", "fs/read", path="/root/d")
        self.fails(1042, "PathNotDirectory", "fs/read", path="/root/d/file/deeper")
        self.fails(-32602, None, "fs/read", path="relative")
        self.fails(-32602, None, "fs/read", path="")
        self.fails(-32602, None, "fs/read", path="/root/d/file", offset=-1)
        self.fails(-32602, None, "fs/read", path="/root/d/file", encoding="latin1")

    # write

    def test_write_makes_and_replaces(self):
        self.box.write("/root/new", "one")
        self.assertEqual(self.box.output("cat /root/new"), "one")
        self.box.write("/root/new", "2")
        self.assertEqual(self.box.output("cat /root/new"), "2")
        self.box.write("/root/empty", "")
        self.assertEqual(self.box.output("stat -c %s /root/empty"), "0\n")

    def test_write_in_utf_8_and_base64(self):
        self.box.write("/root/text", "ü€😀\n")
        self.assertEqual(self.box.output("cat /root/text"), "ü€😀\n")
        self.box.call(
            "fs/write", path="/root/bytes", data=base64.b64encode(bytes(range(256))).decode(), encoding="base64"
        )
        self.assertEqual(self.box.read_bytes("/root/bytes"), bytes(range(256)))
        self.fails(-32602, None, "fs/write", path="/root/bad", data="not base64!", encoding="base64")

    def test_append(self):
        self.box.write("/root/log", "a", append=True)
        self.box.write("/root/log", "b", append=True)
        self.assertEqual(self.box.output("cat /root/log"), "ab")

    def test_mode(self):
        self.box.write("/root/script", "#!/bin/sh\necho ran", mode=0o755)
        self.assertEqual(self.box.output(["/root/script"]), "ran\n")
        self.box.write("/root/plain", "x")
        self.assertEqual(self.box.output("stat -c %a:%U /root/script /root/plain"), "755:root\n644:root\n")
        self.box.output("chmod 600 /root/plain")
        self.box.write("/root/plain", "y")
        self.assertEqual(self.box.output("stat -c %a /root/plain"), "600\n", "a file that is replaced keeps its mode")

    def test_create_parents(self):
        self.fails(1040, "PathNotFound", "fs/write", path="/root/a/b/c", data="x")
        self.box.write("/root/a/b/c", "x", createParents=True)
        self.assertEqual(self.box.output("cat /root/a/b/c; stat -c %a /root/a"), "x755\n")

    def test_a_write_is_atomic(self):
        """A reader sees the old text or the new, whole, and no temporary name stays."""
        old, new = "o" * 1_000_000, "n" * 1_000_000
        self.box.write("/root/d/swap", old)
        program = """
import os, sys
seen = set()
while not os.path.exists("/root/stop"):
    text = open("/root/d/swap").read()
    seen.add(text[:1] if text in (text[:1] * 1000000,) else "torn %d" % len(text))
print(sorted(seen))
"""
        reader = self.box.start(["/usr/bin/python3", "-c", program])
        for n in range(40):
            self.box.write("/root/d/swap", new if n % 2 else old)
        self.box.write("/root/stop", "")
        self.assertIn(reader.result()["stdout"], ("['n', 'o']\n", "['o']\n", "['n']\n"))
        self.assertEqual(self.box.output("ls -A /root/d").split(), ["fifo", "file", "link", "swap"])

    def test_a_write_through_a_link_changes_its_target(self):
        self.box.write("/root/d/link", "through")
        self.assertEqual(self.box.output("readlink /root/d/link; cat /root/d/file"), "file\nthrough")

    def test_write_errors(self):
        self.fails(1043, "PathIsDirectory", "fs/write", path="/root/d", data="x")
        self.fails(1042, "PathNotDirectory", "fs/write", path="/root/d/file/x", data="x")
        self.fails(-32602, None, "fs/write", path="/root/x")
        self.fails(-32602, None, "fs/write", path="/root/x", data="", mode=0o10000)
        error = self.box.send("fs/write", path="/proc/version", data="x").error()
        self.assert_error(error, 1044, "PermissionDenied")

    # list and stat

    def test_list(self):
        entries = {e["name"]: e for e in self.box.call("fs/list", path="/root/d")["entries"]}
        self.assertEqual(
            {name: e["type"] for name, e in entries.items()}, {"file": "file", "link": "symlink", "fifo": "fifo"}
        )
        self.assertEqual((entries["file"]["size"], entries["file"]["mode"] & 0o7777), (5, 0o644))
        self.assertAlmostEqual(entries["file"]["mtimeMs"] / 1000, time.time(), delta=60)
        self.assertEqual(entries["link"]["target"], "file")
        self.assertNotIn("target", entries["file"])

    def test_list_recursively(self):
        self.box.output("mkdir -p /root/d/a/b; touch /root/d/a/b/c")
        names = {e["name"] for e in self.box.call("fs/list", path="/root/d", recursive=True)["entries"]}
        self.assertEqual(names, {"a", "a/b", "a/b/c", "file", "link", "fifo"})

    def test_a_recursive_list_does_not_follow_links(self):
        self.box.output("ln -s / /root/d/root; ln -s . /root/d/loop")
        names = [e["name"] for e in self.box.call("fs/list", path="/root/d", recursive=True)["entries"]]
        self.assertEqual(sorted(names), ["fifo", "file", "link", "loop", "root"])

    def test_list_of_many(self):
        self.box.output("mkdir /root/many; cd /root/many; seq 20000 | xargs touch")
        self.assertEqual(len(self.box.call("fs/list", path="/root/many")["entries"]), 20_000)

    def test_list_errors(self):
        self.fails(1040, "PathNotFound", "fs/list", path="/root/none")
        self.fails(1042, "PathNotDirectory", "fs/list", path="/root/d/file")

    def test_stat(self):
        info = self.box.call("fs/stat", path="/root/d/file")
        self.assertEqual((info["name"], info["type"], info["size"]), ("file", "file", 5))
        self.assertEqual(self.box.call("fs/stat", path="/root/d")["type"], "directory")
        link = self.box.call("fs/stat", path="/root/d/link")
        self.assertEqual((link["type"], link["target"]), ("symlink", "file"))
        self.assertEqual(self.box.call("fs/stat", path="/")["type"], "directory")
        self.fails(1040, "PathNotFound", "fs/stat", path="/root/none")

    # mkdir, remove, move

    def test_mkdir(self):
        self.assertIsNone(self.box.call("fs/mkdir", path="/root/new"))
        self.fails(1041, "PathExists", "fs/mkdir", path="/root/new")
        self.fails(1041, "PathExists", "fs/mkdir", path="/root/d/file")
        self.fails(1040, "PathNotFound", "fs/mkdir", path="/root/x/y/z")
        self.box.call("fs/mkdir", path="/root/x/y/z", parents=True)
        self.box.call("fs/mkdir", path="/root/x/y/z", parents=True)
        self.assertEqual(self.box.output("stat -c %F:%a /root/x/y/z"), "directory:755\n")

    def test_remove(self):
        self.assertIsNone(self.box.call("fs/remove", path="/root/d/link"))
        self.assertEqual(self.box.output("ls /root/d").split(), ["fifo", "file"])
        self.fails(1043, "PathIsDirectory", "fs/remove", path="/root/d")
        self.box.call("fs/remove", path="/root/d", recursive=True)
        self.fails(1040, "PathNotFound", "fs/remove", path="/root/d")
        self.fails(1040, "PathNotFound", "fs/remove", path="/root/d", recursive=True)

    def test_remove_does_not_follow_links(self):
        self.box.output("mkdir /root/keep; touch /root/keep/file; mkdir /root/gone; ln -s /root/keep /root/gone/link")
        self.box.call("fs/remove", path="/root/gone", recursive=True)
        self.assertEqual(self.box.output("ls /root/keep"), "file\n")

    def test_the_root_cannot_be_removed(self):
        error = self.box.send("fs/remove", path="/", recursive=True).error()
        self.assertIn(error.code, (-32602, 1044))
        self.assertEqual(self.box.read("/root/d/file"), "hello")

    def test_move(self):
        self.assertIsNone(self.box.call("fs/move", **{"from": "/root/d/file", "to": "/root/moved"}))
        self.assertEqual(self.box.output("cat /root/moved; ls /root/d").split(), ["hellofifo", "link"])
        self.box.call("fs/move", **{"from": "/root/d", "to": "/root/e"})
        self.assertEqual(self.box.output("ls /root/e").split(), ["fifo", "link"])
        self.fails(1040, "PathNotFound", "fs/move", **{"from": "/root/none", "to": "/root/x"})
        self.fails(1040, "PathNotFound", "fs/move", **{"from": "/root/moved", "to": "/root/no/such"})

    def test_move_of_a_folder_that_lies_in_a_lower_layer(self):
        """Overlay answers EXDEV to a plain rename there; the method moves all the same."""
        self.box.snapshot()
        self.box.call("fs/move", **{"from": "/root/d", "to": "/root/e"})
        self.assertEqual(
            self.box.output("cat /root/e/file; readlink /root/e/link; ls -d /root/*").split(), ["hellofile", "/root/e"]
        )

    # Files that are none

    def test_special_files_do_not_hang(self):
        for path in ("/root/d/fifo", "/dev/zero", "/dev/random", "/dev/tty", "/dev/ptmx"):
            with self.subTest(path=path):
                request = self.box.send("fs/read", path=path)
                try:
                    result = request.result(15)
                    self.assertLessEqual(len(result["data"]), 64 << 20)
                except EngineError as error:
                    self.assert_error(error, 1044, "PermissionDenied")

    def test_files_of_proc_can_be_read(self):
        self.assertIn("Linux version", self.box.read("/proc/version"))
