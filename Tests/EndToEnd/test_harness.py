"""The checks that all tests rely on can fail: a leak is seen, and a message that breaks the schema is."""

import os
import subprocess
import tempfile
import unittest
from unittest import mock

from harness import leaks, processes, schema_check


class LeakCheckTests(unittest.TestCase):
    callers = ("root",)

    def setUp(self):
        patch = mock.patch.object(leaks, "GRACE_SECONDS", 0.3)
        patch.start()
        self.addCleanup(patch.stop)
        self.watch = leaks.Watch()

    def test_a_double_forked_process_in_a_new_session_is_seen(self):
        subprocess.run(["/bin/sh", "-c", "(setsid sleep 1000 &)"], check=True)
        found = self.watch.leaks()
        self.assertEqual(len(found), 1)
        self.assertIn("sleep 1000", found[0])
        self.watch.kill_leftovers()
        self.assertEqual(self.watch.leaks(), [])

    def test_a_process_in_a_pid_namespace_of_its_own_is_seen(self):
        subprocess.run(["/bin/sh", "-c", "(setsid unshare --pid --fork sleep 1000 &)"], check=True)
        self.assertGreaterEqual(len(self.watch.leaks()), 1)
        self.watch.kill_leftovers()
        self.assertEqual(self.watch.leaks(), [])

    def test_a_process_that_ends_by_itself_is_none(self):
        subprocess.run(["/bin/sh", "-c", "(setsid sleep 0.1 &)"], check=True)
        self.assertEqual(self.watch.leaks(), [])

    def test_a_mount_is_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mount", "-t", "tmpfs", "leak", folder], check=True)
            self.addCleanup(subprocess.run, ["umount", folder], stderr=subprocess.DEVNULL)
            found = self.watch.leaks()
            subprocess.run(["umount", folder], check=True)
        self.assertEqual(len(found), 1)
        self.assertIn(folder, found[0])

    def test_a_control_group_is_seen(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(leaks, "CGROUP_ROOT", folder):
            watch = leaks.Watch()
            os.mkdir(os.path.join(folder, "isorun-1"))
            self.assertEqual(watch.leaks(), [f"a control group was left: {folder}/isorun-1"])

    def test_files_left_in_a_store_are_seen(self):
        with tempfile.TemporaryDirectory() as store:
            self.assertEqual(leaks.store_leaks(store), [])
            os.makedirs(os.path.join(store, "sandboxes", "run1"))
            self.assertEqual(len(leaks.store_leaks(store)), 1)

    def test_the_only_child_is_found(self):
        child = subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & wait"])
        self.addCleanup(processes.kill_tree, child.pid)
        self.addCleanup(child.wait)
        while processes.child_of(child.pid) is None:
            pass
        self.assertIn("sleep", processes.describe(processes.child_of(child.pid)))
        processes.kill_tree(child.pid)


NOT_FOUND = {
    "code": 1001,
    "message": "There is no such sandbox.",
    "data": {"kind": "SandboxNotFound", "sandboxId": "x"},
}


class SchemaCheckTests(unittest.TestCase):
    callers = ("root",)

    def setUp(self):
        if schema_check.jsonschema is None:
            self.skipTest("the Python package jsonschema (apt: python3-jsonschema) is missing")

    def answer(self, asked="sandbox/list", params={}, **fields):
        return [
            ("sent", {"jsonrpc": "2.0", "id": 1, "method": asked, "params": params}),
            ("received", {"jsonrpc": "2.0", "id": 1, **fields}),
        ]

    def test_right_messages_pass(self):
        self.assertEqual(schema_check.breaches(self.answer(result={"sandboxes": []})), [])
        self.assertEqual(schema_check.breaches(self.answer("sandbox/get", {"sandboxId": "x"}, error=NOT_FOUND)), [])

    def test_wrong_messages_do_not(self):
        for fields in (
            {"result": {"sandboxes": 5}},
            {"result": {"sandboxes": [], "more": 1}},
            {"result": None},
            {"error": {"code": 1001, "message": "x", "data": {"kind": "SandboxDestroyed"}}},
            {"error": {"code": 4711, "message": "x", "data": {"kind": "Unknown"}}},
            {"error": {"code": -32602, "message": ""}},
            {"error": NOT_FOUND},
            {"result": {"sandboxes": []}, "method": "both"},
        ):
            with self.subTest(fields=fields):
                self.assertNotEqual(schema_check.breaches(self.answer(**fields)), [])

    def test_wrong_params_are_seen(self):
        for params in ({"labels": 5}, {"unknown": 1}):
            message = {"jsonrpc": "2.0", "id": 1, "method": "sandbox/list", "params": params}
            self.assertNotEqual(schema_check.breaches([("sent", message)]), [])
        message = {"jsonrpc": "2.0", "id": 1, "method": "sandbox/exec", "params": {"command": "true"}}
        self.assertNotEqual(schema_check.breaches([("sent", message)]), [])
