"""The yardsticks, measured in the same run as the engine: the kernel's own floor, and bubblewrap."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "yardstick.c")
BUBBLEWRAP = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]


def measure(runs: int) -> dict[str, float | None]:
    """Median milliseconds by name; None for one that is not to be had here."""
    with tempfile.TemporaryDirectory(prefix="isorun-bench-") as folder:
        program = os.path.join(folder, "yardstick")
        subprocess.run(["cc", "-O2", "-o", program, SOURCE], check=True)
        return {
            "posix_spawn": _kernel(program, "spawn", runs),
            "clone3": _kernel(program, "clone", runs),
            "child of 100 MB": _kernel(program, "clone", min(runs, 30), 100),
            "child of 1 GB": _kernel(program, "clone", min(runs, 30), 1024),
            "bwrap": _bubblewrap(min(runs, 50)),
        }


def _kernel(program: str, what: str, runs: int, held_mib: int = 0) -> float | None:
    result = subprocess.run([program, what, str(runs), str(held_mib)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return None
    return statistics.median(int(line) for line in result.stdout.split()) / 1e6


def _bubblewrap(runs: int) -> float | None:
    if not shutil.which(BUBBLEWRAP[0]):
        return None
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        if subprocess.run(BUBBLEWRAP, check=False).returncode != 0:
            return None
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e3
