"""sandbox/hibernate and resume of a sandbox without running processes."""

from harness import processes
from harness.case import EngineTestCase


class HibernateTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create(env={"SET": "1"}, cwd="/root", name="sleeper")

    def test_a_quiet_sandbox_sleeps_and_wakes_with_its_files(self):
        self.box.output("echo kept > file")
        self.assertEqual(self.box.call("sandbox/hibernate")["status"], "hibernated")
        self.assertEqual(self.box.get()["status"], "hibernated")
        resumed = self.box.call("sandbox/resume")
        self.assertEqual((resumed["id"], resumed["status"], resumed["name"]), (self.box.id, "running", "sleeper"))
        self.assertEqual(
            self.box.output("cat file; echo $SET; pwd; cat /run/isorun/id"), f"kept\n1\n/root\n{self.box.id}\n"
        )

    def test_many_rounds(self):
        for n in range(10):
            self.box.output(f"echo {n} >> file")
            self.box.call("sandbox/hibernate")
            self.box.call("sandbox/resume")
        self.assertEqual(self.box.output("cat file").split(), [str(n) for n in range(10)])

    def test_what_a_hibernated_sandbox_refuses(self):
        self.box.call("sandbox/hibernate")
        for method, params in (("sandbox/exec", {"command": "true"}), ("sandbox/hibernate", {})):
            error = self.assert_fails(1003, "WrongState", self.box.call, method, **params)
            self.assertEqual(error.data["status"], "hibernated")
            self.assertIn("running", error.data["allowed"])

    def test_resume_of_a_running_sandbox_is_refused(self):
        error = self.assert_fails(1003, "WrongState", self.box.call, "sandbox/resume")
        self.assertEqual((error.data["status"], error.data["allowed"]), ("running", ["hibernated"]))

    def test_a_hibernated_sandbox_is_listed_and_can_be_destroyed(self):
        self.box.call("sandbox/hibernate")
        self.assertEqual([s["id"] for s in self.engine.call("sandbox/list", {})["sandboxes"]], [self.box.id])
        self.assertEqual(self.box.destroy()["status"], "destroyed")
        self.assert_fails(1002, "SandboxDestroyed", self.box.call, "sandbox/resume")

    def test_it_outlives_the_engine(self):
        self.box.output("echo kept > file")
        self.box.call("sandbox/hibernate")
        self.restart()
        self.box.engine = self.engine
        self.assertEqual(self.box.get()["status"], "hibernated")
        self.box.call("sandbox/resume")
        self.assertEqual(self.box.output("cat file; echo $SET"), "kept\n1\n")

    def test_it_leaves_no_process(self):
        def hibernate(count):
            for _ in range(count):
                self.engine.create().call("sandbox/hibernate")

        self.assert_no_growth(lambda: len(processes.descendants(self.engine.launcher_pid)), 8, lambda: hibernate(8))

    def test_the_change_of_status_is_told(self):
        self.box.call("sandbox/hibernate")
        self.engine.wait_for(
            "sandbox/statusChanged", lambda p: (p["sandboxId"], p["status"]) == (self.box.id, "hibernated")
        )
