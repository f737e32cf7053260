"""Snapshots of files that are being changed: what was copied before the stop and what was copied in it fit together."""

import json
import os
import signal
import stat
import time
from pathlib import Path

from harness import processes
from harness.case import EngineTestCase
from harness.runtime import RuntimeTestCase
from isorun_client import EngineError, EngineGone

CHURN = Path(__file__).parent / "programs" / "churn.py"
CHURNS = (0, 1)
LIVE_CHURN = 1  # the one that goes on in copies as in the source
SNAPSHOTS = 4

# What becomes a layer, so that deletions leave traces.
LOWER = """
import os
os.makedirs("/data/lower/inner")
for number in range(9):
    open(f"/data/lower/{number}", "w").close()
"""

# One of everything, in more files than are copied in a stop.
FILL = """
import os, time
os.makedirs("/data/folder/inner")
for number in range(300):
    with open(f"/data/folder/{number}", "w") as file:
        file.write(f"{number} " * number)
    os.chmod(f"/data/folder/{number}", 0o600 + number % 64)
    os.utime(f"/data/folder/{number}", ns=(number * 10**9 + 1, number * 10**9 + 2))
for number in range(40):
    os.link(f"/data/folder/{number}", f"/data/folder/inner/link {number}")
    os.symlink(f"../{number}", f"/data/symlink {number}")
    os.mkfifo(f"/data/fifo {number}")
with open("/data/sparse", "wb") as file:
    for place in 0, 3 << 20, 9 << 20:
        file.seek(place)
        file.write(b"data")
os.setxattr("/data/folder/7", "user.colour", b"blue")
os.setxattr("/data/folder/inner", "user.colour", b"red")
os.chmod("/data/folder/8", 0o4755)
for number in range(4):
    os.unlink(f"/data/lower/{number}")
os.rmdir("/data/lower/inner")
os.mkdir("/data/lower/inner")
os.chmod("/data/lower/5", 0o700)
time.sleep(0.1)  # so that nobody takes it for new
"""


def filled(engine):
    """A sandbox with one of everything, in which nothing runs yet."""
    box = engine.create()
    box.python(LOWER)
    box.snapshot()
    box.python(FILL)
    return box


# Everything about the files but the times of the last access.
LIST = """
import hashlib, os, stat
for parent, folders, files in os.walk("/data"):
    folders.sort()
    for name in sorted(folders + files):
        path = os.path.join(parent, name)
        status = os.lstat(path)
        facts = [path, oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns]
        if stat.S_ISREG(status.st_mode):
            facts += [status.st_size, status.st_blocks * 512 < status.st_size]
            facts.append(hashlib.sha256(open(path, "rb").read()).hexdigest())
        if stat.S_ISLNK(status.st_mode):
            facts.append(os.readlink(path))
        facts += [os.getxattr(path, x, follow_symlinks=False) for x in os.listxattr(path, follow_symlinks=False)]
        print(facts)
"""

# Changes what is there when it gets SIGUSR1, in all ways that the two parts of a copy can meet.
CHANGER = """
import mmap, os, shutil, signal, struct, time
def change(*_):
    os.rename("/data/folder/1", "/data/moved")
    os.rename("/data/folder/inner", "/data/inner")
    os.unlink("/data/folder/2")
    with open("/data/folder/3", "a") as file: file.write("more")
    os.link("/data/folder/4", "/data/folder/4b")
    os.chmod("/data/folder/5", 0o604)
    os.chown("/data/folder/6", 1, 2)
    os.setxattr("/data/folder/7", "user.colour", b"green")
    os.truncate("/data/folder/9", 1)
    os.utime("/data/folder/10", ns=(5, 6))
    os.unlink("/data/folder/11"); os.mkdir("/data/folder/11")
    shutil.rmtree("/data/more"); open("/data/more", "w").close()
    os.unlink("/data/symlink 1"); os.symlink("elsewhere", "/data/symlink 1")
    os.unlink("/data/folder/12"); os.symlink("13", "/data/folder/12")
    os.unlink("/data/lower/6")
    shutil.rmtree("/data/lower/inner"); os.mkdir("/data/lower/inner")
    os.unlink("/data/lower/5"); os.mkdir("/data/lower/5")
    struct.pack_into("q", memory, 8, 2)
    open("/tmp/done", "w").close()
signal.signal(signal.SIGUSR1, change)
os.makedirs("/data/more/and/more")
open("/data/more/file", "w").close()
with open("/data/mapped", "w+b") as file:
    file.truncate(4096)
    memory = mmap.mmap(file.fileno(), 4096)
struct.pack_into("q", memory, 0, 1)
time.sleep(0.1)  # so that nobody takes it for new
open("/tmp/ready", "w").close()
while True:
    signal.pause()
"""


