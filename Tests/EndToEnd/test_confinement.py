"""What a command may not do: capabilities and system calls as Docker's default has them, masked kernel files."""

import os

from harness.case import EngineTestCase

#: chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod
#: audit_write setfcap: the default list in Docker's documentation.
DOCKER_CAPABILITIES = 0xA80425FB

#: Runs system calls by number and prints the name of the error of each, "ok" for none.
PROBE = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *arguments):
    pid = os.fork()
    if pid == 0:
        ctypes.set_errno(0)
        values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
        result = libc.syscall(ctypes.c_long(number), *values)
        os._exit(ctypes.get_errno() if result < 0 else 0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return "signal %d" % os.WTERMSIG(status)
    return errno.errorcode.get(os.WEXITSTATUS(status), "ok")
"""

CLONE_NEWUSER = 0x10000000

#: name: (number on x86-64, arguments). Each is refused by Docker's default profile or capability set.
REFUSED = {
    "mount": (165, b"none", b"/mnt", b"tmpfs", 0, 0),
    "umount2": (166, b"/proc", 2),
    "pivot_root": (155, b"/", b"/"),
    "fsopen": (430, b"tmpfs", 0),
    "open_tree": (428, -100, b"/", 1),
    "move_mount": (429, -100, b"/", -100, b"/mnt", 0),
    "mount_setattr": (442, -100, b"/", 0, 0, 0),
    "unshare user": (272, CLONE_NEWUSER),
    "unshare mount": (272, 0x00020000),
    "clone user": (56, CLONE_NEWUSER | 17, 0, 0, 0, 0),
    "setns": (308, 0, 0),
    "add_key": (248, b"user", b"name", b"data", 4, -4),
    "request_key": (249, b"user", b"name", 0, -4),
    "keyctl": (250, 0, -3, 0),
    "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0),
    "userfaultfd": (323, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "kexec_file_load": (320, 0, 0, 0, 0, 0),
    "init_module": (175, 0, 0, b""),
    "finit_module": (313, 0, b"", 0),
    "delete_module": (176, b"none", 0),
    "reboot": (169, 0, 0, 0, 0),
    "swapon": (167, b"/none", 0),
    "swapoff": (168, b"/none"),
    "settimeofday": (164, 0, 0),
    "clock_settime": (227, 0, 0),
    "acct": (163, b"/none"),
    "syslog": (103, 3, 0, 0),
    "iopl": (172, 3),
    "ioperm": (173, 0, 1, 1),
    "open_by_handle_at": (304, -100, 0, 0),
    "quotactl": (179, 0, b"/none", 0, 0),
    "lookup_dcookie": (212, 0, 0, 0),
    "personality": (135, 0x0040000),
    "fanotify_init": (300, 0, 0),
    "io_uring_setup": (425, 1, 0),
}  # fmt: skip

#: What ordinary programs need, and Docker's default profile allows.
ALLOWED = {
    "ptrace traceme": (101, 0, 0, 0, 0),
    "personality query": (135, 0xFFFFFFFF),
    "chroot": (161, b"/"),
    "mknod fifo": (133, b"/tmp/probe-fifo", 0o010600, 0),
    "memfd_create": (319, b"probe", 0),
    "pidfd_open": (434, 1, 0),
    "inotify_init1": (294, 0),
}

MASKED = ("/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi",
          "/proc/acpi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap")  # fmt: skip
READ_ONLY = ("/proc/sys/kernel/domainname", "/proc/sys/vm/swappiness", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")
DEVICES = {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "ptmx", "fd", "stdin", "stdout", "stderr"}
EXTRA_DEVICES = {"console", "core", "mqueue"}


class ConfinementTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def status(self, box, **params):
        lines = box.output(["/bin/cat", "/proc/self/status"], **params).splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def probe(self, table):
        calls = "".join(f"print({name!r}, call{arguments!r}, sep='=')\n" for name, arguments in table.items())
        output = self.engine.create().python(PROBE + calls)
        return dict(line.split("=") for line in output.splitlines())

    def test_the_capability_sets(self):
        status = self.status(self.engine.create())
        self.assertEqual(int(status["CapBnd"], 16), DOCKER_CAPABILITIES)
        self.assertEqual(int(status["CapEff"], 16), DOCKER_CAPABILITIES)
        self.assertEqual(int(status["CapPrm"], 16), DOCKER_CAPABILITIES)
        self.assertEqual(int(status["CapInh"], 16), 0)
        self.assertEqual(int(status["CapAmb"], 16), 0)

    def test_an_ordinary_user_inside_has_no_capabilities(self):
        if self.caller == "bare":
            self.skipTest("without subordinate ids a sandbox has no user but root")
        status = self.status(self.engine.create(), user="1000")
        self.assertEqual(status["Uid"].split(), ["1000"] * 4)
        for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)

    def test_a_filter_is_on_and_setuid_tools_are_not_disabled(self):
        status = self.status(self.engine.create())
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(status["NoNewPrivs"], "0")

    def test_dangerous_system_calls_are_refused(self):
        for name, outcome in self.probe(REFUSED).items():
            with self.subTest(call=name):
                self.assertIn(outcome, ("EPERM", "ENOSYS", "EACCES"))

    def test_clone3_is_absent_so_that_flags_can_be_filtered_in_clone(self):
        self.assertEqual(self.probe({"clone3": (435, 0, 0)})["clone3"], "ENOSYS")

    def test_ordinary_system_calls_are_allowed(self):
        for name, outcome in self.probe(ALLOWED).items():
            with self.subTest(call=name):
                self.assertEqual(outcome, "ok")

    def test_device_nodes_cannot_be_made(self):
        box = self.engine.create()
        for node in ("c 1 1", "b 8 0", "c 10 200"):
            self.assertNotEqual(box.exec(f"mknod /tmp/node {node} && head -c1 /tmp/node")["exitCode"], 0, node)

    def test_masked_paths_show_nothing(self):
        box = self.engine.create()
        for path in MASKED:
            with self.subTest(path=path):
                result = box.exec(f"if test -d {path}; then ls -A {path}; else head -c 100 {path}; fi 2>/dev/null")
                self.assertEqual(result["stdout"], "")

    def test_kernel_settings_cannot_be_opened_for_writing(self):
        program = """
import os, sys
for path in sys.argv[1:]:
    try:
        if os.path.isdir(path):
            os.mkdir(path + "/probe")
        else:
            os.close(os.open(path, os.O_WRONLY))
        print(path, "can be written")
    except OSError:
        pass
"""
        paths = [path for path in READ_ONLY if os.path.exists(path)]
        output = self.engine.create().output(["/usr/bin/python3", "-c", program, *paths])
        self.assertEqual(output, "")

    def test_sys_cannot_be_written(self):
        box = self.engine.create()
        files = "$(find /sys/kernel /sys/power /sys/module -maxdepth 2 -type f 2>/dev/null | head -100)"
        self.assertEqual(box.output(f"for f in {files}; do (: >> $f) 2>/dev/null && echo $f; done; true"), "")

    def test_dev_is_minimal_and_works(self):
        box = self.engine.create()
        names = set(box.output("ls -A /dev").split())
        self.assertLessEqual(DEVICES, names)
        self.assertLessEqual(names, DEVICES | EXTRA_DEVICES)
        self.assertEqual(box.output("echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1").split(), ["00"] * 4)
        self.assertIn("No space left", box.exec("head -c 1 /dev/zero > /dev/full")["stderr"])
        self.assertEqual(len(box.output("head -c 16 /dev/urandom | od -An -tx1").split()), 16)
        self.assertEqual(box.output("echo shm > /dev/shm/x && cat /dev/shm/x"), "shm\n")
        self.assertEqual(
            box.python("import os; m, s = os.openpty(); print(os.ttyname(s).startswith('/dev/pts/'))"), "True\n"
        )

    def test_a_named_semaphore_works(self):
        box = self.engine.create()
        self.assertEqual(box.python("import multiprocessing as m; s = m.Semaphore(1); print(s.acquire())"), "True\n")
