"""Builds small root filesystems as tar archives, from a static busybox or from a few of the host's own programs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile

APPLETS = ("sh", "ls", "cat", "echo", "true", "id", "env", "stat", "readlink", "sleep", "mkdir", "rm", "pwd", "test")


def build(path: str, *, mode: str = "w", extra=lambda archive: None) -> None:
    """Writes a root filesystem with a shell; `mode` as of tarfile.open, `extra` may add entries."""
    with tarfile.open(path, mode) as archive:
        fill(archive)
        extra(archive)


def fill(archive: tarfile.TarFile) -> None:
    """The entries of a root filesystem with a shell."""
    for name in ("bin", "etc", "root", "usr", "home", "home/app", "proc", "tmp"):
        folder(archive, name)
    file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    file(archive, "etc/group", b"root:x:0:\napp:x:1000:\n")
    file(archive, "home/app/owned", b"owned by app\n", uid=1000, gid=1000, mode=0o640)
    file(archive, "etc/tiny-release", b"tiny 1\n", mtime=981173106)
    link(archive, "etc/release", "tiny-release")
    link(archive, "etc/absolute", "/etc/tiny-release")
    hard_link(archive, "etc/same", "etc/tiny-release")
    if os.path.exists("/bin/busybox"):
        add_busybox(archive)
    else:
        add_host_programs(archive)


def add_busybox(archive: tarfile.TarFile) -> None:
    with open("/bin/busybox", "rb") as busybox:
        file(archive, "bin/busybox", busybox.read(), mode=0o755)
    for applet in APPLETS:
        link(archive, f"bin/{applet}", "busybox")


def add_host_programs(archive: tarfile.TarFile) -> None:
    libraries: set[str] = set()
    for program in APPLETS:
        source = next(p for p in (f"/usr/bin/{program}", f"/bin/{program}") if os.path.exists(p))
        with open(source, "rb") as binary:
            file(archive, f"bin/{program}", binary.read(), mode=0o755)
        listing = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        libraries.update(re.findall(r"(/\S+)", listing))
    for library in sorted(libraries):
        with open(library, "rb") as binary:
            file(archive, library[1:], binary.read(), mode=0o755)


def folder(archive: tarfile.TarFile, name: str, mode: int = 0o755, **fields) -> None:
    _add(archive, name, type=tarfile.DIRTYPE, mode=mode, **fields)


def file(archive: tarfile.TarFile, name: str, data: bytes = b"", **fields) -> None:
    _add(archive, name, data, **fields)


def link(archive: tarfile.TarFile, name: str, target: str) -> None:
    _add(archive, name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hard_link(archive: tarfile.TarFile, name: str, target: str) -> None:
    _add(archive, name, type=tarfile.LNKTYPE, linkname=target)


def device(archive: tarfile.TarFile, name: str, major: int, minor: int) -> None:
    _add(archive, name, type=tarfile.CHRTYPE, devmajor=major, devminor=minor)


def _add(archive: tarfile.TarFile, name: str, data: bytes = b"", **fields) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))
