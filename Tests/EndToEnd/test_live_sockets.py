"""Sockets of captured processes: what lies in them, who is connected to whom, who waits, and what is reset."""

from harness.case import EngineTestCase

#: Sets sockets up, says so, and answers each request with what it finds wrong, "ok" when nothing is.
PROGRAM = r"""
import os, select, socket, struct, sys, time, traceback

def tcp_pair(listener):
    client = socket.create_connection(listener.getsockname()[:2])
    return client, listener.accept()[0]

pair = socket.socketpair()
datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
named = socket.socket(socket.AF_UNIX)
named.bind("/tmp/named")
os.chmod("/tmp/named", 0o620)
named.listen(3)
unix_client = socket.socket(socket.AF_UNIX)
unix_client.connect("/tmp/named")
unix_server = named.accept()[0]
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0abstract")
abstract.listen(1)
unix_waiting = socket.socket(socket.AF_UNIX)
unix_waiting.connect("\0abstract")
listener = socket.create_server(("127.0.0.1", 0))
client, server = tcp_pair(listener)
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
ended, ended_server = tcp_pair(listener)
ended.sendall(b"last words")
ended.shutdown(socket.SHUT_WR)
# The kernel's buffers are full in one direction.
full, full_server = tcp_pair(listener)
full.setblocking(False)
full_server.settimeout(5)
sent = 0
try:
    while True:
        sent += full.send(bytes((sent + i) * 7 >> 2 & 255 for i in range(4096)))
except BlockingIOError:
    pass
waiting = socket.create_connection(listener.getsockname())
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind(("127.0.0.1", 0))
for one in (pair + datagrams + packets + (unix_client, unix_server, client, server, ended, ended_server, udp)):
    one.settimeout(5)
waits = select.epoll()
waits.register(server, select.EPOLLIN)

def fill():
    pair[0].sendall(b"one way")
    pair[1].sendall(b"the other")
    for text in (b"first", b"second"):
        datagrams[0].send(text)
        packets[1].send(text)
    unix_client.sendall(b"to the server")
    unix_server.sendall(b"to the client")
    client.sendall(b"over TCP")
    sender.sendto(b"datagram", udp.getsockname())

def expect(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}")

def check():
    expect(waits.poll(5), [(server.fileno(), select.EPOLLIN)])
    expect(pair[1].recv(99), b"one way")
    expect(pair[0].recv(99), b"the other")
    for text in (b"first", b"second"):
        expect(datagrams[1].recv(99), text)
        expect(packets[0].recv(99), text)
    expect(unix_server.recv(99), b"to the server")
    expect(unix_client.recv(99), b"to the client")
    expect(unix_client.getpeername(), "/tmp/named")
    credentials = struct.unpack("3i", unix_server.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    expect(credentials, (os.getpid(), os.getuid(), os.getgid()))
    expect(os.stat("/tmp/named").st_mode & 0o777, 0o620)
    expect(server.recv(99), b"over TCP")
    expect(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)
    expect(client.getpeername(), listener.getsockname())
    expect(server.getpeername(), client.getsockname())
    expect(ended_server.recv(99, socket.MSG_PEEK), b"last words")
    expect(udp.recvfrom(99), (b"datagram", sender.getsockname()))
    for place, client_of in ((listener, waiting), (abstract, unix_waiting)):
        place.settimeout(5)
        late = place.accept()[0]
        client_of.sendall(b"late")
        expect(late.recv(99), b"late")
        late.close()
        fresh = socket.socket(place.family)
        fresh.connect(place.getsockname())
        os.dup2(fresh.fileno(), client_of.fileno())
    fill()

received = 0
def drain():
    global received
    while received < sent:
        part = full_server.recv(1 << 16)
        expect(part, bytes((received + i) * 7 >> 2 & 255 for i in range(len(part))))
        received += len(part)
    expect(received, sent)

fill()
open("/tmp/ready", "w").close()
while True:
    time.sleep(0.01)
    if os.path.exists("/tmp/ask"):
        what = open("/tmp/ask").read()
        os.unlink("/tmp/ask")
        try:
            check()
            if what == "drain":
                drain()
            answer = "ok"
        except BaseException:
            answer = traceback.format_exc()
        open("/tmp/answer.new", "w").write(answer)
        os.rename("/tmp/answer.new", "/tmp/answer")
"""

