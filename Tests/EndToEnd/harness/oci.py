"""Builds OCI image layouts and `docker save` archives by hand, whole ones and damaged ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from typing import Callable

from . import rootfs

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REF_NAME = "org.opencontainers.image.ref.name"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(fill: Callable[[tarfile.TarFile], None], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A layer's tar archive, uncompressed; `fill` adds the entries."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=format) as archive:
        fill(archive)
    return data.getvalue()


def base_layer() -> bytes:
    """A layer with a shell and a few programs."""
    return layer(rootfs.fill)


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "+gzip": lambda data: gzip.compress(data, 1),
    "+zstd": zstd,
    "+xz": lambda data: lzma.compress(data, preset=0),
}


@dataclass
class Image:
    """One image: what `write_layout` and `write_docker_archive` write."""

    layers: list[bytes]
    settings: dict = field(default_factory=dict)
    compression: str = "+gzip"
    architecture: str = "amd64"
    system: str = "linux"
    #: Put in place of what would be right.
    diff_ids: list[str] | None = None
    config_type: str = CONFIG
    layer_type: str | None = None

    @property
    def config(self) -> bytes:
        document = {
            "architecture": self.architecture,
            "os": self.system,
            "config": self.settings,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids or [digest(layer) for layer in self.layers]},
            "history": [{"created_by": "a test"} for _ in self.layers],
        }
        return json.dumps(document).encode()

    def blobs(self) -> list[bytes]:
        return [COMPRESSIONS[self.compression](layer) for layer in self.layers]


class Layout:
    """The files of an OCI layout by their paths; a test may change them before they are written."""

    def __init__(self, *images: Image, names: list[str | None] | None = None, platforms: bool = False):
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.manifests: list[dict] = []
        for image, name in zip(images, names or [None] * len(images)):
            descriptor = self.add_image(image)
            if name:
                descriptor["annotations"] = {REF_NAME: name}
            if platforms:
                descriptor["platform"] = {"os": image.system, "architecture": image.architecture}
            self.manifests.append(descriptor)
        self.set_index(self.manifests)

    def add_blob(self, data: bytes, media_type: str) -> dict:
        self.files[self.path_of(digest(data))] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def add_image(self, image: Image) -> dict:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add_blob(image.config, image.config_type),
            "layers": [self.add_blob(b, image.layer_type or LAYER + image.compression) for b in image.blobs()],
        }
        return self.add_blob(json.dumps(manifest).encode(), MANIFEST)

    def set_index(self, manifests: list[dict]) -> None:
        self.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()

    @staticmethod
    def path_of(blob: str) -> str:
        return "blobs/sha256/" + blob.removeprefix("sha256:")

    def write(self, path: str) -> str:
        """Into a folder, or, where the path ends so, into an archive (.tar, .tar.gz, .tar.xz)."""
        if ".tar" in os.path.basename(path):
            compression = path.rsplit(".", 1)[1]
            with tarfile.open(path, "w" if compression == "tar" else f"w:{compression}") as archive:
                for name, data in self.files.items():
                    rootfs.file(archive, name, data)
            return path
        for name, data in self.files.items():
            place = os.path.join(path, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(data)
        return path


def write_docker_archive(path: str, images: dict[str, Image], *, mode: str = "w", shared_links: bool = False) -> str:
    """As `docker save` of before version 25 writes it; with `shared_links` as some versions name a layer twice."""
    with tarfile.open(path, mode) as archive:
        written: set[str] = set()
        manifest = []
        for tag, image in images.items():
            names = []
            for data in image.layers:
                plain = digest(data).removeprefix("sha256:")
                name = f"{plain}/layer.tar"
                if name not in written:
                    if shared_links:
                        rootfs.file(archive, f"{plain}.tar", data)
                        rootfs.link(archive, name, f"../{plain}.tar")
                    else:
                        rootfs.file(archive, name, data)
                    written.add(name)
                names.append(name)
            config = digest(image.config).removeprefix("sha256:") + ".json"
            rootfs.file(archive, config, image.config)
            manifest.append({"Config": config, "RepoTags": [tag], "Layers": names})
        rootfs.file(archive, "manifest.json", json.dumps(manifest).encode())
    return path
