"""A long chain of snapshots of one sandbox: it keeps working, and what a step costs stays flat.

ISORUN_CHAIN_LENGTH sets the length; 1,000 is the full test.
"""

import os
import time

from harness.case import EngineTestCase, unreferenced

LENGTH = int(os.environ.get("ISORUN_CHAIN_LENGTH", "200"))
#: The last tenth may take this many times what the first tenth takes: above noise, far below linear growth.
FLAT = 4


class ChainTests(EngineTestCase):
    def test_a_long_chain(self):
        box = self.engine.create()
        box.output("mkdir /root/d; echo never-changed > /root/constant")
        snapshots, seconds = [], []
        for n in range(LENGTH):
            box.call("fs/write", path=f"/root/d/{n % 50}", data=str(n))
            begun = time.perf_counter()
            snapshots.append(box.snapshot())
            seconds.append(time.perf_counter() - begun)
        self.assert_flat("snapshot", seconds)
        for n in {0, 1, 49, 50, LENGTH // 2, LENGTH - 2, LENGTH - 1}:
            self.assert_state(self.engine.restore(snapshots[n]), n)
        box.rollback(snapshots[LENGTH // 3])
        self.assert_state(box, LENGTH // 3)
        self.assert_flat("restore", [self.timed_restore(snapshot) for snapshot in snapshots[:: max(1, LENGTH // 60)]])
        child = self.engine.restore(snapshots[-1]).fork()[0]
        self.assert_state(child, LENGTH - 1)
        self.restart()
        self.assertEqual(len(self.engine.call("snapshot/list", {})["snapshots"]), LENGTH)
        for n in (0, LENGTH // 2, LENGTH - 1):
            self.assert_state(self.engine.restore(snapshots[n]), n)
        for n, snapshot in enumerate(snapshots):
            if n not in (LENGTH // 2, LENGTH - 1):
                self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        for n in (LENGTH // 2, LENGTH - 1):
            self.assert_state(self.engine.restore(snapshots[n]), n)
        for n in (LENGTH // 2, LENGTH - 1):
            self.engine.call("snapshot/delete", {"snapshotId": snapshots[n]["id"]})
        self.eventually(lambda: unreferenced(self.engine) == 0)

    def timed_restore(self, snapshot):
        begun = time.perf_counter()
        box = self.engine.restore(snapshot)
        seconds = time.perf_counter() - begun
        box.destroy()
        return seconds

    def assert_state(self, box, n):
        """The files as they were at snapshot n."""
        shown = box.output(
            "cd /root/d; cat ../constant; for f in $(ls | sort -n); do echo $f $(cat $f); done"
        ).splitlines()
        expected = ["never-changed"]
        for file in range(min(n + 1, 50)):
            expected.append(f"{file} {n - (n - file) % 50}")
        self.assertEqual(shown, expected)
        self.assertEqual(box.read(f"/root/d/{n % 50}"), str(n))

    def assert_flat(self, what, seconds):
        tenth = max(3, len(seconds) // 10)
        # The quickest of each: what the machine does beside makes only slower.
        first, last = min(seconds[:tenth]), min(seconds[-tenth:])
        self.assertLess(last, first * FLAT, f"the cost of a {what} grew from {first * 1e3:.2f} to {last * 1e3:.2f} ms")
