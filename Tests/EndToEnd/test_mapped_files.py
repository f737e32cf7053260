"""Private mappings of files that change after a capture: copies see the file as it was then, in the mapping and in the file itself."""

from harness.runtime import RuntimeTestCase
from isorun_process import Process
from isorun_sandbox import Sandbox

# Maps a file of one letter per page without touching it, but for one page that it makes its own, and says what it sees when asked.
# Its other memory is large enough that second captures copy only what was written.
PROGRAM = """
import mmap, sys
path, ballast = sys.argv[1], bytearray(8 << 20)
def map_file():
    with open(path, "r+b") as file:
        area = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE)
    area[2 * mmap.PAGESIZE] = ord("X")
    return area
area = map_file()
print("ready", flush=True)
for request in sys.stdin:
    number, what = request.split()
    if what == "again":
        area.close()
        area = map_file()
    mapped = bytes(area[page * mmap.PAGESIZE] for page in range(len(area) // mmap.PAGESIZE))
    with open(path, "rb") as file:
        read = file.read()[::mmap.PAGESIZE]
    print(mapped.decode(), read.decode(), "answer", number, flush=True)
"""
WRITE = """
import os, sys
path, letters = sys.argv[1:]
file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
for page, letter in enumerate(letters): os.pwrite(file, letter.encode() * 4096, page * 4096)
"""


class MappedFileTests(RuntimeTestCase):
    PATH = "/root/mapped"

    def setUp(self):
        super().setUp()
        self.box = self.engine.create()
        self.process = self.start(self.PATH)

    def start(self, path: str) -> Process:
        self.write(self.box, "abcd", path)
        process = self.box.launch(["/usr/bin/python3", "-c", PROGRAM, path], stdin=True)
        process.attach()
        process.wait_for_output("ready\n")
        return process

    def write(self, box: Sandbox, letters: str, path: str = PATH) -> None:
        """Changes the file in place, a letter for each page."""
        box.output(["/usr/bin/python3", "-c", WRITE, path, letters])

    def seen(self, box: Sandbox, process: Process | None = None, request: str = "look") -> str:
        """What the process sees in the mapping, and in the file when it opens it."""
        return self.ask(box, process or self.process, request)

    def test_a_restored_copy_sees_the_file_of_the_capture(self):
        snapshot = self.snapshot_whole(self.box)
        self.write(self.box, "ABCD")
        self.assertEqual(self.seen(self.box), "ABXD ABCD")
        restored = self.engine.restore(snapshot)
        self.assertEqual(self.seen(restored), "abXd abcd")
        self.box.destroy()
        self.assertEqual(self.seen(restored), "abXd abcd")
        self.assertEqual(self.seen(self.engine.restore(snapshot)), "abXd abcd")

    def test_forks_see_it_and_change_their_own(self):
        children = self.forked_whole(self.box, 2)
        self.write(self.box, "ABCD")
        self.write(children[0], "efgh")
        self.assertEqual(self.seen(children[1]), "abXd abcd")
        self.assertEqual(self.seen(children[0]).split()[1], "efgh")
        # And so do the copies of copies.
        grandchildren = self.forked_whole(children[1], 2)
        self.write(children[1], "ijkl")
        self.assertEqual(self.seen(grandchildren[0]), "abXd abcd")

    def test_a_rollback_brings_it_back(self):
        snapshot = self.snapshot_whole(self.box)
        self.write(self.box, "ABCD")
        self.box.rollback(snapshot)
        self.assertEqual(self.seen(self.box), "abXd abcd")

    def test_hibernation_keeps_it(self):
        self.sleep_and_wake(self.box)
        self.assertEqual(self.seen(self.box), "abXd abcd")

    def test_it_may_be_gone_when_the_copy_is_made(self):
        snapshot = self.snapshot_whole(self.box)
        self.box.output(f"rm {self.PATH}")
        restored = self.engine.restore(snapshot)
        self.assertEqual(self.seen(restored), "abXd abcd")
        (copy,) = restored.processes()
        self.assertIn(f" {self.PATH}\n", restored.read(f"/proc/{copy.pid}/maps"))

    def test_another_file_mapped_at_its_place_later_is_another_one(self):
        self.snapshot_whole(self.box)
        self.box.output(f"rm {self.PATH}")
        self.write(self.box, "efgh")
        self.assertEqual(self.seen(self.box, request="again"), "efXh efgh")
        snapshot = self.snapshot_whole(self.box)
        self.write(self.box, "EFGH")
        self.assertEqual(self.seen(self.engine.restore(snapshot)), "efXh efgh")

    def test_files_of_shared_memory_too(self):
        process = self.start("/dev/shm/mapped")
        snapshot = self.snapshot_whole(self.box)
        self.write(self.box, "ABCD", "/dev/shm/mapped")
        self.assertEqual(self.seen(self.engine.restore(snapshot), process), "abXd abcd")

    def test_a_program_that_runs_from_such_a_file(self):
        self.box.output("cp /usr/bin/sleep /root/own-sleep; /root/own-sleep 1000 >/dev/null 2>&1 &")
        snapshot = self.snapshot_whole(self.box)
        self.box.output("rm /root/own-sleep")
        restored = self.engine.restore(snapshot)
        pid = restored.output("pidof own-sleep").strip()
        self.assertEqual(restored.output(f"readlink /proc/{pid}/exe"), "/root/own-sleep\n")
        self.assertEqual(restored.output(f"cmp /proc/{pid}/exe /usr/bin/sleep && echo same"), "same\n")
