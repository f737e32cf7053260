"""The programs of runtime state themselves: each finds its state in order, and notices when it is not.

Without this a check that cannot fail would pass for a proof. ISORUN_ALL_PROGRAMS=1 tries all of them, which takes minutes; else
it is a few.
"""

import os

from harness import programs
from harness.case import EngineTestCase
from harness.programs import Probe


class ProgramTests(EngineTestCase):
    callers = ("user",)  # it is the programs that are tested here, not the engine

    def exercise(self, name: str) -> None:
        box = self.engine.create()
        Probe.install(box, name)
        ways = 0
        while True:
            probe = Probe.start(box, name)
            probe.check("before it is spoilt")
            probe.check("once more")
            if not probe.spoil(ways):
                break
            self.assertTrue(probe.complaint().startswith("FAIL: "), f"{name} does not notice way {ways} of being spoilt")
            ways += 1
            self.clear(box)
        self.assertGreater(ways, 0, f"{name} has no way of being spoilt")

    def clear(self, box):
        """Ends everything that runs and removes what it has left."""
        box.exec("kill -9 -1")
        box.wait_until("set -- /proc/[0-9]*; test $# = 2")  # init and this shell
        box.output("rm -rf /tmp/* /tmp/.[!.]* /dev/shm/*; ipcrm --all")


def _test_of(name: str):
    def test(self):
        self.exercise(name)

    return test


SAMPLE = ("memory_private", "signals", "zombies")
for _name in programs.names() if os.environ.get("ISORUN_ALL_PROGRAMS") == "1" else SAMPLE:
    setattr(ProgramTests, f"test_{_name}", _test_of(_name))
