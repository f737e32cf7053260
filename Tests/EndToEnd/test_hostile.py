"""Hostile commands: fork bombs, memory hogs, floods of output and of signals. The engine and its neighbours live."""

import os
import time

from harness import rootfs
from harness.case import EngineTestCase


class HostileTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.neighbour = self.engine.create()

    def assert_neighbour_lives(self):
        begun = time.monotonic()
        self.assertEqual(self.neighbour.output("echo alive"), "alive\n")
        self.assertLess(time.monotonic() - begun, 20)

    def test_a_fork_bomb_is_contained_and_killed(self):
        box = self.engine.create(pidsMax=64)
        self.assert_limited(box, 64)
        bomb = box.start("bomb() { bomb | bomb & }; bomb & exec sleep 1000", timeoutMs=3000)
        time.sleep(1)
        self.assert_neighbour_lives()
        result = bomb.result()
        self.assertEqual((result["exitCode"], result["timedOut"]), (124, True))
        self.eventually(lambda: box.exec("true")["exitCode"] == 0)
        # What is killed may still have to be reaped.
        self.eventually(lambda: len(box.output("cd /proc; echo [0-9]*").split()) < 10)

    def assert_limited(self, box, limit):
        """The gentle form first, so that a limit that is absent does not take the machine down."""
        program = """
import subprocess
children = []
try:
    for _ in range(200):
        children.append(subprocess.Popen(["sleep", "60"]))
except OSError:
    pass
print(len(children))
for child in children:
    child.kill()
    child.wait()
"""
        self.assertLess(int(box.python(program)), limit, "pidsMax is not enforced")

    def test_a_bomb_in_an_exec_that_is_cancelled(self):
        box = self.engine.create(pidsMax=64)
        self.assert_limited(box, 64)
        bomb = box.start("bomb() { bomb | bomb & }; bomb; exec sleep 1000")
        time.sleep(0.5)
        self.engine.cancel(bomb)
        self.assert_error(bomb.error(), -32800)
        self.eventually(lambda: box.exec("true")["exitCode"] == 0)

    def test_a_bomb_in_a_sandbox_that_is_destroyed(self):
        box = self.engine.create(pidsMax=64)
        self.assert_limited(box, 64)
        box.start("bomb() { bomb | bomb & }; bomb; exec sleep 1000")
        time.sleep(0.5)
        begun = time.monotonic()
        box.destroy()
        self.assertLess(time.monotonic() - begun, 20)
        self.assert_neighbour_lives()

    def test_a_memory_hog_is_stopped_at_its_limit(self):
        if self.engine.capabilities["limits"]["memory"] == "none":
            self.skipTest("this engine does not limit memory here, and says so in its capabilities")
        box = self.engine.create(memMiB=128)
        result = box.exec(
            # It holds what it has: where the engine itself watches, on a busy machine, that takes a moment.
            ["/usr/bin/python3", "-c", "import time; x = b'1' * (512 << 20); time.sleep(20); print('had it')"]
        )
        self.assertNotEqual(result["exitCode"], 0)
        self.assertNotIn("had it", result["stdout"])
        self.assertEqual(box.output("echo alive"), "alive\n")
        self.assert_neighbour_lives()

    def test_a_flood_of_output_on_both_streams(self):
        box = self.engine.create()
        result = box.exec("yes >&2 & yes; wait", timeoutMs=1000, outputToken="flood", maxOutputBytes=1000)
        self.assertEqual((result["timedOut"], result["truncated"]), (True, True))
        self.assert_neighbour_lives()

    def test_a_flood_of_short_processes(self):
        box = self.engine.create()
        flood = box.start("while :; do /bin/true & done", timeoutMs=2000)
        self.assert_neighbour_lives()
        self.assertEqual(flood.result()["exitCode"], 124)
        self.eventually(lambda: box.exec("true")["exitCode"] == 0)

    def test_a_command_that_kills_and_stops_everything_it_can(self):
        box = self.engine.create()
        self.assertLess(int(box.output("echo $$")), 100, "it has to be in a pid namespace of its own for this test")
        box.exec("kill -STOP -1; kill -9 -1", timeoutMs=2000)
        self.assertEqual(box.output("echo alive"), "alive\n")
        self.assert_neighbour_lives()

    def test_init_does_not_obey_messages_from_inside(self):
        """Whatever descriptors init holds, no process of the sandbox can open or write them."""
        box = self.engine.create()
        program = """
import os
for fd in range(100):
    for mode in (os.O_WRONLY, os.O_RDWR):
        try:
            handle = os.open(f"/proc/1/fd/{fd}", mode)
        except OSError:
            continue
        if os.readlink(f"/proc/1/fd/{fd}") != "/dev/null":
            print("opened", fd, os.readlink(f"/proc/1/fd/{fd}"))
"""
        self.assertEqual(box.python(program), "")
        trace = "import ctypes; print(ctypes.CDLL(None).ptrace(16, 1, 0, 0), ctypes.CDLL(None).ptrace(0x4206, 1, 0, 0))"
        self.assertEqual(box.python(trace), "-1 -1\n", "init cannot be traced")
        self.assertEqual(box.output("echo alive"), "alive\n")

    def test_folders_that_are_stripped_of_every_permission(self):
        box = self.engine.create()
        box.output("mkdir -p /root/a/b; touch /root/a/b/c; chmod 0 /root/a/b /root/a /root")
        child = box.fork()[0]
        self.assertEqual(child.output("stat -c %a /root /root/a"), "0\n0\n")
        snapshot = box.snapshot()
        self.engine.restore(snapshot).destroy()
        self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})

    def test_system_folders_that_are_removed(self):
        """A sandbox that destroyed its own root answers with errors, and is rolled back as any other."""
        archive = os.path.join(self.folder, "tiny.tar")
        rootfs.build(archive)
        self.engine.call("image/import", {"path": archive, "ref": "tiny:1"})
        box = self.engine.create(image="tiny:1")
        snapshot = box.snapshot()
        box.exec("test -e /etc/tiny-release && rm -rf /usr /etc /root /tmp /run /home /bin")
        self.assert_fails(1031, "CommandNotFound", box.exec, ["/bin/true"])
        self.assert_fails(1031, "CommandNotFound", box.exec, "true")
        box.rollback(snapshot)
        self.assertEqual(box.output("echo alive"), "alive\n")

    def test_mount_points_that_are_replaced(self):
        box = self.engine.create()
        box.exec("rm -rf /run/isorun; mkdir -p /run; ln -s /etc /run/isorun; rmdir /proc /dev /sys; mv /dev /dev2")
        child = box.fork()[0]
        self.assertEqual(child.output("cat /run/isorun/id").strip(), child.id)
        self.assertEqual(child.exec("test -e /etc/id")["exitCode"], 1, "the id is not written through a link")
