"""sandbox/snapshot, sandbox/restore, snapshot/list, get and delete: what carries over, what it costs, what frees."""

import os
import time

from harness import tree
from harness.case import EngineTestCase, unreferenced

UNKNOWN = "snap0123456789abcdef"


class SnapshotTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create(env={"SET": "before"}, cwd="/root", labels={"job": "1"})

    def test_the_object_that_snapshot_returns(self):
        self.box.output("head -c 1000000 /dev/urandom > file")
        snapshot = self.box.snapshot(name="prepared", labels={"step": "1"})
        self.assertRegex(snapshot["id"], r"^snap[0-9a-f]{16}$")
        self.assertEqual((snapshot["name"], snapshot["labels"]), ("prepared", {"step": "1"}))
        self.assertEqual((snapshot["sandboxId"], snapshot["image"]), (self.box.id, "host"))
        self.assertGreaterEqual(snapshot["sizeBytes"], 1_000_000)
        self.assertLess(snapshot["sizeBytes"], 3_000_000)
        self.assertEqual(snapshot["memoryBytes"], 0)
        self.assertGreaterEqual(snapshot["pauseMs"], 0)
        self.assertEqual((snapshot["runtime"]["kept"], snapshot["runtime"]["dropped"]), (0, []))
        self.assertNotIn("parentSnapshotId", snapshot)
        self.assertEqual(self.box.snapshot()["parentSnapshotId"], snapshot["id"])

    def test_files_and_settings_carry_over(self):
        self.box.output("echo kept > file; mkdir folder; ln -s file folder/link")
        snapshot = self.box.snapshot()
        self.box.output("echo later > file; rm -r folder")
        restored = self.engine.restore(snapshot)
        self.assertNotEqual(restored.id, self.box.id)
        self.assertEqual(restored.info["parent"], {"kind": "snapshot", "id": snapshot["id"]})
        self.assertEqual(
            restored.output("cat file; readlink folder/link; echo $SET; pwd"), "kept\nfile\nbefore\n/root\n"
        )
        self.assertEqual(restored.output("cat /run/isorun/id; echo $ISORUN_SANDBOX_ID"), f"{restored.id}\n" * 2)
        self.assertEqual(self.box.output("cat file"), "later\n")

    def test_a_restore_with_overrides(self):
        snapshot = self.box.snapshot()
        restored = self.engine.restore(
            snapshot, name="again", labels={"job": "2"}, env={"SET": "after", "NEW": "1"}, timeoutSec=600, memMiB=512
        )
        self.assertEqual((restored.info["name"], restored.info["labels"]), ("again", {"job": "2"}))
        self.assertEqual((restored.info["timeoutSec"], restored.info["memMiB"]), (600, 512))
        self.assertEqual(restored.output("echo $SET $NEW"), "after 1\n")

    def test_overrides_add_to_the_environment_that_was_set(self):
        restored = self.engine.restore(self.box.snapshot(), env={"NEW": "1"})
        self.assertEqual(restored.output("echo $SET $NEW"), "before 1\n")

    def test_the_sandbox_goes_on_after_a_snapshot(self):
        self.box.output("echo 1 > file")
        self.box.snapshot()
        self.box.output("echo 2 >> file")
        self.box.snapshot()
        self.assertEqual(self.box.output("cat file"), "1\n2\n")

    def test_a_snapshot_of_nothing(self):
        self.assertEqual(self.engine.restore(self.box.snapshot()).output("ls -A; echo ok"), "ok\n")

    def test_a_snapshot_of_what_has_not_changed_adds_no_layer(self):
        self.box.output("echo kept > file")
        first = self.box.snapshot()
        layers = os.path.join(self.store, "layers")
        present = os.listdir(layers)
        second, (child,) = self.box.snapshot(), self.box.fork()
        self.assertEqual((second["parentSnapshotId"], second["sizeBytes"]), (first["id"], 0))
        self.assertEqual(os.listdir(layers), present)
        self.box.output("echo later > file")
        self.engine.call("snapshot/delete", {"snapshotId": first["id"]})
        self.assertEqual(child.output("cat file"), "kept\n")
        self.assertEqual(self.engine.restore(second).output("cat file"), "kept\n")

    def test_a_change_of_nothing_but_the_root_folder_is_a_change(self):
        look = (
            "import os; s = os.stat('/'); names = [n for n in os.listxattr('/') if n.startswith('user.')]; "
            "print(oct(s.st_mode), s.st_uid, s.st_mtime_ns, names, sorted(os.listdir('/')))"
        )
        self.box.snapshot()
        seen = {self.box.python(look)}
        changes = ["chmod 711 /", "touch -d @1000000000 /", "touch /new", "rm /new", "touch /brief; rm /brief"]
        changes.append(["/usr/bin/python3", "-c", "import os; os.setxattr('/', 'user.mark', b'x')"])
        for change in changes:
            self.box.output(change)
            present = self.box.python(look)
            self.assertNotIn(present, seen, f"{change!r} changes nothing to be seen")
            seen.add(present)
            self.assertEqual(self.engine.restore(self.box.snapshot()).python(look), present, change)
            self.assertEqual(self.box.fork()[0].python(look), present, change)

    def test_any_number_of_restores_are_independent(self):
        self.box.output("echo base > file")
        snapshot = self.box.snapshot()
        self.box.destroy()
        restored = [self.engine.restore(snapshot) for _ in range(10)]
        for n, box in enumerate(restored):
            box.output(f"echo {n} >> file")
        for n, box in enumerate(restored):
            self.assertEqual(box.output("cat file"), f"base\n{n}\n")

    def test_everything_in_a_tree_comes_back_exactly(self):
        tree.make(self.box, "/root/tree", owners=self.caller != "bare")
        first_tree = tree.describe(self.box, "/root/tree")
        first = self.box.snapshot()
        self.assertEqual(tree.describe(self.box, "/root/tree"), first_tree, "a snapshot changes nothing")
        tree.change(self.box, "/root/tree")
        second_tree = tree.describe(self.box, "/root/tree")
        second = self.box.snapshot()
        self.assertEqual(tree.describe(self.engine.restore(first), "/root/tree"), first_tree)
        self.assertEqual(tree.describe(self.engine.restore(second), "/root/tree"), second_tree)
        self.restart()
        self.assertEqual(tree.describe(self.engine.restore(first), "/root/tree"), first_tree)
        self.assertEqual(tree.describe(self.engine.restore(second), "/root/tree"), second_tree)

    def test_a_snapshot_while_an_exec_runs(self):
        """The running exec is the parent's; files are those of one moment."""
        running = self.box.start(
            "echo begun > begun; i=0; while ! test -e go; do i=$((i+1)); echo $i > count; sleep 0.02; done; echo end"
        )
        self.box.wait_until("test -e count")
        snapshot = self.box.snapshot()
        self.assertFalse(running.done())
        restored = self.engine.restore(snapshot)
        count = restored.output("cat begun; cat count").split()
        self.assertEqual(count[0], "begun")
        time.sleep(0.3)
        self.assertEqual(restored.output("cat begun; cat count").split(), count, "nothing runs on in the restored one")
        self.box.output("touch go")
        self.assertEqual(running.result()["stdout"], "end\n")
        self.assertGreater(int(self.box.output("cat count")), 0)

    def test_files_held_open_survive_a_snapshot(self):
        running = self.box.start(
            "exec 3> held; echo 1 >&3; while ! test -e go; do sleep 0.02; done; echo 2 >&3; cat held"
        )
        self.box.wait_until("test -s held")
        snapshot = self.box.snapshot()
        self.box.output("touch go")
        self.assertEqual(running.result()["stdout"], "1\n2\n")
        self.assertEqual(self.box.output("cat held"), "1\n2\n")
        self.assertEqual(self.engine.restore(snapshot).output("cat held"), "1\n")

    def test_requiring_runtime_state_that_cannot_be_kept_fails(self):
        if self.engine.capabilities["runtimeState"]["supported"]:
            self.skipTest("this engine keeps runtime state; its own tests hold it to that")
        self.assertTrue(self.engine.capabilities["runtimeState"]["reason"])
        self.box.output("sleep 1000 >/dev/null 2>&1 &")
        error = self.assert_fails(1050, "RuntimeStateUnsupported", self.box.snapshot, runtime="require")
        self.assertTrue(any("sleep" in process["command"] for process in error.data["processes"]))
        snapshot = self.box.snapshot(runtime="auto")
        self.assertEqual(snapshot["runtime"]["kept"], 0)
        self.assertTrue(any("sleep" in p["command"] and p["reason"] for p in snapshot["runtime"]["dropped"]))
        self.assertEqual(self.box.snapshot(runtime="none")["runtime"]["kept"], 0)

    def test_requiring_runtime_state_of_a_quiet_sandbox_is_granted(self):
        self.assertEqual(self.box.snapshot(runtime="require")["runtime"]["dropped"], [])


class SnapshotListTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def listed(self, **params):
        return [snapshot["id"] for snapshot in self.engine.call("snapshot/list", params)["snapshots"]]

    def test_list_is_newest_first_and_filters(self):
        other = self.engine.create()
        a = self.box.snapshot(labels={"kind": "x"})
        b = other.snapshot(labels={"kind": "x", "n": "2"})
        c = self.box.snapshot()
        self.assertEqual(self.listed(), [c["id"], b["id"], a["id"]])
        self.assertEqual(self.listed(sandboxId=self.box.id), [c["id"], a["id"]])
        self.assertEqual(self.listed(labels={"kind": "x"}), [b["id"], a["id"]])
        self.assertEqual(self.listed(labels={"kind": "x"}, sandboxId=other.id), [b["id"]])
        self.box.destroy()
        self.assertEqual(self.listed(sandboxId=self.box.id), [c["id"], a["id"]])

    def test_get_returns_what_snapshot_returned(self):
        snapshot = self.box.snapshot(name="one")
        self.assertEqual(self.engine.call("snapshot/get", {"snapshotId": snapshot["id"]}), snapshot)
        self.assertEqual(self.engine.call("snapshot/list", {})["snapshots"], [snapshot])

    def test_unknown_snapshots(self):
        for method in ("snapshot/get", "snapshot/delete", "sandbox/restore"):
            self.assert_fails(1010, "SnapshotNotFound", self.engine.call, method, {"snapshotId": UNKNOWN})
        self.assert_fails(1010, "SnapshotNotFound", self.box.call, "sandbox/rollback", snapshotId=UNKNOWN)
        self.assert_fails(1010, "SnapshotNotFound", self.engine.call, "snapshot/diff", {"from": UNKNOWN, "to": UNKNOWN})
        for path in ("../../etc", "/etc", "snap/../x", ""):
            self.assert_fails(1010, "SnapshotNotFound", self.engine.call, "snapshot/get", {"snapshotId": path})

    def test_a_second_delete_fails(self):
        snapshot = self.box.snapshot()
        self.assertIsNone(self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]}))
        for method in ("snapshot/delete", "snapshot/get", "sandbox/restore"):
            self.assert_fails(1010, "SnapshotNotFound", self.engine.call, method, {"snapshotId": snapshot["id"]})

    def test_of_two_deletes_at_once_one_succeeds(self):
        snapshot = self.box.snapshot()
        requests = [self.engine.send("snapshot/delete", {"snapshotId": snapshot["id"]}) for _ in range(10)]
        outcomes = []
        for request in requests:
            try:
                outcomes.append(request.result())
            except Exception as error:
                outcomes.append(error.code)
        self.assertEqual(sorted(outcomes, key=str), [1010] * 9 + [None])


class DeletionTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def delete(self, snapshot):
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})

    def layers(self):
        folder = os.path.join(self.store, "layers")
        return set(os.listdir(folder)) if os.path.isdir(folder) else set()

    def test_deletion_frees_what_nothing_else_names(self):
        empty = self.layers()
        self.box.output("head -c 5000000 /dev/urandom > /root/file")
        snapshot = self.box.snapshot()
        self.assertNotEqual(self.layers(), empty)
        self.delete(snapshot)
        self.assertEqual(self.box.output("wc -c < /root/file").strip(), "5000000", "the sandbox still needs its layer")
        self.box.destroy()
        self.eventually(lambda: self.layers() == empty, message="layers are left after all was deleted")
        self.assertEqual(unreferenced(self.engine), 0)

    def test_what_others_still_need_stays_until_they_go(self):
        self.box.output("echo 1 > /root/a")
        first = self.box.snapshot()
        self.box.output("echo 2 > /root/b")
        second = self.box.snapshot()
        restored = self.engine.restore(first)
        self.delete(first)
        self.box.destroy()
        self.assertEqual(restored.output("cat /root/a"), "1\n")
        again = self.engine.restore(second)
        self.assertEqual(again.output("cat /root/a /root/b"), "1\n2\n")
        self.delete(second)
        self.assertEqual(again.output("cat /root/a /root/b"), "1\n2\n")
        restored.destroy()
        again.destroy()
        self.eventually(lambda: not self.layers(), message="layers are left after all was deleted")

    def test_deleting_the_middle_of_a_chain(self):
        snapshots = []
        for n in range(5):
            self.box.output(f"echo {n} > /root/{n}; echo {n} > /root/same")
            snapshots.append(self.box.snapshot())
        for n in (1, 3):
            self.delete(snapshots[n])
        for n in (0, 2, 4):
            restored = self.engine.restore(snapshots[n])
            self.assertEqual(
                restored.output("cat /root/same; ls /root").split(), [str(n), *map(str, range(n + 1)), "same"]
            )
        self.assertEqual(self.box.output("cat /root/same"), "4\n")
