"""Each kind of runtime state, through snapshot, restore, fork, rollback, hibernation and resume, and all of it again.

The programs of Tests/EndToEnd/programs each have one kind; what a program keeps an eye on is written at its top. They live
in one sandbox together, because a sandbox for each would take minutes.
"""

from harness import programs
from harness.programs import Probe
from harness.runtime import RuntimeTestCase

#: Programs that have something which is refused by contract, and the reason that is told.
REFUSED = {
    "deleted_cwd": "its working directory was deleted",
    "directories": "it has the deleted folder /tmp/directories.deleted open",
    "ended_leader": "its first thread has ended",
}

#: Programs whose state does not come back whole, and what is missing. One that works must leave this list.
INCOMPLETE = {
    "deleted_files": "other names of a deleted file",
    "fifos": "a deleted named pipe comes back as a nameless one",
}

KEPT = [name for name in programs.names() if name not in {*REFUSED, *INCOMPLETE}]


class ProgramsTestCase(RuntimeTestCase):
    def start_all(self, names) -> list[Probe]:
        """One sandbox in which all these programs run."""
        box = self.engine.create()
        for name in names:
            Probe.install(box, name)
        return [Probe.start(box, name) for name in names]


class RuntimeStateTests(ProgramsTestCase):
    def test_every_kind_that_is_kept(self):
        probes = self.start_all(KEPT)

        def check(box, where):
            copies = [probe.in_sandbox(box) for probe in probes]
            generations = [copy.begin_check() for copy in copies]
            for copy, generation in zip(copies, generations):
                copy.finish_check(generation, where)

        check(probes[0].box, "before anything")
        self.live_through(probes[0].box, check)


class UnkeptStateTests(ProgramsTestCase):
    callers = ("root",)  # what is not kept does not depend on the caller, and a state that is lost is waited for

    def test_what_is_refused_is_named_before_anything_is_touched(self):
        probes = self.start_all(REFUSED)
        box = probes[0].box
        error = self.assert_fails(1050, "RuntimeStateUnsupported", box.snapshot, runtime="require")
        reasons = {process["reason"] for process in error.data["processes"]}
        self.assertEqual(reasons, set(REFUSED.values()))
        dropped = box.snapshot(runtime="auto")["runtime"]["dropped"]
        self.assertEqual({process["reason"] for process in dropped}, set(REFUSED.values()))
        for probe in probes:
            probe.check("the source after a refused snapshot")

    def test_what_comes_back_incomplete_is_known(self):
        probes = self.start_all(INCOMPLETE)
        box = probes[0].box
        restored = self.engine.restore(box.snapshot(runtime="require"))
        for probe in probes:
            copy = probe.in_sandbox(restored)
            self.assertNotEqual(copy.complaint(), "", f"{probe.name} works now: take it out of INCOMPLETE")
            probe.check("the source after a snapshot")
