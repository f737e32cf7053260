"""Network mode `nat`: what is reached and what is not, names, and what becomes of it when a sandbox is copied."""

import os
import socket
import subprocess

from harness import processes
from harness.network import NetworkTestCase

#: A process with a connection to `HOST PORT`, listeners and sockets of its own; says on request how they are.
LIVE = r"""
import select, socket, sys
outside = socket.create_connection((sys.argv[1], int(sys.argv[2])))
outside.recv(100)
at_own_address = socket.create_server(("10.0.2.15", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((sys.argv[1], 9))
print("ready", flush=True)
for line in sys.stdin:
    try:
        outside.settimeout(20)
        state = "open" if outside.recv(1) else "ended"
    except OSError as error:
        state = type(error).__name__
    socket.create_connection(at_own_address.getsockname()).close()
    at_own_address.accept()[0].close()
    udp.send(b"x")
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as again:
        print(state, again.recv(100).decode(), end=".\n", flush=True)
"""


class NetworkTests(NetworkTestCase):
    callers = ("root", "user", "bare")

    def test_what_is_reached(self):
        outside, private = self.greeter("outside"), self.greeter("private", "127.0.0.1")
        box = self.engine.create(network={"mode": "nat"})
        self.assertEqual(box.info["network"], {"mode": "nat"})
        self.assertEqual(self.ask(box, self.address, outside.port), "outside")
        # Neither the sandbox's own loopback nor its gateway leads to the host's.
        self.assertEqual(self.ask(box, "127.0.0.1", private.port), "ECONNREFUSED")
        self.assertEqual(self.ask(box, "10.0.2.2", private.port, seconds=1), "timed out")
        self.assertEqual(box.read("/etc/resolv.conf"), "nameserver 10.0.2.3\n")
        # Sandboxes do not reach each other: their addresses are the same.
        other = self.engine.create(network={"mode": "nat"})
        server = other.launch("exec /usr/bin/python3 -m http.server --bind 10.0.2.15 8000")
        other.wait_until("ss -tln | grep -q :8000")
        self.assertEqual(self.ask(box, "10.0.2.15", 8000), "ECONNREFUSED")
        self.assertEqual(server.get()["status"], "running")

    def test_names(self):
        """The sandbox's name server answers as the host's does."""
        query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09isorun-no\x07invalid\x00\x00\x01\x00\x01"
        answer = ask_name_server(query)
        if answer is None:
            self.skipTest("the host's name server does not answer")
        box = self.engine.create(network={"mode": "nat"})
        found = box.python(
            "import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.settimeout(20)\n"
            f"s.sendto({query!r}, ('10.0.2.3', 53))\n"
            "print(s.recv(4096)[:4].hex())"
        )
        self.assertEqual(found.strip(), answer[:4].hex())


class PackageTests(NetworkTestCase):
    def test_a_package_is_installed(self):
        """What the hosted service's page shows first, with the settings that the machine has for its registry."""
        settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        package = "iniconfig"
        pip = ["/usr/bin/python3", "-m", "pip", "--no-cache-dir"]
        fetched = subprocess.run(
            [*pip, "download", "--no-deps", "--dest", self.folder, package], env={**os.environ, **settings},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        )
        if fetched.returncode != 0:
            self.skipTest("this machine itself gets no packages")
        box = self.engine.create(network={"mode": "nat"}, env=settings)
        box.output([*pip, "install", "--no-deps", "--target", "/tmp/packages", package], timeoutMs=120_000)
        found = box.python("import sys; sys.path.insert(0, '/tmp/packages'); import iniconfig; print(iniconfig.__file__)")
        self.assertEqual(found, "/tmp/packages/iniconfig/__init__.py\n")


