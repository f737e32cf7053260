"""sandbox/rollback: everything as at the snapshot, in place, under the same id."""

from harness import tree
from harness.case import EngineTestCase


class RollbackTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create(env={"SET": "1"}, cwd="/root")

    def test_files_come_back_under_the_same_id(self):
        self.box.output("echo good > file")
        snapshot = self.box.snapshot()
        self.box.output("rm file; echo bad > other")
        info = self.box.rollback(snapshot)
        self.assertEqual((info["id"], info["status"]), (self.box.id, "running"))
        self.assertEqual(self.box.output("cat file; ls; echo $SET; pwd"), "good\nfile\n1\n/root\n")
        self.assertEqual(self.box.output("cat /run/isorun/id").strip(), self.box.id)

    def test_any_number_of_times_and_in_any_order(self):
        snapshots = []
        for n in range(5):
            self.box.output(f"echo {n} > file; touch only{n}")
            snapshots.append(self.box.snapshot())
        for n in (2, 2, 4, 0, 3, 0, 1):
            self.box.output("echo broken > file; rm -f only*")
            self.box.rollback(snapshots[n])
            self.assertEqual(
                self.box.output("cat file; ls").split(), [str(n), "file", *(f"only{k}" for k in range(n + 1))]
            )

    def test_a_snapshot_after_a_rollback_has_its_own_history(self):
        self.box.output("echo 0 > file")
        base = self.box.snapshot()
        self.box.output("echo dead-end > file")
        dead_end = self.box.snapshot()
        self.box.rollback(base)
        self.box.output("echo better > better")
        better = self.box.snapshot()
        self.assertEqual(better["parentSnapshotId"], base["id"])
        self.assertEqual(self.engine.restore(better).output("cat file better"), "0\nbetter\n")
        self.assertEqual(self.engine.restore(dead_end).output("cat file; ls"), "dead-end\nfile\n")

    def test_everything_in_a_tree_comes_back_exactly(self):
        tree.make(self.box, "/root/tree", owners=self.caller != "bare")
        before = tree.describe(self.box, "/root/tree")
        snapshot = self.box.snapshot()
        tree.change(self.box, "/root/tree")
        changed = tree.describe(self.box, "/root/tree")
        self.assertNotEqual(changed, before)
        later = self.box.snapshot()
        self.box.rollback(snapshot)
        self.assertEqual(tree.describe(self.box, "/root/tree"), before)
        self.box.output("rm -rf /root/tree")
        self.box.rollback(later)
        self.assertEqual(tree.describe(self.box, "/root/tree"), changed)

    def test_what_shell_commands_did_to_system_folders_is_undone(self):
        snapshot = self.box.snapshot()
        # Without hosts and hostname, which are the sandbox's own in every life of it.
        listing = "ls -la --time-style=full-iso /etc /usr/local /opt /var/lib | grep -v ' host'"
        before = self.box.output(listing)
        self.box.exec("rm /etc/issue; echo x > /usr/local/x; mkdir /etc/y; chmod 700 /opt; touch /var/lib")
        self.box.rollback(snapshot)
        self.assertEqual(self.box.output(listing), before)

    def test_processes_of_before_are_gone(self):
        snapshot = self.box.snapshot()
        self.box.exec("setsid sleep 1000 > /dev/null 2>&1 &")
        running = self.box.start("echo begun; sleep 1000")
        self.box.wait_until("test $(cat /proc/[0-9]*/comm | grep -c '^sleep$') = 2")
        self.box.rollback(snapshot)
        self.assertEqual(self.box.output("cat /proc/[0-9]*/comm | grep -c '^sleep$'; true"), "0\n")
        self.assertEqual(running.error().data.get("stdout"), "begun\n")

    def test_a_snapshot_of_an_ancestor(self):
        self.box.output("echo ancestor > file")
        snapshot = self.box.snapshot()
        child = self.engine.restore(snapshot)
        grandchild = child.fork()[0]
        for box in (child, grandchild):
            box.output("echo changed > file")
            box.rollback(snapshot)
            self.assertEqual(box.output("cat file"), "ancestor\n")

    def test_a_snapshot_of_a_stranger_is_refused(self):
        self.box.output("echo mine > file")
        stranger = self.engine.create().snapshot()
        error = self.assert_fails(1011, "SnapshotIncompatible", self.box.rollback, stranger)
        self.assertTrue(error.data["reason"])
        child_snapshot = self.box.fork()[0].snapshot()
        self.assert_fails(1011, "SnapshotIncompatible", self.box.rollback, child_snapshot)
        self.assertEqual(self.box.output("cat file"), "mine\n")

    def test_a_deleted_snapshot(self):
        snapshot = self.box.snapshot()
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        self.assert_fails(1010, "SnapshotNotFound", self.box.rollback, snapshot)
        self.assertEqual(self.box.output("echo alive"), "alive\n")

    def test_shared_memory_files_do_not_survive(self):
        snapshot = self.box.snapshot()
        self.box.output("echo x > /dev/shm/x; echo x > /tmp/x")
        self.box.rollback(snapshot)
        self.assertEqual(self.box.output("ls -A /dev/shm /tmp | grep x; true"), "")