class ChurnTests(RuntimeTestCase):
    def churning(self):
        """A sandbox in which programs change files, above a layer with some that are there from the beginning."""
        box = self.engine.create()
        box.write("/root/churn.py", CHURN.read_text())
        for number in CHURNS:
            box.output(f"/usr/bin/python3 /root/churn.py prepare /root/{number}")
        box.snapshot()
        for number in CHURNS:
            box.output(f"setsid /usr/bin/python3 /root/churn.py run /root/{number} {number} < /dev/null > /dev/null 2>&1 &")
            box.wait_until(f"test -s /root/{number}/log")
        return box

    def changes(self, box, number: int) -> int:
        """How many changes one of the programs has made, when the tree is as it is after so many."""
        result = box.exec(f"/usr/bin/python3 /root/churn.py check /root/{number} {number}", timeoutMs=120_000)
        self.assertEqual(result["exitCode"], 0, result["stdout"] + result["stderr"])
        return int(result["stdout"])

    def check_files(self, box) -> list[int]:
        return [self.changes(box, number) for number in CHURNS]

    def check_processes(self, box, made: int) -> None:
        """What is in memory goes on where the files are."""
        self.eventually(lambda: self.log(box, LIVE_CHURN) > made + 20, message="the changes do not go on")
        box.output("pkill -KILL -f '[c]hurn.py run'")
        box.wait_until("! pgrep -f '[c]hurn.py run'")
        self.changes(box, LIVE_CHURN)

    def log(self, box, number: int) -> int:
        return int.from_bytes(box.read_bytes(f"/root/{number}/log")[8:16], "little")

    def test_files_and_memory_are_of_one_moment(self):
        box = self.churning()
        snapshots = []
        for number in range(SNAPSHOTS):
            time.sleep(0.3 * (number % 3))
            snapshots.append(self.snapshot_whole(box))
        children = self.forked_whole(box, 2)
        before = []
        for snapshot in snapshots:
            files = self.engine.restore(snapshot, runtime="none")
            made = self.check_files(files)
            self.assertTrue(all(now >= then for now, then in zip(made, before)), (before, made))
            before = made
            files.destroy()
            live = self.engine.restore(snapshot)
            self.check_processes(live, made[LIVE_CHURN])
            live.destroy()
        for child in children:
            self.check_processes(child, before[LIVE_CHURN])
        self.check_processes(box, before[LIVE_CHURN])
        self.check_files(box)

    def test_what_was_restored_is_captured_again(self):
        box = self.churning()
        for _ in range(2):
            box = self.engine.restore(self.snapshot_whole(box))
            time.sleep(0.5)
        snapshot = self.snapshot_whole(box)
        self.engine.restore(snapshot)
        box.rollback(snapshot)
        files = self.engine.restore(self.snapshot_whole(box), runtime="none")
        self.check_processes(box, self.changes(files, LIVE_CHURN))


class QuietTests(RuntimeTestCase):
    def test_what_stays_as_it_is_is_copied_exactly(self):
        box = filled(self.engine)
        box.output("setsid sleep 100000 < /dev/null > /dev/null 2>&1 &")
        expected = box.python(LIST)
        self.assertGreater(expected.count("\n"), 400)
        for number in range(3):
            with self.subTest(snapshot=number):
                snapshot = self.snapshot_whole(box)
                restored = self.engine.restore(snapshot, runtime="none")
                self.assertEqual(restored.python(LIST), expected)
                restored.output("echo mine > /data/folder/100; rm /data/folder/101; chmod 0 /data/folder/102")
                self.assertEqual(box.python(LIST), expected)
                restored.destroy()
        with self.subTest("the second snapshot without the first ones"):
            for other in self.engine.call("snapshot/list", {})["snapshots"]:
                if other["id"] != snapshot["id"]:
                    self.engine.call("snapshot/delete", {"snapshotId": other["id"]})
            self.engine.call("engine/gc", {})
            self.assertEqual(self.engine.restore(snapshot, runtime="none").python(LIST), expected)
            again = self.snapshot_whole(box)
            self.assertEqual(self.engine.restore(again, runtime="none").python(LIST), expected)


