"""$/cancelRequest before, during and after: the request fails with -32800 and its effects are undone."""

import time

from isorun_client import EngineError
from harness.case import SOON, EngineTestCase


class CancelTests(EngineTestCase):
    def test_cancel_during_an_exec_kills_its_tree_and_returns_the_output_so_far(self):
        box = self.engine.create()
        request = box.start("echo out; echo err >&2; setsid sleep 4321 & trap '' TERM; sleep 1234; sleep 1234")
        box.wait_until("grep -qs 1234 /proc/[0-9]*/cmdline")
        begun = time.monotonic()
        self.engine.cancel(request)
        error = self.assert_error(request.error(), -32800)
        self.assertLess(time.monotonic() - begun, SOON)
        self.assertEqual(error.data["stdout"], "out\n")
        self.assertEqual(error.data["stderr"], "err\n")
        box.wait_until("! cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -E '^sleep|sleep (4321|1234)'")

    def test_cancel_of_one_exec_leaves_the_others(self):
        box = self.engine.create()
        victim, other = box.start("sleep 100"), box.start("sleep 0.5; echo done")
        self.engine.cancel(victim)
        self.assert_error(victim.error(), -32800)
        self.assertEqual(other.result()["stdout"], "done\n")
        self.assertEqual(box.get()["status"], "running")

    def test_cancel_before_the_request_is_ignored(self):
        self.engine.notify("$/cancelRequest", {"id": "later"})
        request = self.engine.send("sandbox/list", {}, request_id="later")
        self.assertEqual(request.result()["sandboxes"], [])

    def test_cancel_after_the_answer_is_ignored(self):
        request = self.engine.send("sandbox/list", {})
        request.result()
        self.engine.cancel(request)
        self.engine.cancel(request)
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
        self.assertEqual(self.engine.strays, [])

    def test_the_id_1_is_not_the_id_of_the_text_1(self):
        box = self.engine.create()
        params = {"sandboxId": box.id, "command": "sleep 2"}
        number = self.engine.send("sandbox/exec", params, request_id=1001)
        text = self.engine.send("sandbox/exec", params, request_id="1001")
        self.engine.cancel(text)
        self.assert_error(text.error(), -32800)
        self.assertEqual(number.result()["exitCode"], 0)

    def test_a_cancelled_create_leaves_nothing(self):
        for _ in range(20):
            request = self.engine.send("sandbox/create", {"network": {"mode": "none"}})
            self.engine.cancel(request)
            self.assert_cancelled_or_destroy(request)
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])

    def assert_cancelled_or_destroy(self, request):
        """A cancel may come too late; then the request has succeeded as if there had been none."""
        try:
            info = request.result()
        except EngineError as error:
            self.assert_error(error, -32800)
        else:
            self.engine.call("sandbox/destroy", {"sandboxId": info["id"]})

    def test_a_cancelled_snapshot_or_fork_leaves_the_sandbox_as_it_was(self):
        box = self.engine.create()
        box.output("echo kept > /root/file")
        for method, params in (("sandbox/snapshot", {}), ("sandbox/fork", {"count": 5})):
            for _ in range(10):
                request = box.send(method, **params)
                self.engine.cancel(request)
                try:
                    result = request.result()
                except EngineError as error:
                    self.assert_error(error, -32800)
                    continue
                if method == "sandbox/snapshot":
                    self.engine.call("snapshot/delete", {"snapshotId": result["id"]})
                for child in result.get("sandboxes", []):
                    self.engine.call("sandbox/destroy", {"sandboxId": child["id"]})
        self.assertEqual(box.output("cat /root/file"), "kept\n")
        self.assertEqual([s["id"] for s in self.engine.call("sandbox/list", {})["sandboxes"]], [box.id])
        self.assertEqual(self.engine.call("snapshot/list", {})["snapshots"], [])

    def test_a_cancelled_request_is_answered_once(self):
        box = self.engine.create()
        for _ in range(200):
            request = box.start("true")
            self.engine.cancel(request)
            self.engine.cancel(request)
            try:
                self.assertEqual(request.result()["exitCode"], 0)
            except EngineError as error:
                self.assert_error(error, -32800)
        self.assertEqual(self.engine.strays, [])

    def test_cancel_params_of_the_wrong_shape_are_survived(self):
        for params in ({}, {"id": None}, {"id": []}, [], "text"):
            self.engine.notify("$/cancelRequest", params)
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
