"""Each kind of runtime state, through snapshot, restore, fork, rollback, hibernation and resume, and all of it again.

A test for each program of Tests/EndToEnd/programs; what it keeps an eye on is written at its top.
"""

from harness import programs
from harness.programs import Probe
from harness.runtime import RuntimeTestCase


class RuntimeStateTests(RuntimeTestCase):
    def exercise(self, name: str) -> None:
        box = self.engine.create()
        Probe.install(box, name)
        probe = Probe.start(box, name)
        probe.check("before anything")
        self.live_through(box, lambda other, where: probe.in_sandbox(other).check(where))


class StartedProcessTests(RuntimeTestCase):
    """The same for a few that process/start has started: they stay processes that a client knows by their ids."""

    def exercise(self, name: str) -> None:
        box = self.engine.create()
        Probe.install(box, name)
        probe, process = Probe.start_as_process(box, name)

        def check(other, where):
            probe.in_sandbox(other).check(where)
            known = other.call("process/get", processId=process["id"])
            self.assertEqual((known["pid"], known["status"]), (process["pid"], "running"), where)

        check(box, "before anything")
        last = self.live_through(box, check)
        last.call("process/signal", processId=process["id"], signal="SIGKILL")
        ended = last.call("process/wait", processId=process["id"])
        self.assertEqual((ended["status"], ended["signal"]), ("exited", "SIGKILL"))


def _test_of(name: str):
    def test(self):
        self.exercise(name)

    return test


for _name in programs.names():
    setattr(RuntimeStateTests, f"test_{_name}", _test_of(_name))
for _name in ("memory_private", "threads", "pipes", "terminals", "unix_sockets"):
    setattr(StartedProcessTests, f"test_{_name}", _test_of(_name))
