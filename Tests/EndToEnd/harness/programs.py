"""The C programs of Tests/EndToEnd/programs: compiles them, starts them in a sandbox, and asks them to check themselves.

probe.h says how a program is talked to. Each is compiled when it is first needed, once for each run and caller.
"""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import tempfile
import time
from pathlib import Path

from isorun_client import EngineError, Sandbox

SOURCES = Path(__file__).parents[1] / "programs"
SHARED = ("probe", "invariants")
COMPILE = ["cc", "-O1", "-Wall", "-Werror", "-pthread"]
#: Longer than a program waits for its own parts.
ANSWER_SECONDS = 10

_generations = itertools.count(1)

#: What stands in for a program that does not answer: each process, its state, and the system call that it is in.
PROCESSES = r"""
cd /proc; for p in [0-9]*; do
    echo "$(sed 's/^\([0-9]* (.*) .\).*/\1/' $p/stat) in $(cut -d' ' -f1 $p/syscall 2>&1) $(tr '\0' ' ' < $p/cmdline)"
done 2>&1"""


def names() -> list[str]:
    """All test programs."""
    return sorted(source.stem for source in SOURCES.glob("*.c") if source.stem not in SHARED)


class Probe:
    """A test program in one sandbox. After a restore, `in_sandbox` is the same program in the copy."""

    def __init__(self, box: Sandbox, name: str):
        self.box = box
        self.name = name

    @staticmethod
    def install(box: Sandbox, name: str) -> None:
        """Copies a program to /root/programs."""
        box.call("fs/mkdir", path="/root/programs", parents=True)
        box.call("fs/copyIn", source=compiled(name), path=f"/root/programs/{name}")

    @classmethod
    def start(cls, box: Sandbox, name: str) -> Probe:
        """Starts an installed program in the background, as a command leaves it behind, and waits until it is ready."""
        # A copy, because one of the programs deletes its own file.
        run = f"cp -f /root/programs/{name} /root/{name} && setsid /root/{name} < /dev/null > /dev/null 2>&1 &"
        box.output(run)
        probe = cls(box, name)
        probe.expect(probe._content(f"/tmp/{name}.ready"), "ready", "the program's setting up")
        return probe

    @classmethod
    def start_as_process(cls, box: Sandbox, name: str, **params) -> tuple[Probe, dict]:
        """Starts an installed program by process/start."""
        process = box.call("process/start", command=[f"/root/programs/{name}"], **params)
        probe = cls(box, name)
        probe.expect(probe._content(f"/tmp/{name}.ready"), "ready", "the program's setting up")
        return probe, process

    def in_sandbox(self, box: Sandbox) -> Probe:
        return Probe(box, self.name)

    def check(self, where: str) -> None:
        """AssertionError unless the program finds everything as it should be."""
        self.finish_check(self.begin_check(), where)

    def begin_check(self, request: str = "") -> int:
        generation = next(_generations)
        self.box.call("fs/write", path=f"/tmp/{self.name}.go", data=f"{generation}{request}")
        return generation

    def answer(self, generation: int) -> str:
        """What a check that was begun finds: "ok", or what is wrong."""
        return self._content(f"/tmp/{self.name}.result.{generation}")

    def finish_check(self, generation: int, where: str) -> None:
        self.expect(self.answer(generation), "ok", where)

    def spoil(self, way: int) -> bool:
        """Makes the program's state wrong in one way; False when it has no such way."""
        generation = self.begin_check(f" spoil {way}")
        answer = self._content(f"/tmp/{self.name}.result.{generation}")
        if answer != "no such way":
            self.expect(answer, "spoilt", f"spoiling in way {way}")
        return answer == "spoilt"

    def complaint(self) -> str:
        """What a check finds wrong; empty when it finds nothing."""
        answer = self._content(f"/tmp/{self.name}.result.{self.begin_check()}")
        return "" if answer == "ok" else answer

    def expect(self, answer: str, expected: str, where: str) -> None:
        if answer != expected:
            raise AssertionError(f"{self.name}, {where}: {answer}")

    def _content(self, path: str) -> str:
        """The content of a file that the program makes, waiting for it."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return self.box.read(path)
            except EngineError as error:
                if error.kind != "PathNotFound":
                    raise
            if time.monotonic() > deadline:
                return f"no answer ({path}); the processes are:\n{self.box.exec(PROCESSES)['stdout']}"
            time.sleep(0.002)


@functools.cache
def compiled(name: str) -> str:
    """The path of a program, statically linked so that it runs in any image."""
    path = os.path.join(_folder(), name)
    _compile([*COMPILE, "-static", "-o", path, str(SOURCES / f"{name}.c"), *map(_object, SHARED)])
    return path


@functools.cache
def _object(name: str) -> str:
    path = os.path.join(_folder(), f"{name}.o")
    _compile([*COMPILE, "-c", "-o", path, str(SOURCES / f"{name}.c")])
    return path


@functools.cache
def _folder() -> str:
    # In the runner's folder for this caller, which goes with the run.
    return tempfile.mkdtemp(prefix="programs-")


def _compile(command: list[str]) -> None:
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed:\n{result.stdout}")
