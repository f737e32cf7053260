"""What a sandbox is cut off from: namespaces of its own, no other sandbox, no network, no host identity."""

import os
import socket
import unittest

from harness.case import EngineTestCase

NAMESPACES = ("pid", "mnt", "net", "ipc", "uts", "user", "cgroup")


class NamespaceTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def namespaces(self, box):
        links = box.output("cd /proc/self/ns && readlink " + " ".join(NAMESPACES)).split()
        return dict(zip(NAMESPACES, links, strict=True))

    def test_every_namespace_is_its_own(self):
        host = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
        first, second = self.namespaces(self.engine.create()), self.namespaces(self.engine.create())
        for name in NAMESPACES:
            self.assertEqual(len({host[name], first[name], second[name]}), 3, name)

    def test_execs_of_one_sandbox_share_its_namespaces(self):
        box = self.engine.create()
        self.assertEqual(self.namespaces(box), self.namespaces(box))

    def test_the_process_tree_begins_in_the_sandbox(self):
        box = self.engine.create()
        other = self.engine.create()
        other.start("sleep 98765")
        other.wait_until("grep -qs 98765 /proc/[0-9]*/cmdline")
        pids = [int(p) for p in box.output("cd /proc && echo [0-9]*").split()]
        self.assertIn(1, pids)
        self.assertLess(len(pids), 6)
        self.assertNotIn("98765", box.output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))

    def test_init_cannot_be_killed_from_inside(self):
        box = self.engine.create()
        box.exec("kill -9 1; kill -15 1; kill -1 1")
        self.assertEqual(box.output("echo alive"), "alive\n")

    def test_kill_of_everything_inside_leaves_the_sandbox_usable(self):
        box = self.engine.create()
        other = self.engine.create()
        waiting = other.start("sleep 0.5; echo other")
        self.assertLess(int(box.output("echo $$")), 100, "it has to be in a pid namespace of its own for this test")
        box.exec("kill -9 -1")
        self.assertEqual(box.output("echo alive"), "alive\n")
        self.assertEqual(waiting.result()["stdout"], "other\n")

    def test_the_hostname(self):
        self.assertEqual(self.engine.create(hostname="my-box").output("cat /proc/sys/kernel/hostname"), "my-box\n")
        default = self.engine.create().output("cat /proc/sys/kernel/hostname").strip()
        self.assertNotEqual(default, socket.gethostname())

    def test_setting_the_hostname_changes_no_other(self):
        box, other = self.engine.create(hostname="a"), self.engine.create(hostname="b")
        box.exec("hostname changed")
        self.assertEqual(other.output("hostname"), "b\n")
        self.assertNotEqual(socket.gethostname(), "changed")

    def test_without_network_there_is_only_loopback_and_it_is_up(self):
        box = self.engine.create()
        names = [line.split(":")[0].strip() for line in box.output("cat /proc/net/dev").splitlines()[2:]]
        self.assertEqual(names, ["lo"])
        program = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname(), 5)
server.accept()[0].sendall(b"over loopback")
print(client.recv(100).decode())
"""
        self.assertEqual(box.python(program), "over loopback\n")

    def test_a_server_on_the_host_is_out_of_reach(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
            result = self.engine.create().exec(["/usr/bin/python3", "-c", program])
            self.assertIn("ConnectionRefused", result["stderr"])

    def test_an_abstract_socket_of_the_host_is_out_of_reach(self):
        with socket.socket(socket.AF_UNIX) as server:
            name = f"\0isorun-test-{os.getpid()}"
            server.bind(name)
            server.listen()
            program = f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})"
            self.assertIn("ConnectionRefused", self.engine.create().exec(["/usr/bin/python3", "-c", program])["stderr"])

    def test_two_sandboxes_share_no_files(self):
        first, second = self.engine.create(), self.engine.create()
        first.output("for d in /tmp /root /var/tmp /run /dev/shm; do echo secret > $d/of-first; done")
        found = second.output("ls /tmp /root /var/tmp /run /dev/shm")
        self.assertNotIn("of-first", found)


class IdentityTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def test_the_sandbox_knows_its_id(self):
        box = self.engine.create()
        self.assertEqual(box.output("cat /run/isorun/id").strip(), box.id)
        self.assertEqual(box.output("echo $ISORUN_SANDBOX_ID").strip(), box.id)

    def test_root_inside(self):
        self.assertEqual(self.engine.create().output("id -u; id -g"), "0\n0\n")

    def test_nothing_of_the_engines_environment_is_inside(self):
        engine = self.start_engine(env={"SECRET_TOKEN": "leaked-value-123", "LD_PRELOAD": ""})
        box = engine.create()
        seen = box.output("env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'")
        self.assertNotIn("leaked-value-123", seen)
        self.assertNotIn("SECRET_TOKEN", seen)
        self.assertNotIn(self.folder, seen)

    def test_the_variables_that_are_always_set(self):
        names = {line.split("=")[0] for line in self.engine.create().output("env").splitlines()}
        self.assertLessEqual({"PATH", "HOME", "TERM", "ISORUN_SANDBOX_ID"}, names)
        self.assertLessEqual(
            names,
            {
                "PATH",
                "HOME",
                "TERM",
                "ISORUN_SANDBOX_ID",
                "PWD",
                "SHLVL",
                "_",
                "OLDPWD",
                "USER",
                "LOGNAME",
                "SHELL",
                "HOSTNAME",
                "LANG",
            },
        )

    def test_no_descriptor_of_the_engine_reaches_a_command(self):
        box = self.engine.create()
        program = "import os; print(sorted(int(fd) for fd in os.listdir('/proc/self/fd')))"
        self.assertEqual(box.python(program), "[0, 1, 2, 3]\n", "the three of stdio, and the listing's own")
        for fd in ("0", "1", "2"):
            self.assertNotIn("/", box.output(f"readlink /proc/self/fd/{fd}").replace("/dev/null", ""))

    def test_a_command_leads_a_session_of_its_own(self):
        program = "import os; print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())"
        self.assertEqual(self.engine.create().python(program), "True True\n")

    def test_signals_are_at_their_defaults(self):
        status = self.engine.create().output(["/bin/cat", "/proc/self/status"])
        masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
        self.assertEqual(
            {name: int(masks[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")},
            {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0},
        )

    @unittest.skipUnless(os.path.exists("/usr/bin/setpriv"), "setpriv of util-linux is missing")
    def test_another_user_inside(self):
        if self.caller == "bare":
            return self.assert_bare_has_one_user()
        self.assertEqual(
            self.engine.create().output(["setpriv", "--reuid=1000", "--clear-groups", "id", "-u"]), "1000\n"
        )

    def assert_bare_has_one_user(self):
        """Without subordinate ids there is only root inside, and asking for another says so."""
        result = self.engine.create().exec(["setpriv", "--reuid=1000", "--clear-groups", "id", "-u"])
        self.assertNotEqual(result["exitCode"], 0)
