"""What was typed into a terminal and not read yet: the source reads it as if nothing had been, and so do copies. What cannot be kept
is told."""

from harness.runtime import RuntimeTestCase
from isorun_process import Process
from isorun_sandbox import Sandbox

SIZE = {"cols": 100, "rows": 30}
# Reads nothing before it is told to, and then all.
WAIT = "until [ -e /tmp/go ]; do sleep 0.02; done; "
BY_LINES = WAIT + 'read one; read two; echo "<$one|$two>"'
TO_THE_END = WAIT + "od -An -c; echo then; cat; echo end"
RAW = "stty raw -echo; echo ready; " + WAIT + "dd bs=1 count=260 status=none | md5sum; stty sane; echo end"
# A terminal of its own, in packet mode.
PACKETED = """
import fcntl, os, pty, struct, termios, time
master, slave = pty.openpty()
fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
print("ready", flush=True)
time.sleep(1000)
"""


class UnreadTerminalTests(RuntimeTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def launch(self, command: str) -> Process:
        process = self.box.launch(command, pty=SIZE)
        process.attach()
        return process

    def type(self, process: Process, text: str | bytes, echo: str) -> None:
        process.write(text)
        process.wait_for_output(echo)

    def everywhere(self, process: Process) -> list[Process]:
        """The process in the source after all that is done to it, and in copies of every kind."""
        snapshot = self.snapshot_whole(self.box)
        boxes: list[Sandbox] = [self.engine.restore(snapshot), *self.forked_whole(self.box, 2)]
        boxes += self.forked_whole(boxes[0], 1)
        other = self.engine.restore(snapshot)
        other.rollback(self.snapshot_whole(other))
        self.sleep_and_wake(other)
        copies = [p for box in [other, *boxes] for p in box.processes() if p.id == process.id]
        for copy in copies:
            copy.attach()
        return [process, *copies]

    def go(self, process: Process) -> bytes:
        process.box.output("touch /tmp/go")
        process.wait_for_end()
        return process.output()

    def test_a_line_and_half_a_line(self):
        process = self.launch(BY_LINES)
        self.type(process, "first\nseco", echo="first\r\nseco")
        for copy in self.everywhere(process):
            # What is left of the line, with a character that is taken back.
            copy.write("xnd\x7f\x7f\x7fnd\n")
            output = self.go(copy)
            self.assertTrue(output.startswith(b"first\r\nsecoxnd\b \b"), output)
            self.assertTrue(output.endswith(b"nd\r\n<first|second>\r\n"), output)
            self.assertEqual(output.count(b"first\r\n"), 1, output)

    def test_ends_of_the_input_and_characters_that_mean_something(self):
        process = self.launch(TO_THE_END)
        # Without a line feed, an end in the midst of a line, an end by itself; before it an interrupt and a stop that are quoted.
        self.type(process, "\x16\x03\x16\x13a\x04b\x04\x04second\n\x04", echo="second\r\n")
        for copy in self.everywhere(process):
            output = self.go(copy).decode()
            self.assertRegex(output, r"003 023 +a +b\r\nthen\r\nsecond\r\nend\r\n$")

    def test_a_raw_terminal(self):
        process = self.launch(RAW)
        process.wait_for_output("ready")
        every_byte = bytes(range(256))
        process.write(every_byte)
        self.box.wait_until(f"test $(stty -F /dev/pts/0 -a | grep -c -- -icanon) = 1")
        for copy in self.everywhere(process):
            copy.write(b"last")
            output = self.go(copy).decode()
            expected = self.box.python(f"import hashlib; print(hashlib.md5(bytes(range(256)) + b'last').hexdigest())")
            self.assertIn(expected.strip(), output)

    def test_what_cannot_be_kept_is_told(self):
        process = self.box.launch(["/usr/bin/python3", "-c", PACKETED])
        process.attach()
        process.wait_for_output("ready\n")
        loss = "what lies unread in its terminal /dev/pts/0 is lost"
        self.assertIn(loss, str(self.box.call("sandbox/explain")))
        (reset,) = self.box.snapshot(runtime="require")["runtime"]["reset"]
        self.assertIn(loss, str(reset))
