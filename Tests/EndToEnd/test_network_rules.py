"""Rules of the network: who is reached, by which name, and that nothing inside lifts them."""

import socket
import threading

from harness.network import NetworkTestCase

#: What a process with every capability that a sandbox has tries; says what succeeded.
HOSTILE = r"""
import ctypes, os, socket, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
done = []

def attempt(what, body):
    try:
        if body() is not False:
            done.append(what)
    except (OSError, subprocess.CalledProcessError):
        pass

def namespace(flags):
    # A network namespace of its own would be without a way out; one of users would give its maker all capabilities.
    return libc.unshare(flags) == 0

quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
attempt("flush", lambda: subprocess.run([sys.argv[3], "flush", "ruleset"], **quiet))
attempt("delete", lambda: subprocess.run([sys.argv[3], "delete", "table", "netdev", "isorun"], **quiet))
attempt("address", lambda: subprocess.run(["ip", "address", "add", "10.0.2.16/24", "dev", "eth0"], **quiet))
attempt("device", lambda: subprocess.run(["ip", "link", "set", "eth0", "name", "eth1"], **quiet))
attempt("user namespace", lambda: namespace(0x10000000))
attempt("network namespace", lambda: namespace(0x40000000))
attempt("another's namespace", lambda: libc.setns(os.open("/proc/1/ns/net", os.O_RDONLY), 0) == 0)
attempt("setting", lambda: open("/proc/sys/net/ipv4/ip_forward", "w").write("1"))

def priority():
    socket.socket().setsockopt(socket.SOL_SOCKET, 36, 0x1234)  # SO_MARK
    return False

attempt("mark", priority)

# Packets that no socket of the internet family has made: to the host, by the device itself.
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

word = sys.argv[4].encode()

def packet():
    udp = struct.pack("!HHHH", 5000, int(sys.argv[2]), 8 + len(word), 0) + word
    head = lambda sum: struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, sum,
        socket.inet_aton("10.0.2.15"), socket.inet_aton(sys.argv[1]))
    return head(checksum(head(0))) + udp

def raw():
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.sendto(packet(), (sys.argv[1], 0))
    return False

def frames(bypass):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    if bypass:
        s.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
    s.bind(("eth0", 0x0800))
    own = s.getsockname()[4]
    for tag in (b"", b"\x81\x00\x00\x01"):
        s.send(b"\xff" * 6 + own + tag + b"\x08\x00" + packet())
    return False

for send in (raw, lambda: frames(False), lambda: frames(True)):
    attempt("raw packet", send)
print(" ".join(done) or "nothing")
"""


class RuleTests(NetworkTestCase):
    def test_addresses_and_ports(self):
        first, second = self.greeter("first"), self.greeter("second")
        allowing = self.engine.create(network={"allow": [f"{self.address}/32:{first.port}"]})
        self.assertEqual(
            allowing.info["network"], {"mode": "nat", "allow": [f"{self.address}/32:{first.port}"]}
        )
        self.assertEqual(self.ask(allowing, self.address, first.port), "first")
        self.assertEqual(self.ask(allowing, self.address, second.port), "EHOSTUNREACH")
        denying = self.engine.create(network={"deny": [f"*:{first.port}", "10.0.0.0/8"]})
        self.assertEqual(self.ask(denying, self.address, first.port), "EHOSTUNREACH")
        self.assertEqual(self.ask(denying, self.address, second.port), "second")
        both = self.engine.create(network={"allow": [self.address], "deny": [f"{self.address}:{second.port}"]})
        self.assertEqual(self.ask(both, self.address, first.port), "first")
        self.assertEqual(self.ask(both, self.address, second.port), "EHOSTUNREACH")
        # Rules go with snapshots, unless a restore has its own.
        snapshot = both.snapshot()
        restored = self.engine.restore(snapshot)
        self.assertEqual(restored.info["network"], both.info["network"])
        self.assertEqual(self.ask(restored, self.address, second.port), "EHOSTUNREACH")
        freed = self.engine.restore(snapshot, network={"mode": "nat"})
        self.assertEqual(self.ask(freed, self.address, second.port), "second")

    def test_what_is_refused(self):
        for rule in ("", "1.2.3", "1.2.3.4/33", "a..b", "a:0", "a:5-4", "a:80:90", "::1", "*.", "a b", "1.2.3.04"):
            with self.subTest(rule=rule):
                error = self.assert_fails(
                    -32602, None, self.engine.call, "sandbox/create", {"network": {"allow": [rule]}}
                )
                self.assertEqual(error.data["field"], "network.allow")
        self.assert_fails(
            -32602, None, self.engine.call, "sandbox/create", {"network": {"mode": "none", "deny": ["*"]}}
        )


