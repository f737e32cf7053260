"""What of the host a sandbox sees on the image `host`: system files read-only underneath, and nothing private."""

import os
import shutil
import tempfile

from harness.case import EngineTestCase


class HostHiddenTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def marked_folder(self, parent):
        """A folder on the host with a marker file, or None where this caller may not write."""
        try:
            folder = tempfile.mkdtemp(prefix="isorun-marker-", dir=parent)
        except OSError:
            return None
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "marker"), "w") as file:
            file.write("host\n")
        return folder

    def host_text(self, folder):
        with open(os.path.join(folder, "marker")) as file:
            return file.read()

    def test_private_folders_of_the_host_are_empty(self):
        homes = [os.path.expanduser("~"), "/tmp", "/var/tmp", "/run", "/dev/shm", "/root", "/home"]
        folders = [f for f in map(self.marked_folder, homes) if f]
        self.assertGreaterEqual(len(folders), 4)
        box = self.engine.create()
        for folder in folders:
            with self.subTest(folder=folder):
                self.assertEqual(box.exec(["/bin/ls", folder])["exitCode"], 2)
        self.assertEqual(box.output("ls -A /home /tmp /var/tmp | grep isorun-marker; true"), "")
        self.assertEqual(box.output("ls -A /run").split(), ["isorun"])

    def test_the_store_is_invisible(self):
        box = self.engine.create()
        self.assertEqual(box.exec(["/bin/ls", self.store])["exitCode"], 2)
        self.assertEqual(box.exec(["/bin/ls", self.folder])["exitCode"], 2)

    def test_a_store_in_a_visible_folder_is_masked(self):
        if self.caller != "root":
            self.skipTest("only root can write where the host's files stay visible")
        store = tempfile.mkdtemp(prefix="isorun-store-", dir="/opt")
        self.addCleanup(shutil.rmtree, store)
        engine = self.start_engine(store=store)
        box = engine.create()
        box.output("echo secret > /root/file")
        self.assertEqual(box.output(f"find {store} -mindepth 1 2>/dev/null; true"), "")
        box.destroy()
        self.assertEqual(engine.close(), 0)

    def test_system_files_are_there(self):
        box = self.engine.create()
        with open("/etc/os-release") as file:
            self.assertEqual(box.output("cat /etc/os-release"), file.read())
        self.assertEqual(box.python("print(6 * 7)"), "42\n")

    def test_secrets_that_only_root_reads(self):
        shown = self.engine.create().exec("cat /etc/shadow")["stdout"]
        if self.caller != "root":
            self.assertEqual(shown, "", "an ordinary user gains nothing by a sandbox")

    def test_system_files_of_the_host_cannot_be_changed(self):
        folder = self.marked_folder("/opt")
        if folder is None:
            return self.assert_new_files_stay_inside()
        box = self.engine.create()
        self.assertEqual(box.output(f"cat {folder}/marker"), "host\n")
        box.output(f"echo inside > {folder}/marker; chmod 777 {folder}; echo new > {folder}/new")
        self.assertEqual(box.output(f"cat {folder}/marker {folder}/new"), "inside\nnew\n")
        self.assertEqual(self.host_text(folder), "host\n")
        box.output(f"rm -rf {folder}")
        self.assertEqual(sorted(os.listdir(folder)), ["marker"])
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o755)
        self.assertEqual(
            self.engine.create().output(f"cat {folder}/marker"), "host\n", "another sandbox sees the host's"
        )

    def assert_new_files_stay_inside(self):
        """As an ordinary user: what is written into a system folder, if it can be, stays in the sandbox."""
        self.engine.create().exec("echo x > /opt/isorun-probe; echo x > /etc/isorun-probe")
        self.assertFalse(os.path.exists("/opt/isorun-probe") or os.path.exists("/etc/isorun-probe"))

    def test_root_installs_into_system_folders(self):
        if self.caller != "root":
            self.skipTest("an ordinary user's sandbox shows system files as owned by nobody")
        box = self.engine.create()
        box.output("echo '#!/bin/sh\necho tool' > /usr/local/bin/isorun-tool && chmod +x /usr/local/bin/isorun-tool")
        self.assertEqual(box.output("isorun-tool"), "tool\n")
        self.assertEqual(box.output("stat -c %u:%g /etc /usr/bin/env"), "0:0\n0:0\n")
        self.assertFalse(os.path.exists("/usr/local/bin/isorun-tool"))

    def test_places_to_write_that_every_sandbox_has(self):
        box = self.engine.create()
        for folder in ("/root", "/tmp", "/var/tmp", "/run", "/home", "/dev/shm"):
            self.assertEqual(box.output(f"echo {folder} > {folder}/file && cat {folder}/file"), f"{folder}\n")
        self.assertEqual(box.output("stat -c %a /tmp /var/tmp"), "1777\n1777\n")

    def test_a_host_file_changed_outside_is_not_open_for_writing_inside(self):
        """No path inside leads to a writable view of a host file, not by /proc either."""
        folder = self.marked_folder("/opt") or self.marked_folder("/tmp")
        box = self.engine.create()
        for prefix in ("", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/../../.."):
            box.exec(f"echo changed > {prefix}{folder}/marker")
        self.assertEqual(self.host_text(folder), "host\n")
