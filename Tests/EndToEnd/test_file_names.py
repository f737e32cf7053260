"""Names that trip programs up: newlines, quotes, bytes that are no UTF-8, and paths as long as the kernel allows."""

from harness.case import EngineTestCase

NAMES = (
    "new\nline", "tab\t", " leading", "trailing ", "quote'\"`", "$(touch x)", "-rf", "*", "\\", "ü€😀", "e\u0301", "é",
    "\u202eright to left", "\u0001", "x" * 255, "...", "~", "%s%n", "a;b|c&d", "\u007f",
)  # fmt: skip


class NameTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def test_every_method_takes_every_name(self):
        self.box.call("fs/mkdir", path="/root/names")
        for name in NAMES:
            with self.subTest(name=name[:20]):
                self.box.write(f"/root/names/{name}", name)
                self.assertEqual(self.box.read(f"/root/names/{name}"), name)
                self.assertEqual(self.box.call("fs/stat", path=f"/root/names/{name}")["name"], name)
        listed = {e["name"] for e in self.box.call("fs/list", path="/root/names")["entries"]}
        self.assertEqual(listed, set(NAMES))
        self.assertEqual(self.box.python("import os; print(len(os.listdir('/root/names')))").strip(), str(len(NAMES)))
        for name in NAMES:
            self.box.call("fs/remove", path=f"/root/names/{name}")
        self.assertEqual(self.box.output("ls -A /root/names"), "")

    def test_a_name_of_256_bytes_is_too_long(self):
        error = self.box.send("fs/write", path="/root/" + "x" * 256, data="").error()
        self.assertIn(error.code, (-32602, 1040), str(error))

    def test_a_name_with_a_nul(self):
        error = self.box.send("fs/write", path="/root/a\0b", data="").error()
        self.assertIn(error.code, (-32602, -32700))
        self.assertEqual(self.box.output("ls -A /root"), "")

    def test_a_path_of_4_kilobytes(self):
        path = "/root" + ("/" + "p" * 200) * 20
        path += "/" + "f" * (4095 - len(path) - 1)
        self.assertEqual(len(path), 4095)
        self.box.write(path, "deep", createParents=True)
        self.assertEqual(self.box.read(path), "deep")
        self.assertEqual(self.box.call("fs/stat", path=path)["size"], 4)
        snapshot = self.box.snapshot()
        self.assertEqual(self.engine.restore(snapshot).read(path), "deep")
        self.box.call("fs/remove", path="/root/" + "p" * 200, recursive=True)
        self.assertEqual(self.box.output("ls -A /root"), "")

    def test_a_path_beyond_4_kilobytes_is_an_error(self):
        for length in (4096, 100_000, 5_000_000):
            path = "/root" + "/p" * (length // 2)
            self.assert_fails(-32602, None, self.box.call, "fs/read", path=path)
        self.assertEqual(self.box.output("echo alive"), "alive\n")

    def test_a_tree_deeper_than_any_path(self):
        """A command makes what no path names; list, snapshot, diff and destroy have to live with it."""
        program = """
import os
os.chdir("/root")
for n in range(3000):
    os.mkdir("deep")
    os.chdir("deep")
open("bottom", "w").write("x")
"""
        self.box.python(program)
        snapshot = self.box.snapshot()
        restored = self.engine.restore(snapshot)
        self.box.call("fs/remove", path="/root/deep", recursive=True)
        self.assertEqual(self.box.output("ls -A /root"), "")
        restored.destroy()
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})

    def test_a_name_that_is_no_utf_8_does_not_stop_a_list(self):
        self.box.python("open(b'/root/bad\\xff\\xfename', 'w').write('x'); open('/root/good', 'w').write('y')")
        names = [e["name"] for e in self.box.call("fs/list", path="/root")["entries"]]
        self.assertEqual(len(names), 2)
        self.assertIn("good", names)
        self.box.call("sandbox/diff")
        self.assertEqual(self.engine.restore(self.box.snapshot()).output("ls /root | wc -l").strip(), "2")
        self.box.call("fs/remove", path="/root", recursive=True)
