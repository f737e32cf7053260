"""Programs that count and tell of it by a file: what they say shows whether they go on from where they were.

Such a program writes /tmp/state again and again, as JSON: `counts`, numbers that never go back, and `intact`, whether it finds
its own state as it should be.
"""

from __future__ import annotations

import json
import time
from typing import Callable

from isorun_client import Sandbox

from .runtime import RuntimeTestCase


class CountingTestCase(RuntimeTestCase):
    def start(self, program: list[str], box: Sandbox | None = None) -> Sandbox:
        """Starts a program whose source is the last word."""
        box = box or self.engine.create()
        box.write("/tmp/program", program[-1])
        words = " ".join([*program[:-1], "/tmp/program"])
        box.output(f"setsid {words} < /dev/null > /tmp/log 2>&1 &")
        return box

    def state(self, box: Sandbox) -> dict:
        """What the program says now; what it has said before does not count."""
        box.exec("rm -f /tmp/state")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            shown = box.exec("cat /tmp/state 2>/dev/null")["stdout"]
            if shown:
                return json.loads(shown)
            time.sleep(0.02)
        self.fail(f"the program does not run: {box.exec('cat /tmp/log; ps -ef')['stdout']}")

    def exercise_counting(
        self, box: Sandbox, check_more: Callable[[Sandbox, str], None] = lambda box, where: None
    ) -> None:
        """Puts a sandbox with such a program through everything.

        `check_more` says of a sandbox what else has to be so.
        """
        least = self.state(box)["counts"]

        def check(other, where):
            state = self.state(other)
            self.assertTrue(state["intact"], where)
            for now, before in zip(state["counts"], least):
                self.assertGreaterEqual(now, before, f"{where}: it has begun anew")
            later = self.state(other)["counts"]
            for now, then in zip(state["counts"], later):
                self.assertGreaterEqual(then, now, f"{where}: it does not go on")
            check_more(other, where)

        check(box, "before anything")
        self.live_through(box, check)