class LayerTests(EngineTestCase):
    callers = ("root",)  # who alone may look into the store, and signal processes from outside
    starts_engine = False

    def snapshot_whole(self, box) -> dict:
        return box.snapshot(runtime="require")

    def layer(self, snapshot: dict) -> Path:
        """The topmost layer of a snapshot."""
        with open(Path(self.store, "snapshots", snapshot["id"], "manifest.json")) as file:
            return Path(self.store, "layers", json.load(file)["payload"]["layers"][0], "content")

    def upper(self, box) -> Path:
        (upper,) = Path(self.store, "sandboxes", box.id).glob("files-*/upper")
        return upper

    def describe(self, root: Path) -> dict:
        """Everything that the filesystem tells of the files, but the inodes, and what takes part in other layers."""
        facts, first = {}, {}
        for parent, folders, files in os.walk(root):
            folders.sort()
            for name in sorted([*folders, *files, "."]):
                path = os.path.join(parent, name)
                status = os.lstat(path)
                inside = os.path.relpath(path, root)
                own = [oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev,
                       sorted((x, os.getxattr(path, x, follow_symlinks=False))
                              for x in os.listxattr(path, follow_symlinks=False))]
                if not stat.S_ISDIR(status.st_mode):
                    own += [status.st_size, first.setdefault(status.st_ino, inside)]
                if stat.S_ISREG(status.st_mode):
                    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOATIME)) as file:
                        own += [file.read(), status.st_atime_ns]
                if stat.S_ISLNK(status.st_mode):
                    own.append(os.readlink(path))
                facts[inside] = own
        return facts

    def assert_alike(self, layer: Path, upper: Path) -> None:
        found, expected = self.describe(layer), self.describe(upper)
        for path in sorted({*found, *expected}):
            self.assertEqual(found.get(path), expected.get(path), path)

    def test_what_changes_between_the_two_parts(self):
        go = os.path.join(self.folder, "go")
        engine = self.start_engine(env={"ISORUN_FAULT": f"capture.files-ahead=wait:{go}"})
        box = filled(engine)
        box.write("/root/changer.py", CHANGER)
        box.output("setsid /usr/bin/python3 /root/changer.py < /dev/null > /dev/null 2>&1 &")
        box.wait_until("test -e /tmp/ready")
        request = box.send("sandbox/snapshot", runtime="require")
        self.eventually(lambda: os.path.isdir(go + ".reached"), message="the point is not reached")
        (staged,) = Path(self.store, "staging").glob("*/*/content")
        self.assertGreater(len(list((staged / "data/folder").iterdir())), 300, "nothing was copied before the stop")
        (changer,) = [pid for pid in processes.descendants(engine.launcher_pid) if "changer.py" in processes.describe(pid)]
        os.kill(changer, signal.SIGUSR1)
        self.eventually((self.upper(box) / "tmp/done").exists, message="the changes are not made")
        open(go, "w").close()
        snapshot = request.result(60)
        self.assert_alike(self.layer(snapshot), self.upper(box))
        self.assertEqual((self.layer(snapshot) / "data/mapped").read_bytes()[:16], bytes([1] + [0] * 7 + [2] + [0] * 7))

    def test_a_second_snapshot_shares_what_is_unchanged(self):
        self.engine = self.start_engine()
        box = filled(self.engine)
        box.output("setsid sleep 100000 < /dev/null > /dev/null 2>&1 &")
        first = self.snapshot_whole(box)
        self.assert_alike(self.layer(first), self.upper(box))
        box.output("echo changed > /data/folder/50; rm /data/folder/51; mv /data/folder/inner /data/elsewhere")
        second = self.snapshot_whole(box)
        self.assert_alike(self.layer(second), self.upper(box))

        def inode(snapshot, name):
            return (self.layer(snapshot) / name).stat().st_ino

        self.assertEqual(inode(first, "data/folder/60"), inode(second, "data/folder/60"))
        self.assertNotEqual(inode(first, "data/folder/50"), inode(second, "data/folder/50"))
        self.assertEqual(second["sizeBytes"] > first["sizeBytes"] / 2, True)


class FailureTests(EngineTestCase):
    starts_engine = False

    def staged_layers(self) -> list[Path]:
        """Those that no snapshot has; who is not root may not look into them."""
        return list(Path(self.store, "staging").glob("*/layer*"))

    def box_with_files(self, engine):
        box = filled(engine)
        box.launch(["sleep", "100000"])
        return box

    def test_a_capture_that_fails_between_the_two_parts(self):
        self.engine = self.start_engine(env={"ISORUN_FAULT": "capture.files-ahead=fail"})
        box = self.box_with_files(self.engine)
        expected = box.python(LIST)
        with self.assertRaises(EngineError) as caught:
            box.fork(2)
        self.assertIn("capture.files-ahead", str(caught.exception))
        self.assertEqual(self.staged_layers(), [])
        self.assertEqual(box.python(LIST), expected)
        self.assertEqual(self.engine.restore(box.snapshot(), runtime="none").python(LIST), expected)

    def test_the_engine_is_killed_between_the_two_parts(self):
        engine = self.start_engine(env={"ISORUN_FAULT": "capture.files-ahead=kill"})
        box = self.box_with_files(engine)
        with self.assertRaises((EngineGone, OSError)):
            box.snapshot()
        self.assertNotEqual(engine.wait(30), 0)
        self.engine = self.start_engine()
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
        self.assertEqual(self.staged_layers(), [])
