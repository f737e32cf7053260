"""An image as README says how to make one: by mmdebstrap, without any registry.

It takes minutes and Debian's package servers, so it runs when ISORUN_DEBIAN_IMAGE=1 asks for it.
"""

import os
import shutil
import subprocess

from harness.case import ENGINE, EngineTestCase


def load_tests(loader, tests, pattern):
    """None of these tests unless they were asked for: one that is skipped would fail where all are required."""
    return tests if os.environ.get("ISORUN_DEBIAN_IMAGE") == "1" else loader.suiteClass()


class DebianImageTests(EngineTestCase):
    # Without subordinate ids mmdebstrap makes nothing.
    callers = ("root", "user")

    def setUp(self):
        super().setUp()
        if not shutil.which("mmdebstrap"):
            self.skipTest("the program mmdebstrap is missing")

    def test_python_of_debian(self):
        archive = os.path.join(self.folder, "python.tar")
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "TMPDIR": self.folder}
        mmdebstrap = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3", "bookworm", archive]
        command = [ENGINE, "--store", self.store, "image", "import", archive, "python:debian"]
        for words in (mmdebstrap, command):
            done = subprocess.run(words, env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        box = self.engine.create(image="python:debian")
        self.assertEqual(box.output("python3 -c 'import sys; print(sys.version_info[:2])'"), "(3, 11)\n")
        self.assertEqual(box.output("dpkg --audit; stat -c %U:%G:%a /etc/shadow /usr/bin/passwd"),
                         "root:shadow:640\nroot:root:4755\n")
        # Users of its own, package scripts, and a package's configuration work.
        box.output("useradd --create-home somebody && dpkg-reconfigure --frontend noninteractive base-files")
        self.assertEqual(box.output("touch here && stat -c %U here", user="somebody", cwd="/home/somebody"), "somebody\n")
        box.output(["python3", "-c", "import venv; open('/root/ready', 'w').write('yes')"])
        snapshot = box.snapshot()
        box.destroy()
        self.assertEqual(self.engine.restore(snapshot).read("/root/ready"), "yes")
