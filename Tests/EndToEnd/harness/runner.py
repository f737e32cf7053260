"""Runs the chosen tests as each caller in turn, prints what happened, and counts it.

The tests of one caller run in a worker process of that account, and two callers' at once: most tests wait most of the time. A test
that hangs beyond its time even in its cleaning up costs its worker: that one is killed with all its processes, and a new one goes on
with the rest.

A test that failed runs once more, alone, after all others. One that passes then is unsteady: it is reported with what it
said at first, and a run tolerates only a few of them.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import callers, processes
from .case import remove_tree
from .schema_check import schema_path

SUITE = Path(__file__).parents[1]
GRACE_SECONDS = 45  # beyond a test's own time, for its cleaning up
SLOWEST_SHOWN = 10
REPEATED_AT_MOST = 10
CALLERS_AT_ONCE = 2
UNSTEADY_TOLERATED = 2  # by a run; ISORUN_STRICT=1 tolerates none


@dataclass
class Outcome:
    caller: str
    test: str
    outcome: str
    seconds: float
    detail: str = ""
    repetition: str = ""  # what came of running it once more, alone


@dataclass
class Run:
    """One run of the suite."""

    engine: Path
    patterns: list[str] | None
    seconds_per_test: int
    require_all: bool
    strict: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    #: The processes that are waited for where they were started.
    workers: set[int] = field(default_factory=set)

    def as_callers(self, names: list[str]) -> None:
        """Runs as the named callers; those other than the current account need root."""
        processes.become_subreaper()
        with tempfile.TemporaryDirectory(prefix="isorun-e2e-") as place:
            os.chmod(place, 0o755)
            stage = Stage(Path(place), self.engine)
            accounts = [callers.prepare(name) if os.geteuid() == 0 else callers.current() for name in names]
            with ThreadPoolExecutor(CALLERS_AT_ONCE) as pool:
                runs = []
                for caller in accounts:
                    tests = tests_for(caller.name, self.patterns)
                    print(f"{len(tests)} tests as {caller.login}", flush=True)
                    runs.append(pool.submit(self._as_caller, caller, stage, tests))
                for run in runs:
                    run.result()
            self._once_more(accounts, stage)

    def is_good(self) -> bool:
        """Whether tests ran, none failed twice, and not too many failed once."""
        tolerated = 0 if self.strict else UNSTEADY_TOLERATED
        return bool(self.outcomes) and not self._of("failed") and len(self._of("unsteady")) <= tolerated

    def _of(self, kind: str) -> list[Outcome]:
        return [o for o in self.outcomes if o.outcome == kind]

    def _once_more(self, accounts: list[callers.Caller], stage: "Stage") -> None:
        """Repeats each failed test alone, and calls unsteady what passes then. Many failures have one cause, which a
        repetition does not make less: they stand."""
        failed = self._of("failed")
        if not failed or len(failed) > REPEATED_AT_MOST:
            return
        print(f"\n{len(failed)} failed tests once more, each alone", flush=True)
        for first in failed:
            caller = next(c for c in accounts if c.name == first.caller)
            self._as_caller(caller, stage, [first.test])
            second = self.outcomes.pop()
            if second.outcome == "passed":
                first.outcome = "unsteady"
            first.repetition = f"{second.outcome} in {second.seconds:.2f} s\n{second.detail}".strip()

    def _as_caller(self, caller: callers.Caller, stage: "Stage", tests: list[str]) -> None:
        remaining = tests
        folder = stage.folder_of(caller)
        try:
            while remaining:
                remaining = self._one_worker(caller, stage, folder, remaining)
        finally:
            remove_tree(str(folder))

    def _one_worker(self, caller: callers.Caller, stage: "Stage", folder: Path, tests: list[str]) -> list[str]:
        """Runs tests in one worker until it ends. Returns those that it did not come to."""
        reading, writing = os.pipe()
        worker = subprocess.Popen(
            [sys.executable, "-B", "-m", "harness.worker", str(writing)],
            cwd=stage.suite,
            env=caller.environment(
                ISORUN_ENGINE=str(stage.engine), ISORUN_SCHEMA=str(stage.schema), TMPDIR=str(folder)
            ),
            stdin=subprocess.PIPE,
            pass_fds=[writing],
            **caller.identity(),
        )
        os.close(writing)
        self.workers.add(worker.pid)
        worker.stdin.write(json.dumps({"tests": tests, "seconds": self.seconds_per_test}).encode())
        worker.stdin.close()
        remaining, running = list(tests), None
        with os.fdopen(reading) as events:
            while event := self._next_event(events):
                if event["event"] == "start":
                    running = event["test"]
                else:
                    running = None
                    remaining.remove(event["test"])
                    self._record(caller, event["test"], event["outcome"], event["seconds"], event["detail"])
        processes.kill_tree(worker.pid)
        worker.wait()
        self.workers.discard(worker.pid)
        processes.reap_orphans(keep=self.workers)
        if remaining and worker.returncode != 0 or running:
            lost = running or remaining[0]
            remaining.remove(lost)
            self._record(caller, lost, "failed", self.seconds_per_test, "the test process hung or died")
        return remaining

    def _next_event(self, events) -> dict | None:
        """The next event, or None when the worker has ended or is stuck."""
        ready, _, _ = select.select([events], [], [], self.seconds_per_test + GRACE_SECONDS)
        line = events.readline() if ready else ""
        return json.loads(line) if line else None

    def _record(self, caller: callers.Caller, test: str, outcome: str, seconds: float, detail: str) -> None:
        if outcome == "skipped" and self.require_all:
            outcome, detail = "failed", f"skipped, and ISORUN_REQUIRE_ALL=1 forbids that: {detail}"
        self.outcomes.append(Outcome(caller.name, test, outcome, seconds, detail))
        mark = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[outcome]
        reason = f"  {detail}" if outcome == "skipped" else ""
        print(f"{mark} {seconds:7.2f} s  {caller.name:4}  {test}{reason}", flush=True)
        if outcome == "failed":
            print("     " + detail.strip().replace("\n", "\n     "), flush=True)

    def report(self) -> None:
        """The unsteady tests with both outputs, the failures once more by name, the slowest tests, the closing line."""
        if unsteady := self._of("unsteady"):
            print(f"\n{'!' * 100}\nUNSTEADY: failed at first, passed alone. Each of these is a bug to be found, "
                  f"in the test or in the engine.\n{'!' * 100}")
            for outcome in unsteady:
                print(f"\n  {outcome.caller:4}  {outcome.test}\n    at first:\n{_indented(outcome.detail)}")
                print(f"    alone:\n{_indented(outcome.repetition)}")
            tolerated = 0 if self.strict else UNSTEADY_TOLERATED
            verdict = "tolerated" if len(unsteady) <= tolerated else "the run fails"
            print(f"\n{len(unsteady)} unsteady, {tolerated} tolerated: {verdict}")
        if failed := self._of("failed"):
            print("\nFailed:")
            for outcome in failed:
                print(f"  {outcome.caller:4}  {outcome.test}")
        print("\nSlowest:")
        for outcome in sorted(self.outcomes, key=lambda o: -o.seconds)[:SLOWEST_SHOWN]:
            print(f"  {outcome.seconds:7.2f} s  {outcome.caller:4}  {outcome.test}")
        kinds = ("passed", "failed", "unsteady", "skipped")
        print("\n" + ", ".join(f"{len(self._of(kind))} {kind}" for kind in kinds), flush=True)


class Stage:
    """A place that every caller can read, with a copy of the engine, the suite and the schema."""

    def __init__(self, place: Path, engine: Path):
        self._place = place
        self.engine = place / "isorun-engine"
        self.suite = place / "suite"
        self.schema = place / "isorun.openrpc.json"
        shutil.copy2(engine, self.engine)
        shutil.copy2(schema_path(), self.schema)
        shutil.copytree(SUITE, self.suite, ignore=shutil.ignore_patterns("__pycache__"))
        self.engine.chmod(0o755)
        self.schema.chmod(0o644)
        for path in [self.suite, *self.suite.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)

    def folder_of(self, caller: callers.Caller) -> Path:
        """A folder of the caller's own for stores and temporary files."""
        folder = Path(tempfile.mkdtemp(prefix=f"{caller.name}-", dir=self._place))
        folder.chmod(0o755)
        if os.geteuid() != caller.uid:
            os.chown(folder, caller.uid, caller.gid)
        return folder


def tests_for(caller: str, patterns: list[str] | None) -> list[str]:
    """The names of the tests to run as a caller, in the order of the files."""
    loader = unittest.TestLoader()
    if patterns:
        loader.testNamePatterns = [f"*{pattern}*" for pattern in patterns]
    found = _flatten(loader.discover(str(SUITE), pattern="test_*.py", top_level_dir=str(SUITE)))
    if loader.errors:
        raise SystemExit("the tests could not be loaded:\n" + "\n".join(loader.errors))
    return [test.id() for test in found if caller in test.callers]


def _indented(text: str) -> str:
    return "      " + text.strip().replace("\n", "\n      ")


def _flatten(suite) -> list:
    return [test for item in suite for test in (_flatten(item) if isinstance(item, unittest.TestSuite) else [item])]


def elapsed(begun: float) -> str:
    seconds = int(time.monotonic() - begun)
    return f"{seconds // 60} min {seconds % 60} s"
