"""An image of about 300 MB for the bench: layers of the host's own files, as gzip leaves them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import wire  # noqa: F401, puts the end-to-end tests' harness on the path
from harness import oci

LAYERS = 4
BYTES = 300 << 20
SOURCES = ("/usr/lib", "/usr/bin", "/usr/share")


def build(folder: str) -> tuple[str, list[str]]:
    """Writes an OCI layout into `folder`; returns its path and the blobs of its layers, lowest first."""
    layout = oci.Layout()
    base = oci.base_layer()
    plain, blobs = [base], [oci.COMPRESSIONS["+gzip"](base)]
    for number, names in enumerate(portions()):
        listing = os.path.join(folder, f"files-{number}")
        Path(listing).write_bytes(b"\0".join(os.fsencode(name[1:]) for name in names))
        archive = os.path.join(folder, f"layer-{number}.tar")
        # Folders first, as every tool writes layers; what goes away meanwhile is left out.
        subprocess.run(
            ["tar", "-C", "/", "--ignore-failed-read", "--no-recursion", "--null", "-T", listing, "-cf", archive],
            check=True, stderr=subprocess.DEVNULL)  # fmt: skip
        plain.append(Path(archive).read_bytes())
        blobs.append(subprocess.run(["gzip", "-c", archive], check=True, capture_output=True).stdout)
        os.remove(archive)
    image = oci.Image(plain)
    manifest = {
        "schemaVersion": 2,
        "config": layout.add_blob(image.config, oci.CONFIG),
        "layers": [layout.add_blob(blob, oci.LAYER + "+gzip") for blob in blobs],
    }
    layout.set_index([layout.add_blob(oci.json.dumps(manifest).encode(), oci.MANIFEST)])
    path = layout.write(os.path.join(folder, "layout"))
    return path, [os.path.join(path, layout.path_of(oci.digest(blob))) for blob in blobs]


def portions() -> list[list[str]]:
    """The host's files, with the folders that lead to them, for each layer."""
    portions: list[list[str]] = [[] for _ in range(LAYERS)]
    seen: list[set[str]] = [set() for _ in range(LAYERS)]
    total = 0
    for source in SOURCES:
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if total + status.st_size > BYTES or status.st_size > BYTES // 8 or os.path.islink(path):
                    continue
                number = min(total * LAYERS // BYTES, LAYERS - 1)
                total += status.st_size
                for above in reversed(Path(path).parents):
                    if str(above) != "/" and str(above) not in seen[number]:
                        seen[number].add(str(above))
                        portions[number].append(str(above))
                portions[number].append(path)
    return portions


def unpack(blobs: list[str], folder: str) -> None:
    """What the import is measured against: tar, one layer after the other."""
    for blob in blobs:
        subprocess.run(["tar", "-C", folder, "-xzf", blob], check=True, stderr=subprocess.DEVNULL)