#: Connected to what no captured process holds: a client that has been accepted by nobody and has sent something.
OUTSIDE = r"""
import os, socket, time
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
client.sendall(b"nobody has taken this yet")
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
open("/tmp/ready", "w").close()
while not os.path.exists("/tmp/ask"):
    time.sleep(0.01)
try:
    answer = repr(client.recv(99))
except ConnectionResetError:
    answer = "reset"
open("/tmp/answer.new", "w").write(answer)
os.rename("/tmp/answer.new", "/tmp/answer")
time.sleep(1000)
"""

RAW = r"""
import socket, time
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
open("/tmp/ready", "w").close()
time.sleep(1000)
"""


#: Puts more files under way than the engine keeps copies of, each of which nobody has open.
FLOOD = r"""
import os, resource, socket, sys, time
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
sender, receiver = socket.socketpair()
for _ in range(6):
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    socket.send_fds(sender, [b"x"], files)
    for file in files: os.close(file)
print("ready", flush=True)
time.sleep(1000)
"""


class LiveSocketTests(EngineTestCase):
    def started(self, program: str):
        box = self.engine.create()
        box.write("/tmp/program.py", program)
        box.output("setsid python3 /tmp/program.py < /dev/null > /tmp/output 2>&1 &")
        box.wait_until("test -e /tmp/ready")
        return box

    def ask(self, box, what: str = "check") -> str:
        box.output(f"rm -f /tmp/answer; echo -n {what} > /tmp/ask.new; mv /tmp/ask.new /tmp/ask")
        box.wait_until("test -e /tmp/answer")
        return box.read("/tmp/answer")

    def assert_whole(self, box, what: str = "check") -> None:
        self.assertEqual(self.ask(box, what), "ok")

    def test_sockets_come_back_with_what_lies_in_them(self):
        box = self.started(PROGRAM)
        self.assert_whole(box)
        snapshot = box.snapshot(runtime="require")
        self.assertEqual(snapshot["runtime"]["reset"], [])
        self.assert_whole(box)
        restored = self.engine.restore(snapshot)
        self.assert_whole(restored)
        for child in restored.fork(2, runtime="require"):
            self.assert_whole(child, "drain")
        box.rollback(snapshot)
        self.assert_whole(box)
        box.call("sandbox/hibernate")
        box.call("sandbox/resume")
        self.assert_whole(box, "drain")
        self.assert_whole(restored, "drain")

    def test_what_is_out_of_reach_is_reset_and_reported(self):
        box = self.started(OUTSIDE)
        snapshot = box.snapshot(runtime="require")
        reset = snapshot["runtime"]["reset"]
        self.assertEqual(len(reset), 2, reset)
        self.assertTrue(any("TCP connection to 127.0.0.1" in entry["what"] for entry in reset), reset)
        self.assertTrue(any("netlink" in entry["what"] for entry in reset), reset)
        self.assertEqual(self.ask(self.engine.restore(snapshot)), "reset")

    def test_a_raw_socket_is_refused_by_name(self):
        box = self.started(RAW)
        error = self.assert_fails(1050, "RuntimeStateUnsupported", box.snapshot, runtime="require")
        self.assertIn("a raw socket", str(error))
        dropped = box.snapshot(runtime="auto")["runtime"]["dropped"]
        self.assertIn("descriptor", dropped[0]["reason"])

    def test_a_flood_of_descriptors_under_way_is_refused_by_name(self):
        box = self.engine.create()
        process = box.launch(["/usr/bin/python3", "-c", FLOOD])
        process.attach()
        process.wait_for_output("ready\n")
        dropped = box.snapshot(runtime="auto")["runtime"]["dropped"]
        self.assertIn("more than 1024 files are under way that nobody has open", dropped[0]["reason"])
