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


def add_host_programs(archive: tarfile.TarFile, programs: tuple[str, ...] = APPLETS) -> None:
    """Some of the host's programs and the libraries that they need."""
    files = [next(p for p in (f"/usr/bin/{name}", f"/bin/{name}") if os.path.exists(p)) for name in programs]
    for name, source in zip(programs, files):
        host_file(archive, source, f"bin/{name}")
    for library in sorted(libraries(files)):
        host_file(archive, library)


def add_python(archive: tarfile.TarFile, modules: str) -> None:
    """The host's Python, as /usr/bin/python3, with the modules named, and what they import."""
    code = f"import {modules}, sys; print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', 0)))"
    command = ["/usr/bin/python3", "-c", code]
    files = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    encodings = os.path.dirname(subprocess.run(
        ["/usr/bin/python3", "-c", "import encodings; print(encodings.__file__)"],
        capture_output=True, text=True, check=True).stdout)  # fmt: skip
    files += [os.path.join(encodings, name) for name in ("ascii.py", "latin_1.py", "idna.py")]
    for source in sorted(set(files)):
        host_file(archive, source)
    host_file(archive, "/usr/bin/python3", "usr/bin/python3")
    for library in sorted(libraries([os.path.realpath("/usr/bin/python3"), *(f for f in files if f.endswith(".so"))])):
        host_file(archive, library)


def libraries(programs: list[str]) -> set[str]:
    """The shared libraries of the host's programs."""
    listings = [subprocess.run(["ldd", p], capture_output=True, text=True, check=False).stdout for p in programs]
    return {path for listing in listings for path in re.findall(r"(/\S+)", listing)}


def host_file(archive: tarfile.TarFile, source: str, name: str | None = None) -> None:
    with open(source, "rb") as content:
        file(archive, name or source[1:], content.read(), mode=0o755)


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
