"""No path, link, `..`, /proc trick or race inside a sandbox reads or writes a file outside of it."""

import os
import threading
import time

from isorun_client import EngineError
from harness.case import EngineTestCase

SECRET = "host secret"


class EscapeTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.outside = os.path.join(self.folder, "outside")
        os.mkdir(self.outside)
        self.marker = os.path.join(self.outside, "marker")
        with open(self.marker, "w") as file:
            file.write(SECRET)
        os.chmod(self.outside, 0o777)
        os.chmod(self.marker, 0o666)
        self.box = self.engine.create()
        self.addCleanup(self.assert_host_untouched)

    def assert_host_untouched(self):
        with open(self.marker) as file:
            self.assertEqual(file.read(), SECRET)
        self.assertEqual(os.listdir(self.outside), ["marker"])

    def assert_harmless(self, path):
        """Every method on a path that would reach the host's marker if it led out."""
        for method, params in (
            ("fs/read", {"path": path}),
            ("fs/stat", {"path": path}),
            ("fs/write", {"path": path, "data": "changed"}),
            ("fs/write", {"path": path, "data": "appended", "append": True}),
            ("fs/remove", {"path": path}),
            ("fs/move", {"from": path, "to": "/root/stolen"}),
            ("fs/mkdir", {"path": path + "-folder"}),
            ("fs/copyOut", {"path": path, "destination": os.path.join(self.folder, "stolen")}),
        ):
            try:
                result = self.box.call(method, **params)
            except EngineError:
                continue
            self.assertNotIn(SECRET, str(result), f"{method} {path}")
            self.assertNotEqual((result or {}).get("size"), len(SECRET), f"{method} {path}")
        stolen = os.path.join(self.folder, "stolen")
        if os.path.isfile(stolen):
            with open(stolen) as file:
                self.assertNotEqual(file.read(), SECRET)
            os.unlink(stolen)
        self.assert_host_untouched()

    def test_absolute_links(self):
        self.box.output(f"ln -s {self.marker} /root/file; ln -s {self.outside} /root/folder; ln -s / /root/top")
        for path in ("/root/file", "/root/folder/marker", f"/root/top{self.marker}"):
            self.assert_harmless(path)

    def test_relative_links_that_climb(self):
        up = "../" * 40
        self.box.output(f"ln -s {up}{self.marker[1:]} /root/file; ln -s {up} /root/up")
        for path in ("/root/file", f"/root/up{self.marker}", "/root/up/.." + self.marker):
            self.assert_harmless(path)

    def test_paths_that_climb(self):
        for path in ("/.." * 40 + self.marker, "/root" + "/.." * 40 + self.marker, "/./../" + self.marker[1:]):
            self.assert_harmless(path)

    def test_links_of_proc(self):
        waiting = self.box.start("sleep 1000")
        self.box.wait_until("grep -qs '^sleep$' /proc/[0-9]*/comm")
        pids = self.box.output("cd /proc; echo [0-9]*").split()
        for pid in ["self", "thread-self", *pids]:
            for link in ("root", "cwd", "exe", "fd/0", "fd/1", "fd/3", "task/1/root"):
                self.assert_harmless(f"/proc/{pid}/{link}")
                self.assert_harmless(f"/proc/{pid}/{link}{self.marker}")
        self.engine.cancel(waiting)

    def test_a_link_to_a_link_of_proc(self):
        self.box.output("ln -s /proc/self/root /root/self; ln -s /proc/1/root /root/init; ln -s /proc/self/fd /root/fd")
        for name in ("self", "init"):
            self.assert_harmless(f"/root/{name}{self.marker}")
        for fd in range(30):
            self.assert_harmless(f"/root/fd/{fd}")
            self.assert_harmless(f"/root/fd/{fd}{self.marker}")

    def test_a_descriptor_of_the_host_is_not_reachable_by_dev(self):
        for path in ("/dev/fd/0", "/dev/stdin", "/dev/fd/5/../.." + self.marker):
            self.assert_harmless(path)

    def test_links_that_loop(self):
        self.box.output("ln -s loop /root/loop; ln -s b /root/a; ln -s a /root/b")
        for path in ("/root/loop", "/root/a", "/root/a/x"):
            for method in ("fs/read", "fs/list"):
                self.assertLess(self.box.send(method, path=path).error().code, 2000)

    def test_a_link_inside_stays_inside(self):
        """An absolute link means the sandbox's own root: it is followed there."""
        self.box.output("mkdir -p /root/inner; echo inside > /root/inner/file; ln -s /root/inner /tmp/link")
        self.assertEqual(self.box.read("/tmp/link/file"), "inside\n")
        self.box.output(f"mkdir -p {self.outside}; echo inside > {self.marker}; ln -s {self.marker} /root/same-path")
        self.assertEqual(self.box.read("/root/same-path"), "inside\n")
        self.assertEqual(self.box.read(self.marker), "inside\n")

    def test_a_folder_that_is_swapped_for_a_link_meanwhile(self):
        program = f"""
import ctypes, os
libc = ctypes.CDLL(None)
os.makedirs("/root/race/real/d")
open("/root/race/real/d/marker", "w").write("inside")
os.rename("/root/race/real/d", "/root/race/d")
os.symlink({self.outside!r}, "/root/race/link")
open("/root/ready", "w").close()
while not os.path.exists("/root/stop"):
    for _ in range(1000):
        libc.renameat2(-100, b"/root/race/d", -100, b"/root/race/link", 2)
"""
        swapping = self.box.start(["/usr/bin/python3", "-c", program])
        self.box.wait_until("test -e /root/ready")
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            requests = [
                self.box.send("fs/read", path="/root/race/d/marker"),
                self.box.send("fs/write", path="/root/race/d/marker", data="inside"),
                self.box.send("fs/write", path="/root/race/d/other", data="inside", createParents=True),
                self.box.send("fs/list", path="/root/race/d"),
                self.box.send("fs/list", path="/root/race", recursive=True),
                self.box.send("fs/remove", path="/root/race/d/other"),
            ]
            for request in requests:
                try:
                    self.assertNotIn(SECRET, str(request.result()))
                except EngineError:
                    pass
        self.box.write("/root/stop", "")
        self.assertEqual(swapping.result()["exitCode"], 0)

    def test_a_recursive_remove_that_is_raced(self):
        self.box.output("mkdir -p /root/race/d; ln -s " + self.outside + " /root/race/link")
        program = """
import ctypes, os
libc = ctypes.CDLL(None)
while not os.path.exists("/root/stop"):
    libc.renameat2(-100, b"/root/race/d", -100, b"/root/race/link", 2)
"""
        swapping = self.box.start(["/usr/bin/python3", "-c", program])
        for _ in range(100):
            try:
                self.box.call("fs/remove", path="/root/race/d", recursive=True)
            except EngineError:
                pass
            self.box.exec(
                f"mkdir -p /root/race; mkdir /root/race/d; touch /root/race/d/x; ln -s {self.outside} /root/race/link"
            )
        self.box.write("/root/stop", "")
        swapping.result()

    def test_copy_in_does_not_write_through_a_link(self):
        source = os.path.join(self.folder, "source")
        os.mkdir(source)
        with open(os.path.join(source, "marker"), "w") as file:
            file.write("copied in")
        self.box.output(f"ln -s {self.outside} /root/target; ln -s {self.marker} /root/one")
        for path, origin in (("/root/target", source), ("/root/one", os.path.join(source, "marker"))):
            try:
                self.box.call("fs/copyIn", source=origin, path=path)
            except EngineError:
                pass
        self.assert_host_untouched()

    def test_copy_out_takes_links_as_links_and_does_not_write_through_them(self):
        self.box.output(
            f"mkdir /root/t; ln -s {self.marker} /root/t/file; ln -s {self.outside} /root/t/folder; mkfifo /root/t/fifo"
        )
        destination = os.path.join(self.folder, "copied")
        try:
            self.box.call("fs/copyOut", path="/root/t", destination=destination)
        except EngineError as error:
            self.assertLess(error.code, 2000)
        else:
            self.assertTrue(os.path.islink(os.path.join(destination, "file")))
            self.assertTrue(os.path.islink(os.path.join(destination, "folder")))

    def test_a_tree_that_changes_while_it_is_copied_out(self):
        program = f"""
import ctypes, os
libc = ctypes.CDLL(None)
os.makedirs("/root/t/d")
for n in range(50):
    open("/root/t/d/%d" % n, "w").write("inside")
open("/root/t/d/marker", "w").write("inside")
os.symlink({self.outside!r}, "/root/t/link")
while not os.path.exists("/root/stop"):
    libc.renameat2(-100, b"/root/t/d", -100, b"/root/t/link", 2)
"""
        swapping = self.box.start(["/usr/bin/python3", "-c", program])
        self.box.wait_until("test -L /root/t/link || test -L /root/t/d")
        for n in range(40):
            destination = os.path.join(self.folder, f"copy{n}")
            try:
                self.box.call("fs/copyOut", path="/root/t", destination=destination)
            except EngineError:
                continue
            for name in ("d", "link"):
                copied = os.path.join(destination, name)
                if (
                    os.path.isdir(copied)
                    and not os.path.islink(copied)
                    and os.path.exists(os.path.join(copied, "marker"))
                ):
                    with open(os.path.join(copied, "marker")) as file:
                        self.assertNotEqual(file.read(), SECRET)
        self.box.write("/root/stop", "")
        swapping.result()

    def test_many_threads_of_requests_on_one_racing_path(self):
        self.box.output(f"mkdir -p /root/d; ln -s {self.outside} /root/l")
        failures = []

        def hammer():
            for _ in range(30):
                try:
                    self.box.call("fs/write", path="/root/x/marker", data="inside")
                except EngineError:
                    pass
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=hammer) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            self.box.exec("ln -sfn /root/d /root/x; ln -sfn /root/l /root/x")
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
