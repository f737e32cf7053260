"""Many requests at once: parallel execs, and the order of lifecycle requests."""

from harness import processes
from harness.case import EngineTestCase


class ParallelTests(EngineTestCase):
    def test_300_execs_at_once_on_one_sandbox(self):
        box = self.engine.create()
        requests = [box.start(f"echo {n}; exit {n % 7}") for n in range(300)]
        for n, request in enumerate(requests):
            result = request.result()
            self.assertEqual((result["stdout"], result["exitCode"]), (f"{n}\n", n % 7))

    def test_300_execs_at_once_on_20_sandboxes(self):
        boxes = [self.engine.create() for _ in range(20)]
        requests = [(n, boxes[n % 20], boxes[n % 20].start(f"echo {n} $ISORUN_SANDBOX_ID")) for n in range(300)]
        for n, box, request in requests:
            self.assertEqual(request.result()["stdout"], f"{n} {box.id}\n")

    def test_execs_overlap(self):
        box = self.engine.create()
        meet = "mkdir -p /meet; touch /meet/$$; while [ $(ls /meet | wc -l) -lt 30 ]; do sleep 0.1; done"
        for request in [box.start(meet) for _ in range(30)]:
            self.assertEqual(request.result()["exitCode"], 0, "each waits until all 30 have begun")

    def test_answers_come_as_they_are_ready(self):
        box = self.engine.create()
        slow, fast = box.start("while ! test -e /go; do sleep 0.05; done"), box.start("true")
        fast.result()
        self.assertFalse(slow.done())
        box.output("touch /go")
        self.assertEqual(slow.result()["exitCode"], 0)

    def test_20_creates_at_once(self):
        requests = [self.engine.send("sandbox/create", {"network": {"mode": "none"}}) for _ in range(20)]
        self.assertEqual(len({request.result()["id"] for request in requests}), 20)

    def test_execs_leave_no_descriptors_and_no_threads(self):
        box = self.engine.create()

        def exec_300():
            for request in [box.start("true") for _ in range(300)]:
                request.result()

        exec_300()
        pid = self.engine_pid(self.engine)
        self.assert_no_growth(lambda: self.descriptors(self.engine), 300, exec_300)
        # Workers that wait for work are kept for some seconds; a thread per command would be three times as many.
        self.eventually(lambda: processes.threads(pid) < 100, message="threads stay")


class OrderTests(EngineTestCase):
    def test_a_lifecycle_request_is_done_before_an_exec_sent_later(self):
        box = self.engine.create()
        box.output("echo old > /root/file")
        snapshot = box.snapshot()
        box.output("echo new > /root/file")
        rollback = box.send("sandbox/rollback", snapshotId=snapshot["id"])
        later = box.start("cat /root/file")
        self.assertEqual(later.result()["stdout"], "old\n")
        self.assertEqual(rollback.result()["id"], box.id)

    def test_lifecycle_requests_run_in_the_order_sent(self):
        box = self.engine.create()
        snapshots = []
        for n in range(20):
            box.call("fs/write", path="/root/file", data=str(n))
            snapshots.append(box.send("sandbox/snapshot"))
        for n, request in enumerate(snapshots):
            self.assertEqual(self.engine.restore(request.result()).read("/root/file"), str(n))
        destroy, late = box.send("sandbox/destroy"), box.send("sandbox/snapshot")
        self.assertEqual(destroy.result()["status"], "destroyed")
        self.assert_error(late.error(), 1002, "SandboxDestroyed")

    def test_a_snapshot_sent_before_a_destroy_is_made(self):
        box = self.engine.create()
        box.output("echo kept > /root/file")
        snapshot, destroy = box.send("sandbox/snapshot"), box.send("sandbox/destroy")
        destroy.result()
        self.assertEqual(self.engine.restore(snapshot.result()).read("/root/file"), "kept\n")

    def test_lifecycle_of_one_sandbox_does_not_wait_for_another(self):
        slow, fast = self.engine.create(), self.engine.create()
        running = slow.start("sleep 1000")
        fast.snapshot()
        fast.rollback(fast.snapshot())
        self.assertFalse(running.done())

    def test_destroy_during_a_fork(self):
        for _ in range(5):
            box = self.engine.create()
            fork, destroy = box.send("sandbox/fork", count=5), box.send("sandbox/destroy")
            destroy.result()
            children = fork.result()["sandboxes"]
            self.assertEqual(len(children), 5)
            for child in children:
                self.engine.call("sandbox/destroy", {"sandboxId": child["id"]})
