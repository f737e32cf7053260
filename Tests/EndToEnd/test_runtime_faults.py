"""Something goes wrong at each step of capturing and restoring processes (ISORUN_FAULT, FaultPoint.swift).

Whatever fails, the source runs on as before, a rollback is undone, and nothing is left behind, which the end of every test
looks at. The operation succeeds when it is tried again.
"""

import os
import re
import signal
import subprocess

from harness import processes
from harness.case import ENGINE, EngineTestCase
from isorun_client import EngineError, EngineGone

# Three generations that share memory; the first counts in memory only.
FAMILY = """
import os, time
memory = bytearray(os.urandom(1 << 20) * 8)
for _ in range(2):
    if os.fork() == 0:
        if os.fork() == 0:
            memory[:4096] = bytes(4096)
        while True:
            time.sleep(1000)
count = 0
while True:
    count += 1
    with open("/tmp/count.new", "w") as file:
        file.write(str(count))
    os.rename("/tmp/count.new", "/tmp/count")
    time.sleep(0.01)
"""
FAMILY_SIZE = 5

IN_CAPTURE = ("capture.files-ahead", "capture.held", "capture.examined", "capture.process", "capture.frozen",
              "capture.files-copied", "capture.released")
IN_TEMPLATES = ("template.begun", "template.filled", "template.derived")
IN_STORE = ("store.pages", "store.state")
IN_RESTORE = ("restore.process", "restore.memory", "restore.sockets", "restore.descriptors", "restore.threads",
              "restore.connected")
ELSEWHERE = ("rollback.switched", "hibernate.captured")


class FaultTestCase(EngineTestCase):
    starts_engine = False

    def sample(self, points: tuple[str, ...]) -> tuple[str, ...]:
        """All of them for root; a few for others, because the way is the same."""
        return points if self.caller == "root" else points[::3]

    def engine_with(self, point: str, action: str):
        self.engine = self.start_engine(env={"ISORUN_FAULT": f"{point}={action}"})
        return self.engine

    def family(self, engine):
        box = engine.create()
        box.write("/tmp/family.py", FAMILY)
        box.output("setsid /usr/bin/python3 /tmp/family.py </dev/null >/dev/null 2>&1 &")
        box.wait_until("test -s /tmp/count")
        return box

    def assert_lives(self, box, message: str) -> None:
        """All of the family is there, and the count goes on from where it was."""
        before = self.count(box)
        self.eventually(lambda: self.count(box) > before, message=f"{message}: the counter stands still")
        self.assertEqual(len(self.running(box)), FAMILY_SIZE, message)

    def running(self, box) -> list:
        return [p for p in box.processes() if p.info["status"] == "running"]

    def count(self, box) -> int:
        return int(box.exec("cat /tmp/count")["stdout"].strip() or 0)

    def assert_injected(self, point: str, function, *args, **kwargs) -> None:
        with self.assertRaises(EngineError) as caught:
            function(*args, **kwargs)
        self.assertIn(point, str(caught.exception))


    def end_engine(self) -> None:
        """Ends the engine as the end of a test does, so that what it leaves behind is seen for each fault by itself."""
        self.assertEqual(self._end(self.engine), [])