class LiveNetworkTests(NetworkTestCase):
    def test_processes_with_connections_are_copied(self):
        server = self.greeter("hello", stays=True)
        box = self.engine.create(network={"mode": "nat"})
        program = box.launch(["/usr/bin/python3", "-c", LIVE, self.address, str(server.port)], stdin=True)
        program.attach()
        program.wait_for_output("ready\n")
        snapshot = box.snapshot(runtime="require")
        restored = self.engine.restore(snapshot)
        child = box.fork(1, runtime="require")[0]
        for copy in (restored, child):
            self.assertEqual(copy.info["network"], {"mode": "nat"})
            self.check(copy, "ended|ConnectionResetError")
        for connection in server.kept[:1]:
            connection.sendall(b"x")
        self.check(box, "open")
        box.rollback(snapshot)
        self.check(box, "ended|ConnectionResetError")
        box.call("sandbox/hibernate")
        box.call("sandbox/resume")
        self.check(box, "ended|ConnectionResetError")
        quiet = self.engine.restore(snapshot, network={"mode": "none"}, runtime="require")
        self.assertEqual(quiet.info["network"], {"mode": "none"})
        self.assertEqual(self.ask(quiet, self.address, server.port), "ENETUNREACH")

    def check(self, box, state):
        program = box.processes()[0]
        program.attach(program.get()["outputCursor"])
        before = len(program.output())
        program.write("how\n")
        self.eventually(lambda: program.output()[before:].endswith(b".\n"))
        self.assertRegex(program.output()[before:].decode(), f"^({state}) hello.\n")


class EndTests(NetworkTestCase):
    def test_nothing_is_left(self):
        """pasta goes with the sandbox that it is of, also of one that is being made, and with an engine that is killed."""
        boxes = [self.engine.create(network={"mode": "nat"}) for _ in range(3)]
        boxes[0].output("true")
        self.eventually(lambda: len(pastas(self.engine)) == 3)
        for box in boxes:
            box.destroy()
        self.engine.create(network={"mode": "nat"}).destroy()
        self.assertEqual(pastas(self.engine), [])
        self.engine.create(network={"mode": "nat"}).output("true")
        self.engine.kill(self.engine_pid(self.engine))
        self.engine.wait()


class UnavailableTests(NetworkTestCase):
    def test_without_pasta(self):
        folder = os.path.join(self.folder, "bin")
        os.mkdir(folder)
        engine = self.start_engine(self.store + "2", env={"PATH": folder})
        self.assertEqual(engine.capabilities["network"], ["none"])
        for network in ({"mode": "nat"}, {"allow": ["*:443"]}):
            error = self.assert_fails(
                1070, "NetworkUnavailable", engine.call, "sandbox/create", {"network": network}
            )
            self.assertIn("pasta", error.data["reason"])
            self.assertIn("apt-get install passt", error.data["fix"])
        info = engine.call("sandbox/create")
        self.assertEqual(info["network"]["mode"], "none")
        self.assertIn("pasta", info["network"]["reason"])


    def test_a_start_that_fails_is_tried_again(self):
        folder = os.path.join(self.folder, "bin")
        os.mkdir(folder)
        pasta = os.path.join(folder, "pasta")
        with open(pasta, "w") as file:
            file.write("#!/bin/sh\necho no luck today >&2\nexit 1\n")
        os.chmod(pasta, 0o755)
        self.engine = self.start_engine(self.store + "2", env={"PATH": f"{folder}:{os.environ['PATH']}"})
        box = self.engine.create(network={"mode": "nat"})
        for refused in (lambda: box.exec("true"), lambda: box.launch("true")):
            error = self.assert_fails(1070, "NetworkUnavailable", refused)
            self.assertIn("no luck today", error.data["reason"])
        box.write("/tmp/file", "files do not wait")
        os.unlink(pasta)
        server = self.greeter("at last")
        self.assertEqual(self.ask(box, self.address, server.port), "at last")
        # So is one that has ended.
        os.kill(pastas(self.engine)[0], 9)
        self.eventually(lambda: pastas(self.engine) == [])
        self.assertEqual(self.ask(box, self.address, server.port), "at last")


def pastas(engine) -> list[int]:
    return [pid for pid in processes.descendants(engine.launcher_pid) if is_pasta(pid)]


def is_pasta(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().startswith("passt")  # what Debian's pasta is a name of
    except OSError:
        return False


def ask_name_server(query: bytes) -> bytes | None:
    with open("/etc/resolv.conf") as file:
        servers = [line.split()[1] for line in file if line.startswith("nameserver ")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        try:
            asker.sendto(query, (servers[0], 53))
            return asker.recv(4096)
        except (OSError, IndexError):
            return None
