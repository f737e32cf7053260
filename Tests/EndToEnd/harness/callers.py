"""The accounts that the suite runs as, and how root makes them.

root      the engine as root
user      isorun-test, an ordinary account with a range of subordinate ids
bare      isorun-bare, an ordinary account without any
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = {"user": "isorun-test", "bare": "isorun-bare"}
SUBORDINATE_IDS = "1879048192-1879113727"  # 65,536 ids from 0x70000000 on, far from what useradd hands out
TUN = Path("/dev/net/tun")


@dataclass(frozen=True)
class Caller:
    """One account to run the suite as."""

    name: str
    uid: int
    gid: int
    home: str
    login: str

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k.startswith("ISORUN_") or k == "LANG"}
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {**kept, "PATH": path, "HOME": self.home, "USER": self.login, "ISORUN_TEST_CALLER": self.name, **more}

    def identity(self) -> dict:
        """The arguments for subprocess.Popen to run as this account."""
        return {} if os.geteuid() == self.uid else {"user": self.uid, "group": self.gid, "extra_groups": []}


def current() -> Caller:
    """The account that runs this program."""
    entry = pwd.getpwuid(os.geteuid())
    name = "root" if entry.pw_uid == 0 else "user" if _has_subordinate_ids(entry.pw_name) else "bare"
    return _caller(name, entry.pw_name)


def prepare(name: str) -> Caller:
    """The caller of that name, its account made or put right first. Needs root."""
    if name == "root":
        return current()
    login = ACCOUNTS[name]
    if not _exists(login):
        _run("useradd", "--create-home", "--shell", "/bin/sh", login)
    wanted = name == "user"
    if _has_subordinate_ids(login) != wanted:
        if wanted:
            _run("usermod", "--add-subuids", SUBORDINATE_IDS, "--add-subgids", SUBORDINATE_IDS, login)
        else:
            _take_subordinate_ids(login)
    return _caller(name, login)


def prepare_devices() -> None:
    """Opens /dev/net/tun for everybody, as ordinary distributions have it; pasta needs it."""
    if TUN.exists():
        TUN.chmod(0o666)


def _caller(name: str, login: str) -> Caller:
    entry = pwd.getpwnam(login)
    return Caller(name, entry.pw_uid, entry.pw_gid, entry.pw_dir, login)


def _exists(login: str) -> bool:
    try:
        pwd.getpwnam(login)
    except KeyError:
        return False
    return True


def _ranges(file: str, login: str) -> list[str]:
    path = Path(file)
    lines = path.read_text().splitlines() if path.exists() else []
    owned = [re.fullmatch(rf"{login}:(\d+):(\d+)", line) for line in lines]
    return [f"{m[1]}-{int(m[1]) + int(m[2]) - 1}" for m in owned if m]


def _has_subordinate_ids(login: str) -> bool:
    return bool(_ranges("/etc/subuid", login) and _ranges("/etc/subgid", login))


def _take_subordinate_ids(login: str) -> None:
    for span in _ranges("/etc/subuid", login):
        _run("usermod", "--del-subuids", span, login)
    for span in _ranges("/etc/subgid", login):
        _run("usermod", "--del-subgids", span, login)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
