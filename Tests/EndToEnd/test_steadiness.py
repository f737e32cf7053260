"""The harness's own steadiness: baselines that wait, growth that is seen, and failed tests that run once more."""

import io
import itertools
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from harness import runner
from harness.case import EngineTestCase


class BaselineTests(EngineTestCase):
    callers = ("root",)
    starts_engine = False

    def test_a_reading_that_still_changes_is_no_baseline(self):
        refilling = itertools.chain(range(7), itertools.repeat(7))
        self.assertEqual(self.settled(lambda: next(refilling)), 7)

    def test_a_reading_that_never_rests_fails(self):
        with self.assertRaises(AssertionError):
            self.settled(itertools.count().__next__, seconds=0.6)

    def test_a_leak_of_one_per_round_is_seen(self):
        held = []
        with mock.patch("harness.case.SETTLE_SECONDS", 0.3), self.assertRaises(AssertionError):
            self.assert_no_growth(lambda: len(held), 8, lambda: held.extend(range(8)))

    def test_what_is_kept_ready_is_no_leak(self):
        held = []
        self.assert_no_growth(lambda: len(held), 8, lambda: held.extend(range(4)))


class OnceMoreTests(unittest.TestCase):
    callers = ("root",)

    def run_of(self, count, second, strict=False):
        run = runner.Run(Path("engine"), None, 10, require_all=False, strict=strict)
        run.outcomes = [runner.Outcome("root", f"test{n}", "failed", 1, "the first output") for n in range(count)]

        def again(caller, stage, tests):
            run.outcomes.append(runner.Outcome("root", tests[0], second, 1, "the second output"))

        with mock.patch.object(run, "_as_caller", again), redirect_stdout(io.StringIO()) as printed:
            run._once_more([SimpleNamespace(name="root")], None)
            run.report()
        return run, printed.getvalue()

    def test_a_test_that_passes_alone_is_reported_and_tolerated(self):
        run, printed = self.run_of(2, "passed")
        self.assertTrue(run.is_good())
        self.assertIn("UNSTEADY", printed)
        self.assertIn("the first output", printed)
        self.assertIn("the second output", printed)

    def test_three_are_too_many_and_strictness_tolerates_none(self):
        self.assertFalse(self.run_of(3, "passed")[0].is_good())
        self.assertFalse(self.run_of(1, "passed", strict=True)[0].is_good())

    def test_a_test_that_fails_again_has_failed(self):
        run, printed = self.run_of(1, "failed")
        self.assertFalse(run.is_good())
        self.assertNotIn("UNSTEADY", printed)
