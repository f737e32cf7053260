"""What a test may not leave behind on the machine: processes, mounts, control groups, temporary files."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from . import processes

GRACE_SECONDS = 20  # far more than anything takes on a loaded machine; it is spent only before a failure
CGROUP_ROOT = Path("/sys/fs/cgroup")


class Watch:
    """Remembers the state of the machine, and says what has been added since."""

    def __init__(self) -> None:
        self._children = set(processes.descendants(os.getpid()))
        self._mounts = _mounts()
        self._cgroups = _cgroups()

    def leaks(self) -> list[str]:
        """One sentence per leak that is still there after the grace time."""
        deadline = time.monotonic() + GRACE_SECONDS
        while True:
            processes.reap_orphans(keep=self._children)
            found = self._now()
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _now(self) -> list[str]:
        left = [p for p in processes.descendants(os.getpid()) if p not in self._children]
        return (
            [f"a process was left: {processes.describe(pid)}" for pid in left]
            + [f"a mount was left: {mount}" for mount in sorted(_mounts() - self._mounts)]
            + [f"a control group was left: {group}" for group in sorted(_cgroups() - self._cgroups)]
        )

    def kill_leftovers(self) -> None:
        for pid in processes.descendants(os.getpid()):
            if pid not in self._children:
                processes.kill_tree(pid)


def store_leaks(store: str) -> list[str]:
    """What lies in a store whose engine has ended after the last sandbox was destroyed, and should not."""
    found = []
    for folder in ("sandboxes", "trash"):
        if entries := _entries(Path(store, folder)):
            found.append(f"the store's {folder}/ still holds {sorted(entries)}")
    return found


def _entries(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _mounts() -> set[str]:
    # The fields after the mount's number and its parent's; these two change with every new mount.
    return {line.split(maxsplit=2)[2] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def _cgroups() -> set[str]:
    """The groups of dead engines; those of engines that run beside the test's are theirs."""
    return {folder for folder, _, _ in os.walk(CGROUP_ROOT) if _is_abandoned(folder)}


def _is_abandoned(folder: str) -> bool:
    if not os.path.basename(folder).startswith("isorun-"):
        return False
    try:
        if os.geteuid() not in (0, os.stat(folder).st_uid):
            return False  # another user's
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a living engine holds the lock
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
