"""sandbox/create, get, list, destroy: the objects, the labels, and the errors of a wrong or dead id."""

import time

from harness import processes
from harness.case import SOON, EngineTestCase

UNKNOWN = "run0123456789abcdef"


class SandboxTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def test_the_object_that_create_returns(self):
        box = self.engine.create(
            name="first", labels={"team": "a"}, env={"A": "1"}, cwd="/usr", hostname="box", timeoutSec=600
        )
        info = box.info
        self.assertRegex(info["id"], r"^run[0-9a-f]{16}$")
        self.assertEqual(info["name"], "first")
        self.assertEqual(info["labels"], {"team": "a"})
        self.assertEqual(info["status"], "running")
        self.assertEqual(info["image"], "host")
        self.assertEqual(info["env"]["A"], "1")
        self.assertEqual((info["cwd"], info["user"], info["hostname"]), ("/usr", "root", "box"))
        self.assertEqual((info["vcpus"], info["memMiB"], info["diskMiB"], info["pidsMax"]), (1, 1024, 4096, 1024))
        self.assertEqual(info["network"]["mode"], "none")
        self.assertEqual(info["timeoutSec"], 600)
        self.assertGreaterEqual(info["createMs"], 0)
        self.assertRegex(info["createdAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
        self.assertNotIn("parent", info)

    def test_create_with_no_params_at_all(self):
        info = self.engine.call("sandbox/create", {})
        self.assertEqual((info["image"], info["cwd"], info["user"], info["timeoutSec"]), ("host", "/", "root", 0))
        self.assertEqual(info["labels"], {})
        expected = "nat" if "nat" in self.engine.capabilities["network"] else "none"
        self.assertEqual(info["network"]["mode"], expected)

    def test_get_returns_what_create_returned(self):
        box = self.engine.create(name="same", env={"B": "2"})
        self.assertEqual(box.get(), box.info)

    def test_ids_are_not_repeated(self):
        ids = {self.engine.create().id for _ in range(20)}
        self.assertEqual(len(ids), 20)

    def test_list_shows_the_living_and_filters_by_labels(self):
        a = self.engine.create(labels={"team": "a", "kind": "x"})
        b = self.engine.create(labels={"team": "b", "kind": "x"})
        c = self.engine.create()

        def listed(**params):
            return {info["id"] for info in self.engine.call("sandbox/list", params)["sandboxes"]}

        self.assertEqual(listed(), {a.id, b.id, c.id})
        self.assertEqual(listed(labels={"team": "a"}), {a.id})
        self.assertEqual(listed(labels={"kind": "x"}), {a.id, b.id})
        self.assertEqual(listed(labels={"kind": "x", "team": "b"}), {b.id})
        self.assertEqual(listed(labels={"team": "nobody"}), set())
        b.destroy()
        self.assertEqual(listed(), {a.id, c.id})

    def test_destroy_returns_what_was_used(self):
        box = self.engine.create()
        box.output("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
        time.sleep(0.2)
        result = box.destroy()
        self.assertEqual(result["status"], "destroyed")
        self.assertGreaterEqual(result["uptimeMs"], 200)
        self.assertGreaterEqual(result["cpuMs"], 0)
        self.assertGreaterEqual(result["memPeakBytes"], 0)

    def test_destroy_kills_everything_at_once(self):
        box = self.engine.create()
        requests = [box.start("trap '' TERM; setsid sleep 1000") for _ in range(5)]
        box.wait_until("test $(cat /proc/[0-9]*/comm | grep -c '^sleep$') = 5")
        begun = time.monotonic()
        box.destroy()
        self.assertLess(time.monotonic() - begun, SOON)
        for request in requests:
            self.assert_error(request.error(), 1002, "SandboxDestroyed")

    def test_an_exec_cut_by_destroy_returns_its_output_so_far(self):
        box = self.engine.create()
        request = box.start("echo out; echo err >&2; touch /tmp/printed; sleep 1000")
        box.wait_until("test -e /tmp/printed")
        box.destroy()
        error = self.assert_error(request.error(), 1002, "SandboxDestroyed")
        self.assertEqual(error.data["stdout"], "out\n")
        self.assertEqual(error.data["stderr"], "err\n")

    def test_every_request_on_a_destroyed_sandbox_fails(self):
        box = self.engine.create()
        box.destroy()
        for method, params in self.requests_on_a_sandbox():
            with self.subTest(method=method):
                self.assert_fails(1002, "SandboxDestroyed", box.call, method, **params)

    def test_every_request_on_an_unknown_sandbox_fails(self):
        for unknown in (UNKNOWN, "", "../..", "run", UNKNOWN.upper(), "x" * 10_000):
            for method, params in self.requests_on_a_sandbox():
                with self.subTest(method=method, id=unknown[:30]):
                    params = {"sandboxId": unknown, **params}
                    self.assert_fails(1001, "SandboxNotFound", self.engine.call, method, params)

    def requests_on_a_sandbox(self):
        return [
            ("sandbox/get", {}),
            ("sandbox/destroy", {}),
            ("sandbox/exec", {"command": "true"}),
            ("sandbox/snapshot", {}),
            ("sandbox/fork", {"count": 1}),
            ("sandbox/rollback", {"snapshotId": "snap0123456789abcdef"}),
            ("sandbox/stats", {}),
            ("sandbox/diff", {}),
            ("sandbox/setTimeout", {"timeoutSec": 5}),
            ("fs/read", {"path": "/etc/passwd"}),
            ("fs/write", {"path": "/root/x", "data": ""}),
            ("fs/list", {"path": "/"}),
        ]

    def test_of_two_destroys_at_once_one_succeeds(self):
        box = self.engine.create()
        requests = [box.send("sandbox/destroy") for _ in range(10)]
        self.assertEqual(requests[0].result()["status"], "destroyed")
        for request in requests[1:]:
            self.assert_error(request.error(), 1002, "SandboxDestroyed")

    def test_create_and_destroy_overlap(self):
        requests = [self.engine.send("sandbox/create", {"network": {"mode": "none"}}) for _ in range(30)]
        destroys = [self.engine.send("sandbox/destroy", {"sandboxId": r.result()["id"]}) for r in requests]
        for request in destroys:
            self.assertEqual(request.result()["status"], "destroyed")

    def test_status_changes_are_told(self):
        box = self.engine.create()
        box.destroy()
        self.engine.wait_for("sandbox/statusChanged", lambda p: (p["sandboxId"], p["status"]) == (box.id, "destroyed"))

    def test_values_that_create_refuses(self):
        for params, code in (
            ({"image": "no-such-image:1"}, 1020),
            ({"cwd": "relative"}, -32602),
            ({"env": {"A=B": "x"}}, -32602),
            ({"env": {"": "x"}}, -32602),
            ({"hostname": "x" * 65}, -32602),
            ({"hostname": "has space"}, -32602),
            ({"vcpus": 0}, -32602),
            ({"pidsMax": 0}, -32602),
            ({"network": {"mode": "bridge"}}, -32602),
        ):
            with self.subTest(params=params):
                self.assert_fails(code, None, self.engine.call, "sandbox/create", params)
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])

    def test_a_nat_that_cannot_be_had_fails(self):
        if "nat" in self.engine.capabilities["network"]:
            box = self.engine.create(network={"mode": "nat"})
            self.assertGreater(len(box.output("cat /proc/net/dev").splitlines()), 3, "lo and one more")
        else:
            error = self.assert_fails(
                1070, "NetworkUnavailable", self.engine.call, "sandbox/create", {"network": {"mode": "nat"}}
            )
            self.assertTrue(error.data["reason"] and error.data["fix"])

    def test_create_many_without_leaving_descriptors_or_threads(self):
        pid = self.engine_pid(self.engine)
        self.cycle(10)
        for reading in (processes.open_files, processes.threads):
            self.assert_no_growth(lambda: reading(pid), 30, lambda: self.cycle(30))

    def cycle(self, count):
        for _ in range(count):
            box = self.engine.create()
            box.output("true")
            box.destroy()
