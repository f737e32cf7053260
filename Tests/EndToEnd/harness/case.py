"""The base class of every end-to-end test.

A test gets a folder of its own with a fresh store, an engine on it, and at its end the promise is checked that
nothing is left: every sandbox destroyed, nothing unreferenced in the store, descriptors as before, no process,
mount, control group or temporary file, standard output clean, exit code 0.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import unittest

from isorun_client import Engine, EngineError, EngineGone, Sandbox

from . import leaks, processes, schema_check

ENGINE = os.environ.get("ISORUN_ENGINE", "isorun-engine")
RECORDED_MESSAGES = 300  # of each engine, held against the schema at its end
SPARE_DESCRIPTORS = 64  # an engine makes namespaces and mounts ahead of need, and has not done so when it is young
SPARE_CONTROL_GROUPS = 5 * 4  # of the namespaces made ahead and one in the making, in four hierarchies
SETTLE_SECONDS = 30  # on a loaded machine; it is spent only before a failure
STEADY_SECONDS = 0.5  # a reading that is the same for so long is taken for settled
SOON = 20  # far more than a prompt answer takes on a loaded machine, far less than what it must not wait for
IDLE_WORKER_SECONDS = 4  # libdispatch ends threads that have had nothing to do for 5; a stray one must not pass thereby


class EngineTestCase(unittest.TestCase):
    #: The callers that the runner runs this class as: root, an ordinary user with a range of subordinate ids
    #: ("user"), and one without ("bare").
    callers = ("root", "user")
    #: Whether every test of this class wants an engine at once.
    starts_engine = True

    maxDiff = 4000

    def setUp(self) -> None:
        self.caller = os.environ.get("ISORUN_TEST_CALLER") or ("root" if os.geteuid() == 0 else "user")
        self._watch = leaks.Watch()
        self.folder = tempfile.mkdtemp(prefix="test-")
        os.chmod(self.folder, 0o755)
        self.store = os.path.join(self.folder, "store")
        self.temporary = os.path.join(self.folder, "tmp")
        os.mkdir(self.temporary)
        self._engines: list[Engine] = []
        self._resting_descriptors: dict[int, int] = {}
        self.addCleanup(self._finish)
        if self.starts_engine:
            self.engine = self.start_engine()

    # Engines

    def start_engine(
        self,
        store: str | None = None,
        *,
        initialize: bool = True,
        prefix: list[str] = [],
        arguments: list[str] = [],
        **options,
    ) -> Engine:
        """An engine that is ended with the test. `prefix` is a command that runs another; `options` as of isorun_client.Engine."""
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TMPDIR": self.temporary}
        environment.update(options.pop("env", {}))
        engine = Engine(
            [*prefix, ENGINE, *arguments],
            env=environment,
            stderr_path=os.path.join(self.folder, f"stderr-{len(self._engines)}"),
            record_limit=RECORDED_MESSAGES,
            **options,
        )
        self._engines.append(engine)
        if initialize:
            engine.initialize(store=store or self.store)
            self._resting_descriptors[engine.launcher_pid] = self.descriptors(engine)
        return engine

    def restart(self) -> Engine:
        """Ends the test's engine and starts another on the same store."""
        self.assertEqual(self.engine.close(), 0)
        self.engine = self.start_engine()
        return self.engine

    def engine_pid(self, engine: Engine) -> int:
        """The engine proper, which the spawned launcher waits for."""
        child = processes.child_of(engine.launcher_pid)
        return child if child is not None else engine.launcher_pid

    def descriptors(self, engine: Engine) -> int:
        return processes.open_files(self.engine_pid(engine))

    # Assertions

    def assert_fails(self, code: int, kind: str | None, function, *args, **kwargs) -> EngineError:
        """Runs a call that must fail with this code and, of the engine's own errors, this kind."""
        try:
            result = function(*args, **kwargs)
        except EngineError as error:
            return self.assert_error(error, code, kind)
        raise self.failureException(f"expected error {code} {kind}, got the result {result!r}")

    def assert_error(self, error: EngineError, code: int, kind: str | None = None) -> EngineError:
        self.assertEqual(error.code, code, str(error))
        if kind is not None:
            self.assertEqual(error.kind, kind, str(error))
        self.assertGreater(len(error.message or ""), 0, "an error has a message that a person can act on")
        return error

    def eventually(self, condition, seconds: float | None = None, message: str = "") -> None:
        seconds = SETTLE_SECONDS if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.fail(message or f"did not come true within {seconds} s")
            time.sleep(0.02)

    def settled(self, reading, seconds: float = SETTLE_SECONDS):
        """What `reading` gives once it has stayed the same for a while: the engine makes things ahead of need in the
        background, so that a single reading is no baseline."""
        deadline = time.monotonic() + seconds
        value, since = reading(), time.monotonic()
        while (now := time.monotonic()) - since < STEADY_SECONDS:
            if now > deadline:
                self.fail(f"a reading did not settle within {seconds} s; the last was {value!r}")
            time.sleep(0.02)
            latest = reading()
            if latest != value:
                value, since = latest, time.monotonic()
        return value

    def assert_no_growth(self, reading, rounds: int, work) -> None:
        """Does the work that may leak one of what is read in each of its rounds, and finds less than that."""
        before = self.settled(reading)
        work()
        self.eventually(lambda: reading() < before + rounds, message=f"{rounds} rounds added {rounds} or more")

    # The end of a test

    def _finish(self) -> None:
        problems: list[str] = []
        for engine in self._engines:
            problems += self._end(engine)
        if self._needs_recovery():
            problems += self._end(self.start_engine())
        for engine in self._engines:
            problems += [f"an answer to no request came: {stray}" for stray in engine.strays]
            problems += engine.garbage + schema_check.engine_side_breaches(engine.traffic)
        problems += leaks.store_leaks(self.store)
        if os.listdir(self.temporary):
            problems.append(f"temporary files were left: {os.listdir(self.temporary)}")
        problems += self._watch.leaks()
        self._watch.kill_leftovers()
        remove_tree(self.folder)
        if problems:
            self.fail("left behind or broken at the end of the test:\n  " + "\n  ".join(problems))

    def _needs_recovery(self) -> bool:
        """Whether no engine has ended in good order on the test's store since the last one that did not."""
        return os.path.isdir(self.store) and bool(self._engines) and self._engines[-1].process.returncode != 0

    def _end(self, engine: Engine) -> list[str]:
        """Ends one engine in good order if it still runs, and says what was not in order about it."""
        if engine.process.poll() is not None:
            return []
        try:
            if engine.host:
                return self._end_initialized(engine)
            engine.close_stdin()
            engine.wait(10)
            return []
        except (EngineGone, EngineError, OSError, TimeoutError, subprocess.TimeoutExpired) as error:
            processes.kill_tree(engine.launcher_pid)
            engine.wait(10)
            return [f"the engine did not end in good order: {error!r}; its log: {engine.stderr()[-2000:]}"]

    def _end_initialized(self, engine: Engine) -> list[str]:
        problems = []
        for info in engine.call("sandbox/list", {})["sandboxes"]:
            destroy_unless_gone(Sandbox(engine, info))
        if not _settles(lambda: unreferenced(engine) == 0):
            problems.append(f"gc would still remove {engine.call('engine/gc', {'dryRun': True})}")
        pid = self.engine_pid(engine)
        if not _settles(lambda: not processes.threads_elsewhere(pid), IDLE_WORKER_SECONDS):
            problems.append(f"threads of the engine stay elsewhere: {processes.threads_elsewhere(pid)}")
        if not _settles(lambda: len(processes.held_control_groups(pid)) <= SPARE_CONTROL_GROUPS):
            problems.append(f"groups of sandboxes were left: {processes.held_control_groups(pid)}")
        resting = self._resting_descriptors.get(engine.launcher_pid)
        allowed = (resting or 0) + SPARE_DESCRIPTORS
        if resting is not None and not _settles(lambda: self.descriptors(engine) <= allowed):
            problems.append(f"{self.descriptors(engine)} descriptors are open, {allowed} were expected at most")
        code = engine.close()
        if code != 0:
            problems.append(f"the exit code after shutdown was {code}; the log: {engine.stderr()[-2000:]}")
        return problems