class FaultTests(FaultTestCase):
    def test_every_point_is_tried_here(self):
        result = subprocess.run([ENGINE], env={**os.environ, "ISORUN_FAULT": "?"}, stdin=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 2)
        points = re.search("the points are (.*)", result.stderr)[1].split()
        self.assertEqual(set(points), {*IN_CAPTURE, *IN_TEMPLATES, *IN_STORE, *IN_RESTORE, *ELSEWHERE})

    def test_a_capture_that_fails(self):
        for point in self.sample(IN_CAPTURE):
            with self.subTest(point):
                box = self.family(self.engine_with(point, "fail"))
                self.assert_injected(point, box.snapshot, runtime="require")
                self.assert_lives(box, "the source after a failed snapshot")
                restored = self.engine.restore(box.snapshot(runtime="require"))
                self.assert_lives(restored, "restored from the second snapshot")
                self.end_engine()

    def test_a_fork_that_fails(self):
        for point in ("capture.process", "template.filled", "restore.descriptors"):
            with self.subTest(point):
                box = self.family(self.engine_with(point, "fail"))
                self.assert_injected(point, box.fork, 2, runtime="require")
                self.assertEqual(len(self.engine.call("sandbox/list", {})["sandboxes"]), 1)
                for child in box.fork(2, runtime="require"):
                    self.assert_lives(child, "forked the second time")
                self.assert_lives(box, "the source")
                self.end_engine()

    def test_templates_that_cannot_be_built(self):
        """The answer has been given by then: it is told by notification, and by who asks for the processes."""
        for point in self.sample(IN_TEMPLATES + IN_STORE):
            with self.subTest(point):
                box = self.family(self.engine_with(point, "fail"))
                snapshot = box.snapshot(runtime="require")
                if point == "template.derived":
                    snapshot = box.snapshot(runtime="require")
                told = self.engine.wait_for("snapshot/durability", lambda p: p["snapshotId"] == snapshot["id"], seconds=30)
                self.assertFalse(told["durable"])
                self.assertIn(point, told["reason"])
                if point in IN_TEMPLATES:
                    self.assert_injected(point, self.engine.restore, snapshot)
                self.assert_lives(box, "the source")
                again = self.engine.restore(box.snapshot(runtime="require", durable=True))
                self.assert_lives(again, "restored from the second snapshot")
                self.end_engine()

    def test_a_restore_that_fails(self):
        for point in self.sample(IN_RESTORE):
            with self.subTest(point):
                box = self.family(self.engine_with(point, "fail"))
                snapshot = box.snapshot(runtime="require")
                self.assert_injected(point, self.engine.restore, snapshot)
                self.assertEqual(len(self.engine.call("sandbox/list", {})["sandboxes"]), 1)
                self.assert_lives(self.engine.restore(snapshot), "restored the second time")
                self.end_engine()

    def test_a_rollback_that_fails_is_undone(self):
        for point in ("restore.memory", "restore.connected", "rollback.switched"):
            with self.subTest(point):
                box = self.family(self.engine_with(point, "fail"))
                snapshot = box.snapshot(runtime="require")
                box.output("echo later > /root/later")
                count = self.count(box)
                self.assert_injected(point, box.rollback, snapshot)
                self.assertEqual(box.output("cat /root/later"), "later\n")
                self.assertGreaterEqual(self.count(box), count)
                self.assert_lives(box, "after a failed rollback")
                box.rollback(snapshot)
                self.assertEqual(box.exec("cat /root/later")["exitCode"], 1)
                self.assert_lives(box, "rolled back the second time")
                self.end_engine()

    def test_a_hibernation_that_fails(self):
        for point in ("capture.frozen", "store.state", "hibernate.captured"):
            with self.subTest(point):
                box = self.family(self.engine_with(point, "fail"))
                self.assert_injected(point, box.call, "sandbox/hibernate")
                self.assert_lives(box, "after a failed hibernation")
                box.call("sandbox/hibernate")
                box.call("sandbox/resume")
                self.assert_lives(box, "resumed")
                self.end_engine()

    def test_a_resume_that_fails_sleeps_on(self):
        box = self.family(self.engine_with("restore.threads", "fail"))
        box.call("sandbox/hibernate")
        self.assert_injected("restore.threads", box.call, "sandbox/resume")
        self.assertEqual(box.get()["status"], "hibernated")
        box.call("sandbox/resume")
        self.assert_lives(box, "resumed the second time")

    def test_the_engine_is_killed(self):
        """The next one finds the snapshots that were answered, and nothing else of it."""
        for point in self.sample(("capture.process", "template.filled", "store.pages", "restore.memory",
                                  "rollback.switched", "hibernate.captured")):
            with self.subTest(point):
                engine = self.engine_with(point, "kill")
                box = self.family(engine)
                try:
                    snapshot = box.snapshot(runtime="require")
                    if point.startswith("restore"):
                        engine.restore(snapshot)
                    elif point == "rollback.switched":
                        box.rollback(snapshot)
                    elif point == "hibernate.captured":
                        box.call("sandbox/hibernate")
                except (EngineGone, OSError):
                    pass  # whether it had answered depends on the point
                self.assertNotEqual(engine.wait(30), 0)
                self.engine = self.start_engine()
                self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
                self.end_engine()


class VictimTests(FaultTestCase):
    callers = ("root",)  # who alone may end the sandbox's processes from outside

    def test_a_process_that_ends_while_it_is_captured(self):
        for point in ("capture.held", "capture.process", "capture.frozen", "capture.released"):
            with self.subTest(point):
                go = os.path.join(self.folder, point)
                engine = self.engine_with(point, f"wait:{go}")
                box = self.family(engine)
                request = box.send("sandbox/snapshot", runtime="require")
                self.eventually(lambda: os.path.isdir(go + ".reached"), message="the point is not reached")
                os.kill(self.youngest(engine), signal.SIGKILL)
                open(go, "w").close()
                with self.assertRaises(EngineError) as caught:
                    request.result(30)
                self.assertRegex(str(caught.exception), r"\(process \d+, .*python3?", "it is not said which process that was")
                again = engine.restore(box.snapshot(runtime="require"))
                # What was killed last is the process, or once there is one, the frozen copy of its memory.
                self.assertEqual(len(self.running(box)), FAMILY_SIZE - (point in ("capture.held", "capture.process")))
                self.assertEqual(len(self.running(again)), len(self.running(box)))
                self.end_engine()

    def test_a_mapped_file_that_is_deleted_as_soon_as_its_process_runs_again(self):
        go = os.path.join(self.folder, "go")
        engine = self.engine_with("capture.released", f"wait:{go}")
        first = engine.create()
        first.output("cp /usr/bin/sleep /root/own-sleep")
        # Restored, it has the file in a layer of its history.
        box = engine.restore(first.snapshot())
        box.output("/root/own-sleep 1000 > /dev/null 2>&1 &")
        request = box.send("sandbox/snapshot", runtime="require")
        self.eventually(lambda: os.path.isdir(go + ".reached"), message="the point is not reached")
        (pid,) = [pid for pid in processes.descendants(engine.launcher_pid)
                  if "own-sleep 1000" in processes.describe(pid) and not self.is_frozen_copy(pid)]
        os.remove(f"/proc/{pid}/root/root/own-sleep")
        open(go, "w").close()
        restored = engine.restore(request.result(30))
        inside = restored.output("pidof own-sleep").strip()
        self.assertEqual(restored.output(f"readlink /proc/{inside}/exe"), "/root/own-sleep\n")

    def is_frozen_copy(self, pid: int) -> bool:
        with open(f"/proc/{pid}/status") as status:
            return "\nState:\tt" in status.read()  # held by the engine

    def youngest(self, engine) -> int:
        """The youngest of the family, which has no children, in the host's numbering."""
        return max(pid for pid in processes.descendants(engine.launcher_pid)
                   if "family.py" in processes.describe(pid))
