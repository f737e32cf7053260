"""The idle clock of sandbox/setTimeout, and the numbers of sandbox/stats."""

import time

from harness.case import EngineTestCase


class IdleTests(EngineTestCase):
    def status(self, box):
        return {s["id"]: s["status"] for s in self.engine.call("sandbox/list", {})["sandboxes"]}.get(box.id)

    def test_an_idle_sandbox_hibernates_by_default(self):
        box = self.engine.create(timeoutSec=1)
        self.engine.wait_for("sandbox/statusChanged", lambda p: p["status"] == "hibernated")
        self.assertEqual(self.status(box), "hibernated")

    def test_an_idle_sandbox_is_destroyed_if_asked_so(self):
        box = self.engine.create(timeoutSec=1, onTimeout="destroy")
        self.eventually(lambda: self.status(box) is None)
        self.assert_fails(1002, "SandboxDestroyed", box.exec, "true")

    def test_any_request_restarts_the_clock(self):
        box = self.engine.create(timeoutSec=4, onTimeout="destroy")
        for request in (
            lambda: box.exec("true"),
            box.get,
            lambda: box.call("sandbox/stats"),
            lambda: box.read("/etc/passwd"),
        ) * 2:
            time.sleep(0.7)
            request()
        self.assertEqual(self.status(box), "running")

    def test_a_running_exec_is_not_idleness(self):
        box = self.engine.create(onTimeout="destroy")
        running = box.start("sleep 3; echo done")
        self.eventually(lambda: self.engine.call("engine/stats", {})["execsRunning"] == 1)
        box.call("sandbox/setTimeout", timeoutSec=1)
        self.assertEqual(running.result()["stdout"], "done\n")

    def test_an_exec_after_a_late_timeout_is_not_idleness(self):
        box = self.engine.create(onTimeout="destroy")
        box.call("sandbox/setTimeout", timeoutSec=1)
        self.assertEqual(box.output("sleep 2.5; echo done"), "done\n")

    def test_set_timeout_sets_and_disables(self):
        box = self.engine.create(timeoutSec=2, onTimeout="destroy")
        self.assertEqual(box.call("sandbox/setTimeout", timeoutSec=0)["timeoutSec"], 0)
        time.sleep(2.5)
        self.assertEqual(self.status(box), "running")
        self.assertEqual(box.call("sandbox/setTimeout", timeoutSec=1)["timeoutSec"], 1)
        self.eventually(lambda: self.status(box) is None)

    def test_values_that_are_refused(self):
        box = self.engine.create()
        for value in (-1, 1.5, "1", None):
            self.assert_fails(-32602, None, box.call, "sandbox/setTimeout", timeoutSec=value)


class StatsTests(EngineTestCase):
    def test_stats_of_a_sandbox(self):
        box = self.engine.create()
        box.output("mkfifo /go")
        before = box.call("sandbox/stats")
        self.assertEqual(set(before), {"cpuMs", "memBytes", "memPeakBytes", "pids", "diskBytes"})
        program = "x = bytearray(50 << 20); open('/ready', 'w').close(); open('/go').read()"
        running = box.start(["/usr/bin/python3", "-c", program])
        box.wait_until("test -e /ready")
        during = box.call("sandbox/stats")
        self.assertGreater(during["pids"], before["pids"])
        self.assertGreater(during["memBytes"], before["memBytes"] + (30 << 20))
        self.assertGreaterEqual(during["memPeakBytes"], during["memBytes"])
        box.output("echo > /go")
        running.result()
        box.output("head -c 5000000 /dev/zero > /root/file; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
        after = box.call("sandbox/stats")
        self.assertGreaterEqual(after["diskBytes"], before["diskBytes"] + 5_000_000)
        self.assertGreater(after["cpuMs"], before["cpuMs"] + 50)

    def test_stats_of_the_engine(self):
        boxes = [self.engine.create() for _ in range(3)]
        boxes[0].call("sandbox/hibernate")
        running = boxes[1].start("sleep 100")
        # Requests run side by side: the exec may begin after the next request was answered.
        self.eventually(lambda: self.engine.call("engine/stats", {})["execsRunning"] == 1)
        stats = self.engine.call("engine/stats", {})
        self.assertEqual(stats["sandboxes"], {"running": 2, "hibernated": 1})
        self.assertEqual(stats["execsRunning"], 1)
        self.assertGreaterEqual(stats["requestsRunning"], 1)
        self.assertGreater(stats["memBytes"], 1 << 20)
        self.assertGreater(stats["openFiles"], 3)
        self.engine.cancel(running)
        self.assertEqual(running.error().code, -32800)

    def test_info_of_the_engine_is_that_of_initialize(self):
        info = self.engine.call("engine/info", {})
        self.assertEqual((info["capabilities"], info["host"]), (self.engine.capabilities, self.engine.host))
