"""The `mounts` of sandbox/create with the modes `ro` and `rw`: folders of the host in a sandbox."""

import os
import subprocess

from harness import processes
from harness.case import EngineTestCase


class HostMountTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.source = f"{self.folder}/project"
        os.makedirs(f"{self.source}/sub")
        self.put("file", "host\n")
        self.put("sub/inner", "inner\n")

    def put(self, name, text):
        with open(f"{self.source}/{name}", "w") as file:
            file.write(text)

    def text(self, name):
        with open(f"{self.source}/{name}") as file:
            return file.read()

    def mounted(self, mode, **params):
        return self.engine.create(mounts=[{"source": self.source, "target": "/mnt/work", "mode": mode}], **params)

    def test_read_only(self):
        box = self.mounted("ro")
        self.assertEqual(box.output("cat /mnt/work/file /mnt/work/sub/inner"), "host\ninner\n")
        for command in ("echo x > /mnt/work/file", "touch /mnt/work/new", "rm /mnt/work/file", "mkdir /mnt/work/d"):
            result = box.exec(command)
            self.assertIn("Read-only file system", result["stderr"], command)
        self.assert_fails(1044, "PermissionDenied", box.write, "/mnt/work/file", "x")
        self.put("later", "seen\n")
        self.assertEqual(box.read("/mnt/work/later"), "seen\n")
        self.assert_locked(box)
        # As it is in forks and snapshots of it.
        for other in (box.fork()[0], self.engine.restore(box.snapshot()), box):
            self.assertEqual(other.output("cat /mnt/work/later"), "seen\n")
            self.assertIn("Read-only file system", other.exec("echo x > /mnt/work/file")["stderr"])
        self.assert_locked(box)
        self.assertEqual(self.text("file"), "host\n")
        self.assertEqual(sorted(os.listdir(self.source)), ["file", "later", "sub"])

    def assert_locked(self, box):
        """Not even with every capability over the sandbox's own namespaces can it be made writable: only root can take those."""
        if self.caller != "root":
            return
        job = box.launch(["sleep", "31415"])

        def sleepers():
            return [pid for pid in processes.all_pids() if self.command(pid) == b"sleep\x0031415\x00"]

        self.eventually(sleepers)
        [pid] = sleepers()
        enter = ["nsenter", "-t", str(pid), "--user", "--mount", "--root", "--wd=/", "-S", "0", "-G", "0"]
        for command in (
            "mount -o remount,bind,rw /mnt/work",
            "mount -o remount,rw /mnt/work",
            "mount --bind /mnt/work /tmp && mount -o remount,bind,rw /tmp",
        ):
            result = subprocess.run([*enter, "/bin/sh", "-c", command], capture_output=True, text=True)
            self.assertNotEqual(result.returncode, 0, command)
        result = subprocess.run([*enter, "/bin/sh", "-c", "touch /mnt/work/evil"], capture_output=True, text=True)
        self.assertIn("Read-only", result.stderr)
        job.signal("SIGKILL")
        job.wait()

    def command(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return file.read()
        except OSError:
            return b""

    def test_read_and_write(self):
        box = self.mounted("rw")
        box.output("echo sandbox > /mnt/work/file; mkdir /mnt/work/made; echo x > /mnt/work/made/y; chmod 600 /mnt/work/file")
        box.write("/mnt/work/written", "by request\n")
        self.assertEqual((self.text("file"), self.text("made/y"), self.text("written")), ("sandbox\n", "x\n", "by request\n"))
        # What root of the sandbox makes belongs to who started the engine, and the other way round.
        for name in ("file", "made", "written"):
            status = os.stat(f"{self.source}/{name}")
            self.assertEqual((status.st_uid, status.st_gid), (os.getuid(), os.getgid()), name)
        self.assertEqual(box.output("stat -c '%u %g' /mnt/work /mnt/work/sub"), "0 0\n0 0\n")
        self.assertIn("nosuid", box.output("grep /mnt/work /proc/self/mountinfo"))
        # It is no part of the sandbox: not in its files, not in what a rollback brings back.
        snapshot = box.snapshot()
        self.put("file", "newer\n")
        box.rollback(snapshot)
        self.assertEqual(box.output("cat /mnt/work/file"), "newer\n")
        changed = [c["path"] for c in box.call("sandbox/diff")["changes"]]
        self.assertEqual([p for p in changed if p.startswith("/mnt/work/")], [])
        self.assertLess(box.call("sandbox/stats")["diskBytes"], 1 << 20)
        child = box.fork()[0]
        child.output("echo child > /mnt/work/file")
        self.assertEqual(box.output("cat /mnt/work/file"), "child\n")
        box.call("sandbox/hibernate")
        box.call("sandbox/resume")
        self.assertEqual(box.output("cat /mnt/work/file"), "child\n")
        self.assertEqual(box.info["mounts"], [{"source": self.source, "target": "/mnt/work", "mode": "rw"}])

    def test_a_folder_that_is_gone(self):
        box = self.mounted("rw")
        snapshot = box.snapshot()
        os.rename(self.source, self.source + "-away")
        # What is mounted stays.
        self.assertEqual(box.output("cat /mnt/work/file"), "host\n")
        box.snapshot()
        box.call("sandbox/hibernate")
        for request in (
            lambda: self.engine.restore(snapshot),
            lambda: box.call("sandbox/resume"),
            lambda: self.mounted("ro"),
        ):
            error = self.assert_fails(1040, "PathNotFound", request)
            self.assertIn(self.source, error.message)
        # Nor is anything mounted that a symlink has come to lead to.
        os.symlink("/etc", self.source)
        self.assert_fails(1040, "PathNotFound", box.call, "sandbox/resume")
        os.unlink(self.source)
        os.rename(self.source + "-away", self.source)
        box.call("sandbox/resume")
        self.assertEqual(box.output("cat /mnt/work/file"), "host\n")
        self.assertEqual(self.engine.restore(snapshot).output("cat /mnt/work/file"), "host\n")

    def test_nested_mounts_and_places_that_are_refused(self):
        os.mkdir(f"{self.folder}/other")
        with open(f"{self.folder}/other/o", "w") as file:
            file.write("other\n")
        box = self.engine.create(
            mounts=[
                {"source": f"{self.folder}/other", "target": "/mnt/work/sub", "mode": "rw"},
                {"source": self.source, "target": "/mnt/work/", "mode": "ro"},
            ]
        )
        self.assertEqual(box.output("cat /mnt/work/file /mnt/work/sub/o; echo x > /mnt/work/sub/new"), "host\nother\n")
        self.assertEqual(os.listdir(f"{self.source}/sub"), ["inner"])
        box.snapshot()
        self.assertEqual(box.output("cat /mnt/work/file /mnt/work/sub/o"), "host\nother\n")
        for source, target, code in (
            (self.source, "/", 1044),
            (self.source, "/proc/x", 1044),
            (self.source, "/run/isorun", 1044),
            (self.source, "/mnt/../etc", 1044),
            (self.store, "/mnt/x", 1044),
            (self.folder, "/mnt/x", 1044),
            (f"{self.source}/file", "/mnt/x", 1042),
            (f"{self.source}/missing", "/mnt/x", 1040),
            (self.source, "/etc/passwd", 1042),
        ):
            with self.subTest(source=source, target=target):
                params = {"mounts": [{"source": source, "target": target, "mode": "rw"}]}
                self.assert_fails(code, None, self.engine.call, "sandbox/create", params)
        two = [
            {"source": self.source, "target": "/mnt/a", "mode": "rw"},
            {"source": f"{self.folder}/other", "target": "/mnt/a/missing", "mode": "rw"},
        ]
        self.assert_fails(1040, "PathNotFound", self.engine.call, "sandbox/create", {"mounts": two})
        two[1].update(mode="copy", target="/mnt/a/sub")
        self.assert_fails(1044, "PermissionDenied", self.engine.call, "sandbox/create", {"mounts": two})
        self.assertEqual(sorted(os.listdir(self.source)), ["file", "sub"])
        # A place that the sandbox has turned into a symlink is not followed.
        plain = self.engine.create(mounts=[{"source": self.source, "target": "/srv/in/work", "mode": "rw"}])
        plain.output("mv /srv/in /srv/moved; ln -s /etc /srv/in")
        snapshot = plain.snapshot()
        self.assertEqual(plain.output("cat /srv/moved/work/file; ls /srv/in/work 2>/dev/null || echo none"), "host\nnone\n")
        self.assert_fails(1042, "PathNotDirectory", self.engine.restore, snapshot)
        self.assertEqual(len(self.engine.call("sandbox/list", {})["sandboxes"]), 2)

    def test_paths_that_lead_out(self):
        box = self.mounted("rw")
        os.symlink("/etc/hostname", f"{self.source}/out")
        os.symlink("../../../../../../etc", f"{self.source}/up")
        box.output("echo inside > /etc/hostname-inside; ln -s /etc/hostname-inside /mnt/work/own")
        self.assertEqual(box.read("/mnt/work/out"), box.read("/etc/hostname"))
        self.assertEqual(box.read("/mnt/work/up/hostname-inside"), "inside\n")
        self.assertEqual(box.output("ls /mnt/work/../.. | grep -c mnt"), "1\n")
        self.assertEqual(os.path.exists("/etc/hostname-inside"), False)

    def test_processes_with_files_of_the_host_open(self):
        program = """
import time
file = open("/mnt/work/log", "a")
n = 0
while True:
    n += 1
    file.write(f"{n}\\n"); file.flush()
    time.sleep(0.05)
"""
        box = self.mounted("rw")
        box.launch(["/usr/bin/python3", "-c", program])
        self.eventually(lambda: os.path.exists(f"{self.source}/log") and os.path.getsize(f"{self.source}/log") > 0)
        snapshot = box.snapshot(runtime="require")
        box.destroy()
        written = os.path.getsize(f"{self.source}/log")
        restored = self.engine.restore(snapshot)
        self.assertEqual(restored.info["runtime"]["kept"], 1)
        self.eventually(lambda: os.path.getsize(f"{self.source}/log") > written)
        restored.call("sandbox/hibernate")
        written = os.path.getsize(f"{self.source}/log")
        restored.call("sandbox/resume")
        self.eventually(lambda: os.path.getsize(f"{self.source}/log") > written)
        os.unlink(f"{self.source}/log")
        # Without a name, it lives on with who has it open.
        child = restored.fork()[0]
        self.assertEqual(child.info["runtime"]["kept"], 1)
