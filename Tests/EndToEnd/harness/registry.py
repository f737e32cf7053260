"""A registry on loopback: Debian's docker-registry, with or without a password."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

PROGRAMS = ("skopeo", "docker-registry")
START_SECONDS = 30  # on a loaded machine


def missing() -> str | None:
    """Which program is missing for tests with a registry."""
    return next((name for name in PROGRAMS if not shutil.which(name)), None)


class Registry:
    """A registry that keeps its files in `folder`; with `password` nothing is had without a name and that."""

    USER = "someone"

    def __init__(self, folder: str, password: str | None = None):
        os.makedirs(folder)
        self.folder = folder
        self.password = password
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        config = os.path.join(folder, "config.yml")
        with open(config, "w") as file:
            file.write(self._configuration())
        self._log = open(os.path.join(folder, "log"), "wb")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", config], stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self._await()

    def _configuration(self) -> str:
        lines = [
            "version: 0.1",
            "log: {level: error}",
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}",
            f"http: {{addr: '{self.address}'}}",
        ]
        if self.password:
            table = os.path.join(self.folder, "passwords")
            with open(table, "w") as file:
                file.write(f"{self.USER}:{self._hashed(self.password)}\n")
            lines.append(f"auth: {{htpasswd: {{realm: tests, path: {table}}}}}")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _hashed(password: str) -> str:
        # The registry knows bcrypt only, which glibc's successor libcrypt has.
        import crypt

        return crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)).replace("$2b$", "$2y$", 1)

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/v2/", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return  # It wants a password.
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.stop()
                    with open(os.path.join(self.folder, "log"), errors="replace") as log:
                        raise RuntimeError(f"docker-registry does not answer: {log.read()[-1000:]}")
                time.sleep(0.05)

    def push(self, layout: str, name: str) -> str:
        """Returns the digest of the manifest that the registry has then."""
        digest = os.path.join(self.folder, "digest")
        credentials = ["--dest-creds", f"{self.USER}:{self.password}"] if self.password else []
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--digestfile", digest, *credentials,
             f"oci:{layout}", f"docker://{self.address}/{name}"],
            check=True, capture_output=True, timeout=60)  # fmt: skip
        with open(digest) as file:
            return file.read().strip()

    def damage_blobs(self, larger_than: int) -> int:
        """Changes a byte in every large blob; returns how many there were."""
        count = 0
        for folder, _, names in os.walk(os.path.join(self.folder, "data")):
            for name in names:
                path = os.path.join(folder, name)
                if name == "data" and os.path.getsize(path) > larger_than:
                    with open(path, "r+b") as file:
                        file.seek(larger_than // 2)
                        byte = file.read(1)[0]
                        file.seek(larger_than // 2)
                        file.write(bytes([byte ^ 1]))
                    count += 1
        return count

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