class NameRuleTests(NetworkTestCase):
    callers = ("root",)  # a name server of the test's own has to listen where only root may

    def test_names(self):
        server = self.greeter("hello")
        names = NameServer(self.address)
        self.addCleanup(names.close)
        engine = self.engine_that_asks(names.address)
        box = engine.create(network={"allow": ["good.example", f"*.below.example:{server.port}"]})
        for name, answer in (
            ("GOOD.example", "hello"), ("a.below.example", "hello"), ("below.example", "no such name"),
            ("bad.example", "no such name"), (self.address, "hello"),
            ("a.below.example.evil.example", "no such name"),
        ):
            with self.subTest(name=name):
                self.assertEqual(self.ask(box, name, server.port), answer)
        other = engine.create(network={"deny": ["bad.example"]})
        self.assertEqual(self.ask(other, "bad.example", server.port), "no such name")
        # The address of a denied name is denied too, however it is known.
        self.assertEqual(self.ask(other, self.address, server.port), "EHOSTUNREACH")
        self.assertEqual(other.output("getent hosts good.example | cut -d' ' -f1").strip(), self.address)
        fresh = engine.create(network={"allow": ["good.example"]})
        self.assertEqual(self.ask(fresh, self.address, server.port), "EHOSTUNREACH")

    def engine_that_asks(self, name_server: str):
        """An engine in a mount namespace in which the host's name server is another one."""
        path = f"{self.folder}/resolv.conf"
        with open(path, "w") as file:
            file.write(f"nameserver {name_server}\n")
        bind = f'mount --bind {path} /etc/resolv.conf && exec "$@"'
        return self.start_engine(self.store + "2", prefix=["unshare", "--mount", "sh", "-c", bind, "sh"])


class HostileTests(NetworkTestCase):
    def test_rules_cannot_be_lifted(self):
        box = self.engine.create(network={"deny": [self.address]})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
            target.bind((self.address, 0))
            port = target.getsockname()[1]
            program = ["/usr/bin/python3", "-c", HOSTILE, self.address, str(port), "/usr/sbin/nft"]
            self.assertEqual(box.output([*program, "smuggled"]).strip(), "nothing")
            # The same reaches the host where no rule is in its way: the attempts are real ones.
            free = self.engine.create(network={"mode": "nat"})
            self.assertEqual(free.output([*program, "permitted"]).strip(), "nothing")
            target.settimeout(20)
            self.assertEqual([target.recv(100) for _ in range(3)], [b"permitted"] * 3)
        server = self.greeter("reached")
        self.assertEqual(self.ask(box, self.address, server.port), "EHOSTUNREACH")
        self.assertEqual(self.ask(free, self.address, server.port), "reached")


class NameServer:
    """Answers every question for an IPv4 address with one address."""

    def __init__(self, answer: str):
        self.answer = socket.inet_aton(answer)
        self.address = "127.0.0.153"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                query, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            end = query.index(b"\0", 12) + 5
            record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + self.answer
            is_address = query[end - 4 : end - 2] == b"\0\x01"
            head = query[:2] + b"\x81\x80\0\x01" + (b"\0\x01" if is_address else b"\0\0") + b"\0\0\0\0"
            self.socket.sendto(head + query[12:end] + (record if is_address else b""), sender)

    def close(self) -> None:
        self.socket.close()
