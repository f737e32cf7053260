"""What an epoll set watches and nobody in the snapshot has open is told, never silently lost."""

from harness.runtime import RuntimeTestCase

# A set that watches a socket which only a child has: under a number that is closed here, or given to another file.
PROGRAM = """
import os, select, socket, sys
left, right = socket.socketpair()
reading, writing = os.pipe()
if os.fork() == 0:
    left.close()
    os.mkdir("/tmp/gone")
    os.chdir("/tmp/gone")
    {deletion}
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)
watched = select.epoll()
watched.register(right, select.EPOLLIN)
watched.register(reading, select.EPOLLIN)
number = right.fileno()
right.close()
if {reuse}: os.dup2(0, number)
sys.stdout.write("")
left.send(b"x")
os.write(writing, b"y")
while not os.path.exists("/tmp/look"): select.select([], [], [], 0.01)
print(sorted("socket" if fd == number else "pipe" for fd, _ in watched.poll(0)), flush=True)
while True: select.select([], [], [], 1)
"""


class PollSetTests(RuntimeTestCase):
    def start(self, deletion: str = "pass", reuse: bool = False):
        box = self.engine.create()
        process = box.launch(["/usr/bin/python3", "-c", PROGRAM.format(deletion=deletion, reuse=reuse)], stdin=True)
        process.attach()
        process.wait_for_output("ready\n")
        box.wait_until(f"grep -q '^tfd' /proc/{process.pid}/fdinfo/*")
        return box, process

    def watches(self, box, process) -> str:
        (copy,) = [p for p in box.processes() if p.id == process.id]
        box.output("touch /tmp/look")
        copy.attach()
        return copy.wait_for_output("]\n").decode().splitlines()[-1]

    def test_what_another_process_has_is_watched_on(self):
        for reuse in (False, True):
            box, process = self.start(reuse=reuse)
            snapshot = self.snapshot_whole(box)
            copies = [self.engine.restore(snapshot), *self.forked_whole(box, 2)]
            self.sleep_and_wake(box)
            for copy in [*copies, box]:
                self.assertEqual(self.watches(copy, process), "['pipe', 'socket']")

    def test_what_only_a_dropped_process_has_is_told(self):
        box, process = self.start(deletion='os.rmdir("/tmp/gone")')
        loss = "its epoll set watches a file that nobody in the snapshot has open: it watches that no more"
        self.assertIn(loss, str(box.call("sandbox/explain")))
        snapshot = box.snapshot(runtime="auto")
        self.assertEqual(len(snapshot["runtime"]["dropped"]), 1)
        # The other end of its socket is gone too, which is told as well.
        self.assertEqual([loss in str(reset) for reset in snapshot["runtime"]["reset"]].count(True), 1)
        self.assertEqual(self.watches(self.engine.restore(snapshot), process), "['pipe']")
        self.assertEqual(self.watches(box, process), "['pipe', 'socket']")