def destroy_unless_gone(box: Sandbox) -> None:
    """Destroys a sandbox whose idle clock may do the same at this moment."""
    try:
        box.destroy()
    except EngineError as error:
        if error.kind != "SandboxDestroyed":
            raise


def unreferenced(engine: Engine) -> int:
    """How many objects of the store a garbage collection would remove now."""
    return sum(engine.call("engine/gc", {"dryRun": True})["removed"].values())


def remove_tree(folder: str) -> None:
    """Removes a folder in which an ordinary user's subordinate ids may own files."""
    # rm, because shutil.rmtree recurses and fails on folders that are nested very deeply.
    subprocess.run(["rm", "-rf", folder], stderr=subprocess.DEVNULL, check=False)
    if not os.path.lexists(folder):
        return
    if os.geteuid() == 0:
        raise OSError(f"{folder} could not be removed")
    # A root of its own user namespace may remove what the subordinate ids own.
    for mapping in (["--map-root-user", "--map-auto"], ["--map-root-user"]):
        subprocess.run(["unshare", *mapping, "rm", "-rf", folder], stderr=subprocess.DEVNULL, check=False)
        if not os.path.lexists(folder):
            return
    raise OSError(f"{folder} could not be removed")


def _settles(condition, seconds: float = SETTLE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
