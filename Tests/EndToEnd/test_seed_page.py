"""The three programs of "Checkpoints & Rollback", step by step in their order, over the wire.

Only the image name differs, and what `pip install` would bring is made by hand, since there is no network.
"""

from harness.case import EngineTestCase

INSTALL = "mkdir -p /root/lib && echo '__version__ = \"1.2.3\"' > /root/lib/numpy.py"


class SeedPageTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def test_snapshot_and_restore(self):
        sandbox = self.engine.create(image="host", env={"PYTHONPATH": "/root/lib"})
        sandbox.output(INSTALL)
        snap = sandbox.snapshot()
        sandbox.destroy()
        # Later
        restored = self.engine.restore(snap)
        result = restored.exec("python3 -c 'import numpy; print(numpy.__version__)'")
        self.assertEqual(result["stdout"].strip(), "1.2.3")
        restored.destroy()

    def test_fork_for_parallel_hypotheses(self):
        parent = self.engine.create(image="host", env={"PYTHONPATH": "/root/lib"}, cwd="/root")
        parent.output(INSTALL)
        parent.write("/root/evaluate.py", "import numpy, sys; print(numpy.__version__, sys.argv[1])")
        children = parent.fork(5)
        running = [child.start(f"python3 evaluate.py --variant={i}") for i, child in enumerate(children)]
        for i, request in enumerate(running):
            self.assertEqual(request.result()["stdout"], f"1.2.3 --variant={i}\n")
        for request in [child.send("sandbox/destroy") for child in children]:
            self.assertEqual(request.result()["status"], "destroyed")
        parent.destroy()

    def test_roll_back_to_a_snapshot(self):
        sandbox = self.engine.create(image="host")
        sandbox.output("echo 'state-ok' > /tmp/state.txt")
        snap = sandbox.snapshot()
        failed = sandbox.exec("rm /tmp/state.txt && exit 1")
        self.assertEqual(failed["exitCode"], 1)
        sandbox.destroy()
        rolled = self.engine.restore(snap)
        self.assertEqual(rolled.exec("cat /tmp/state.txt")["stdout"].strip(), "state-ok")
        rolled.destroy()
        self.assert_fails(1002, "SandboxDestroyed", sandbox.destroy)

    def test_the_checklist(self):
        sandbox = self.engine.create()
        snap = sandbox.snapshot()
        sandbox.destroy()
        child = self.engine.restore(snap)
        self.assertTrue(child.exec("sleep 1000", timeoutMs=200)["timedOut"], "explicit timeouts in child runs")
        child.destroy()
        self.assertIsNone(self.engine.call("snapshot/delete", {"snapshotId": snap["id"]}))
        self.assert_fails(1010, "SnapshotNotFound", self.engine.restore, snap)

    def test_what_resets(self):
        """An exec in flight when the checkpoint is made belongs to the parent only."""
        sandbox = self.engine.create()
        wait = "while ! test -e /tmp/go; do sleep 0.05; done"
        running = sandbox.start(f"touch /tmp/begun; {wait}; echo parent >> /tmp/log; echo done")
        sandbox.wait_until("test -e /tmp/begun")
        child = sandbox.fork()[0]
        sandbox.exec("touch /tmp/go")
        self.assertEqual(running.result()["stdout"], "done\n")
        self.assertEqual(child.exec("cat /tmp/log")["exitCode"], 1)
