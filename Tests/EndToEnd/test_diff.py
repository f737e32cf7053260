"""sandbox/diff and snapshot/diff: what has been added, modified, deleted, or has become something else."""

from harness.case import EngineTestCase


class DiffTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def changes(self, below="/root/", **params):
        return by_path(self.box.call("sandbox/diff", **params)["changes"], below)

    def test_an_untouched_sandbox_has_no_changes(self):
        self.assertEqual(self.box.call("sandbox/diff")["changes"], [])
        self.box.output("cat /etc/passwd; ls /usr/bin")
        self.assertEqual(self.box.call("sandbox/diff")["changes"], [])

    def test_against_the_image(self):
        self.box.output("mkdir /root/d; echo 12345 > /root/d/file; ln -s file /root/d/link; mkfifo /root/d/fifo")
        changes = self.changes()
        self.assertEqual(
            {path: change["kind"] for path, change in changes.items()},
            dict.fromkeys(("/root/d", "/root/d/file", "/root/d/link", "/root/d/fifo"), "added"),
        )
        self.assertEqual(changes["/root/d/file"]["size"], 6)

    def test_against_a_snapshot(self):
        self.box.output("cd /root; mkdir d e; echo a > d/a; echo b > d/b; echo c > d/c; echo e > e/e; echo s > same")
        snapshot = self.box.snapshot()
        self.assertEqual(self.changes(against=snapshot["id"]), {})
        self.box.output("cd /root; echo changed > d/a; rm d/b; rm d/c; mkdir d/c; echo n > d/new; rm -r e")
        kinds = {path: change["kind"] for path, change in self.changes(against=snapshot["id"]).items()}
        self.assertEqual((kinds.pop("/root/d", "modified"), kinds.pop("/root/e/e", "deleted")), ("modified", "deleted"))
        self.assertEqual(
            kinds,
            {
                "/root/d/a": "modified",
                "/root/d/b": "deleted",
                "/root/d/c": "type",
                "/root/d/new": "added",
                "/root/e": "deleted",
            },
        )

    def test_changes_of_a_mode_alone(self):
        self.box.output("echo x > /root/file")
        snapshot = self.box.snapshot()
        self.box.output("chmod 600 /root/file")
        self.assertEqual(self.changes(against=snapshot["id"])["/root/file"]["kind"], "modified")

    def test_a_folder_that_was_replaced(self):
        self.box.output("mkdir /root/d; echo 1 > /root/d/old; echo 1 > /root/d/kept")
        snapshot = self.box.snapshot()
        self.box.output("rm -r /root/d; mkdir /root/d; echo 2 > /root/d/kept; echo 2 > /root/d/new")
        kinds = {path: change["kind"] for path, change in self.changes("/root/d/", against=snapshot["id"]).items()}
        self.assertEqual(kinds, {"/root/d/old": "deleted", "/root/d/kept": "modified", "/root/d/new": "added"})

    def test_what_was_made_and_removed_is_no_change(self):
        snapshot = self.box.snapshot()
        self.box.output("echo x > /root/x; rm /root/x")
        self.assertNotIn("/root/x", self.changes(against=snapshot["id"]))
        self.assertNotIn("/root/x", self.changes())

    def test_deleted_files_of_the_image(self):
        if self.box.exec("rm /etc/os-release /etc/issue")["exitCode"] != 0:
            self.assertNotEqual(self.caller, "root")
            return
        self.assertEqual(self.changes("/etc/")["/etc/issue"]["kind"], "deleted")

    def test_names_with_every_character(self):
        self.box.output("touch \"$(printf '/root/new\\nline ü€😀')\"")
        self.assertIn("/root/new\nline ü€😀", self.changes())

    def test_between_two_snapshots(self):
        self.box.output("echo 1 > /root/a; echo 1 > /root/b")
        first = self.box.snapshot()
        self.box.output("rm /root/a; echo 22 > /root/b; echo 3 > /root/c")
        second = self.box.snapshot()
        forward = self.engine.call("snapshot/diff", {"from": first["id"], "to": second["id"]})["changes"]
        self.assertEqual(
            {p: c["kind"] for p, c in by_path(forward, "/root/").items()},
            {"/root/a": "deleted", "/root/b": "modified", "/root/c": "added"},
        )
        back = self.engine.call("snapshot/diff", {"from": second["id"], "to": first["id"]})["changes"]
        self.assertEqual(
            {p: c["kind"] for p, c in by_path(back, "/root/").items()},
            {"/root/a": "added", "/root/b": "modified", "/root/c": "deleted"},
        )
        same = self.engine.call("snapshot/diff", {"from": first["id"], "to": first["id"]})["changes"]
        self.assertEqual(same, [])

    def test_against_an_unknown_snapshot(self):
        self.assert_fails(1010, "SnapshotNotFound", self.box.call, "sandbox/diff", against="snap0123456789abcdef")


def by_path(changes, below):
    """Changes below a folder; a path is listed once."""
    paths = [change["path"] for change in changes]
    assert len(paths) == len(set(paths)), f"a path is listed twice: {paths}"
    return {change["path"]: change for change in changes if change["path"].startswith(below)}
