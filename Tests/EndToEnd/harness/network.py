"""What the tests of the network share: a base class, and servers on the host that a sandbox may reach."""

from __future__ import annotations

import socket
import threading

from .case import EngineTestCase

#: Connects to `HOST PORT SECONDS`, prints what is sent until the end, or the error's name.
ASK = r"""
import errno, socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as s:
        print(b"".join(iter(lambda: s.recv(4096), b"")).decode(), end="")
except socket.gaierror:
    print("no such name", end="")
except OSError as error:
    print(errno.errorcode.get(error.errno, str(error)), end="")
"""


def host_address() -> str | None:
    """The address by which this machine reaches others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


class Greeter:
    """A server that says its name to everybody who connects, and keeps the connection of those who are to stay."""

    def __init__(self, address: str, name: str, stays: bool = False):
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.name, self.stays = name, stays
        self.kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.sendall(self.name.encode())
            if self.stays:
                self.kept.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.kept:
            connection.close()


class NetworkTestCase(EngineTestCase):
    """Tests that need outbound connections."""

    def setUp(self) -> None:
        super().setUp()
        if "nat" not in self.engine.capabilities["network"]:
            self.skipTest(f"no outbound network: {self.engine.call('sandbox/create')['network']['reason']}")
        self.address = host_address()
        if self.address is None:
            self.skipTest("this machine has no IPv4 route")

    def greeter(self, name: str, address: str | None = None, stays: bool = False) -> Greeter:
        server = Greeter(address or self.address, name, stays)
        self.addCleanup(server.close)
        return server

    def ask(self, box, host: str, port: int, seconds: float = 20) -> str:
        """What a server says to a sandbox, or why it says nothing."""
        return box.output(["/usr/bin/python3", "-c", ASK, host, str(port), str(seconds)])
