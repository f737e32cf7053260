"""Memory that a fork finds empty: a copy of its own process keeps it, but for what must be in no two processes."""

from harness.runtime import RuntimeTestCase
from isorun_sandbox import Sandbox

# One area that forks find empty (MADV_WIPEONFORK), one that cannot be written any more, and one that may be dropped (MAP_DROPPABLE), as
# the C library's random number generator has.
PROGRAM = """
import ctypes, mmap, os, sys
ballast = bytearray(8 << 20)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.madvise.argtypes = libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
SIZE, ANONYMOUS, PRIVATE, DROPPABLE, WIPE_ON_FORK = 1 << 20, 0x20, 0x02, 0x08, 18
def area(kind):
    # With a gap, so that no two become neighbours.
    start = libc.mmap(None, 3 * SIZE, 0, ANONYMOUS | kind, -1, 0) + SIZE
    if libc.mprotect(start, SIZE, 3): raise OSError(ctypes.get_errno(), "mprotect")
    ctypes.memset(start, ord("w"), SIZE)
    return start
areas = [area(PRIVATE), area(PRIVATE), area(DROPPABLE)]
for start in areas[:2]:
    if libc.madvise(start, SIZE, WIPE_ON_FORK): raise OSError(ctypes.get_errno(), "madvise")
libc.mprotect(areas[1], SIZE, 1)
def look():
    return ",".join("empty" if not any(seen) else "kept" if seen == b"w" * SIZE else "spoilt"
                    for seen in (ctypes.string_at(start, SIZE) for start in areas))
print("ready", flush=True)
for request in sys.stdin:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, look().encode())
        os._exit(0)
    os.close(writing)
    print(look(), os.read(reading, 100).decode(), "answer", request.split()[0], flush=True)
    os.close(reading)
    os.wait()
"""


class WipedMemoryTests(RuntimeTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()
        self.process = self.box.launch(["/usr/bin/python3", "-c", PROGRAM], stdin=True)
        self.process.attach()
        self.process.wait_for_output("ready\n")

    def seen(self, box: Sandbox) -> str:
        """What the process sees in its areas, and then what a child of it does."""
        return self.ask(box, self.process)

    def test_copies_have_it_and_their_children_do_not(self):
        self.assertEqual(self.seen(self.box), "kept,kept,kept empty,empty,empty")
        snapshot = self.snapshot_whole(self.box)
        self.assertEqual(self.seen(self.box), "kept,kept,kept empty,empty,empty")
        restored = self.engine.restore(snapshot)
        for _ in range(2):
            self.assertEqual(self.seen(restored), "kept,kept,empty empty,empty,empty")
        for child in self.forked_whole(self.box, 2) + self.forked_whole(restored, 1):
            self.assertEqual(self.seen(child), "kept,kept,empty empty,empty,empty")
        self.box.rollback(snapshot)
        self.assertEqual(self.seen(self.box), "kept,kept,empty empty,empty,empty")
        self.sleep_and_wake(self.box)
        self.assertEqual(self.seen(self.box), "kept,kept,empty empty,empty,empty")
