"""What /proc says about processes, and the duty of a subreaper.

A test process makes itself a subreaper: whatever the engine leaves behind, however it forked, becomes its
descendant. A leak is then seen exactly, without guessing by names, even while other engines run beside.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(pid: int) -> list[int]:
    """All living descendants, zombies left out, parents before children."""
    children: dict[int, list[int]] = {}
    living: set[int] = set()
    for candidate in all_pids():
        fields = stat_fields(candidate)
        if fields:
            children.setdefault(int(fields[1]), []).append(candidate)
            if fields[0] not in "ZX":
                living.add(candidate)
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(0), []):
            queue.append(child)
            if child in living:
                found.append(child)
    return found


def reap_orphans(keep: set[int]) -> None:
    """Reaps the dead children of this process that nobody else waits for; `keep` has other owners."""
    own = os.getpid()
    for pid in all_pids():
        fields = stat_fields(pid)
        if fields and fields[0] == "Z" and int(fields[1]) == own and pid not in keep:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def kill_tree(pid: int) -> None:
    """Kills a process that this program started and everything below it, each by its pid."""
    for victim in [pid, *descendants(pid)]:
        try:
            os.kill(victim, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def describe(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = "?"
    return f"{pid} ({command or Path(f'/proc/{pid}/comm').read_text().strip()})"


def child_of(pid: int) -> int | None:
    """The only child of a process: of the launcher, the engine."""
    own = [p for p in descendants(pid) if int((stat_fields(p) or ["", "0"])[1]) == pid]
    return own[0] if len(own) == 1 else None


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def memory_kib(pid: int, field: str) -> int:
    """A field of /proc/PID/smaps_rollup such as Rss or Pss, in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def threads_elsewhere(pid: int) -> list[str]:
    """The names of threads that are in other namespaces, or have another root, than the process's first thread."""
    return [
        Path(f"/proc/{pid}/task/{thread}/comm").read_text().strip()
        for thread in os.listdir(f"/proc/{pid}/task")
        if _place(pid, int(thread)) not in (None, _place(pid, pid))
    ]


def _place(pid: int, thread: int) -> tuple[str, ...] | None:
    try:
        return tuple(os.readlink(f"/proc/{pid}/task/{thread}/{link}") for link in ("ns/mnt", "ns/uts", "root"))
    except FileNotFoundError:  # it has ended
        return None


def held_control_groups(pid: int) -> list[str]:
    """The groups of sandboxes in the engine's own groups, whose folders it has open."""
    links = [_link(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    folders = {link for link in links if link and re.fullmatch(r"/sys/fs/cgroup/.*/isorun-engine\w+", link)}
    return [f"{folder}/{name}" for folder in sorted(folders) for name in os.listdir(folder) if "sandbox-" in name]


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return None
