"""Forwarded ports: services inside are reached from the host, by whom and for how long."""

import random
import socket

from harness.case import EngineTestCase

#: Listens on `ADDRESS PORT`; answers all that a connection has sent once that is at its end.
ECHO = r"""
import socket, sys, threading
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
def answer(connection):
    connection.sendall(b"".join(iter(lambda: connection.recv(65536), b"")))
    connection.close()
while True:
    threading.Thread(target=answer, args=(server.accept()[0],)).start()
"""


class PortTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def test_services_are_reached(self):
        box = self.engine.create()
        self.listen(box, "127.0.0.1", 8000)
        forward = box.call("port/forward", port=8000)
        self.assertEqual((forward["port"], forward["hostAddress"]), (8000, "127.0.0.1"))
        large = bytes(range(256)) * 40_000  # more than all buffers on the way hold
        self.assertEqual(self.talk(forward, large), large)
        self.assertEqual(box.call("port/forward", port=8000), forward, "again gives the same")
        self.listen(box, "0.0.0.0", 9000)
        second = box.call("port/forward", port=9000, hostPort=self.free_port())
        self.assertEqual(self.talk(second, b"second"), b"second")
        self.assertEqual(box.call("port/list"), {"ports": [forward, second]})
        # Nobody listens there yet: the connection is reset, and made once somebody does.
        early = box.call("port/forward", port=9001, hostPort=self.free_port())
        self.assertIsNone(self.talk(early, b"early"))
        self.listen(box, "127.0.0.1", 9001)
        self.assertEqual(self.talk(early, b"late"), b"late")
        with self.connect(second) as connection:
            connection.sendall(b"cut off")
            self.assertIsNone(box.call("port/close", port=9000))
            self.assertIn(self.rest(connection), (None, b""))
        self.assertRaises(ConnectionRefusedError, self.connect, second)
        self.assertEqual(box.call("port/list"), {"ports": [forward, early]})
        box.destroy()
        self.assertRaises(ConnectionRefusedError, self.connect, early)

    def test_what_is_refused(self):
        box = self.engine.create()
        forward = box.call("port/forward", port=80, hostPort=self.free_port())
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            self.assert_fails(-32602, None, box.call, "port/forward", port=81, hostPort=taken)
            self.assert_fails(-32602, None, box.call, "port/forward", port=80, hostPort=taken)
        self.assert_fails(-32602, None, box.call, "port/close", port=81)
        for port in (0, 65536):
            self.assert_fails(-32602, None, box.call, "port/forward", port=port)
        box.call("sandbox/hibernate")
        self.assertRaises(ConnectionRefusedError, self.connect, forward)
        self.assert_fails(1003, "WrongState", box.call, "port/forward", port=80)
        box.call("sandbox/resume")
        self.assertEqual(box.call("port/list"), {"ports": []})

    def test_copies(self):
        """A restored service is reached by a forward of its own; an open connection does not keep it from being captured."""
        box = self.engine.create()
        self.listen(box, "127.0.0.1", 8000)
        forward = box.call("port/forward", port=8000)
        with self.connect(forward) as connection:
            connection.sendall(b"first ")
            child = box.fork(1, runtime="require")[0]
            self.assertEqual(child.call("port/list"), {"ports": []})
            other = child.call("port/forward", port=8000)
            self.assertEqual(self.talk(other, b"child"), b"child")
            connection.sendall(b"second")
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(self.rest(connection), b"first second")
        self.assertEqual(self.talk(forward, b"parent"), b"parent")

    def listen(self, box, address, port):
        server = box.launch(["/usr/bin/python3", "-c", ECHO, address, str(port)])
        server.attach()
        server.wait_for_output("listening")

    def connect(self, forward):
        return socket.create_connection((forward["hostAddress"], forward["hostPort"]), timeout=20)

    def talk(self, forward, data):
        """What comes back; None when the connection is reset."""
        try:
            with self.connect(forward) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                return self.rest(connection)
        except (ConnectionResetError, BrokenPipeError):
            return None

    def rest(self, connection):
        try:
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return None

    def free_port(self):
        """One that nobody is given who asks for any, so that nobody else has it when it is closed."""
        while True:
            try:
                with socket.create_server(("127.0.0.1", random.randint(15_000, 30_000))) as server:
                    return server.getsockname()[1]
            except OSError:
                continue
