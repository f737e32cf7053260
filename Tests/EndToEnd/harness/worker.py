"""Runs the tests named on standard input, one after another, and reports each as a line of JSON.

The runner starts it as the caller to be tested; the reports go to the descriptor given as argument.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import unittest

from . import processes


class TestTimeout(Exception):
    """The test ran for longer than it may."""


class Reporter(unittest.TestResult):
    """Turns the outcome of each test into one event."""

    def __init__(self, events):
        super().__init__()
        self._events = events

    def startTest(self, test):
        super().startTest(test)
        self._begun = time.monotonic()
        self._outcome, self._details = "passed", []
        self._emit(event="start", test=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self._emit(
            event="end",
            test=test.id(),
            outcome=self._outcome,
            seconds=time.monotonic() - self._begun,
            detail="\n".join(self._details),
        )

    def addError(self, test, err):
        self._failed(self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self._failed(f"{subtest._subDescription()}\n" + self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        if self._outcome == "passed":
            self._outcome = "skipped"
        self._details.append(reason)

    def _failed(self, detail):
        self._outcome = "failed"
        self._details.append(detail)

    def _emit(self, **event):
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()


def main() -> None:
    order = json.load(sys.stdin)
    processes.become_subreaper()
    signal.signal(signal.SIGALRM, _on_alarm)
    with os.fdopen(int(sys.argv[1]), "w") as events:
        reporter = Reporter(events)
        for name in order["tests"]:
            suite = unittest.defaultTestLoader.loadTestsFromName(name)
            signal.alarm(order["seconds"])
            suite.run(reporter)
            signal.alarm(0)


def _on_alarm(_signal, _frame):
    signal.alarm(30)  # the cleaning up after it may hang as well
    raise TestTimeout("the test's time is up")


if __name__ == "__main__":
    main()
