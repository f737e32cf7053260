"""Processes with an id in snapshots, forks, rollbacks and hibernation: same id, same pid, and still connected."""

from harness.case import EngineTestCase
from isorun_process import Process
from isorun_sandbox import Sandbox

# Counts what it is told.
COUNTER = """
import sys
total = 0
print("ready", flush=True)
for line in sys.stdin:
    total += int(line)
    print("total", total, flush=True)
print("end", total, flush=True)
sys.exit(total % 256)
"""
SIZE = {"cols": 90, "rows": 25}


class LiveProcessTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def counter(self):
        process = self.box.launch(["/usr/bin/python3", "-c", COUNTER], stdin=True)
        process.attach()
        process.wait_for_output("ready\n")
        return process

    def again(self, process: Process, box: Sandbox) -> Process:
        """The same process in a sandbox that has it from a capture."""
        (found,) = [p for p in box.processes() if p.id == process.id]
        self.assertEqual((found.pid, found.info["status"]), (process.pid, "running"))
        self.assertEqual(found.info["command"], process.info["command"])
        return found

    def restored(self, snapshot: dict) -> Sandbox:
        info = self.engine.call("sandbox/restore", {"snapshotId": snapshot["id"]})
        return Sandbox(self.engine, info)

    def test_a_restored_process_goes_on_where_it_was(self):
        process = self.counter()
        process.write("5\n")
        process.wait_for_output("total 5\n")
        snapshot = self.box.snapshot(runtime="require")
        process.write("100\n")
        process.wait_for_output("total 105\n")

        copy = self.again(process, self.restored(snapshot))
        self.assertEqual(copy.info["outputCursor"], len("ready\ntotal 5\n"))
        self.assertEqual(copy.attach(0), 0)
        copy.wait_for_output("ready\ntotal 5\n")
        copy.write("7\n")
        self.assertEqual(copy.wait_for_output("total 12\n"), b"ready\ntotal 5\ntotal 12\n")
        copy.close_stdin()
        self.assertEqual(copy.wait()["exitCode"], 12)
        self.assertEqual(copy.wait_for_exit()["exitCode"], 12)
        self.assertEqual(copy.wait_for_end()["reason"], "eof")
        # The original knows nothing of that.
        process.close_stdin()
        self.assertEqual(process.wait()["exitCode"], 105)

    def test_input_on_its_way_is_neither_lost_nor_doubled(self):
        program = "echo ready; until [ -e /tmp/go ]; do sleep 0.02; done; cat"
        process = self.box.launch(program, stdin=True)
        process.attach()
        process.wait_for_output("ready\n")
        process.write("before\n")
        snapshot = self.box.snapshot(runtime="require")
        process.write("only here\n")
        box = self.restored(snapshot)
        copy = self.again(process, box)
        copy.attach()
        copy.write("after\n")
        for handle, expected in ((copy, b"ready\nbefore\nafter\n"), (process, b"ready\nbefore\nonly here\n")):
            handle.box.output("touch /tmp/go")
            handle.close_stdin()
            handle.wait_for_end()
            self.assertEqual(handle.output(), expected)

    def test_output_is_neither_lost_nor_doubled(self):
        # As fast as it can, through a pipe that is full most of the time.
        process = self.box.launch("i=0; while :; do i=$((i+1)); echo $i; done")
        process.attach()
        process.wait_for_output("\n2000\n")
        process.detach()
        snapshot = self.box.snapshot(runtime="require")
        copy = self.again(process, self.restored(snapshot))
        cursor = copy.attach(max(0, copy.info["outputCursor"] - 1000))
        self.assertGreaterEqual(copy.info["outputCursor"], cursor)
        self.eventually(lambda: len(copy.output()) > 20_000)
        copy.signal("SIGKILL")
        numbers = [int(line) for line in copy.output().split(b"\n")[1:-1]]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        process.signal("SIGKILL")

    def test_hibernated_and_resumed(self):
        process = self.counter()
        process.write("3\n")
        process.wait_for_output("total 3\n")
        self.box.call("sandbox/hibernate")
        self.assertEqual(process.wait_for_end()["reason"], "interrupted")
        self.box.call("sandbox/resume")
        # It has not ended, and is not told to have.
        self.assertEqual(process.notifications("exited"), [])
        copy = self.again(process, self.box)
        copy.attach(copy.info["outputCursor"])
        copy.write("4\n")
        copy.wait_for_output("total 7\n")
        wait = copy.send("wait")
        copy.close_stdin()
        self.assertEqual(wait.result()["exitCode"], 7)

    def test_five_children_are_written_to_apart(self):
        process = self.counter()
        process.write("1\n")
        process.wait_for_output("total 1\n")
        children = [self.again(process, box) for box in self.box.fork(5, runtime="require")]
        for n, child in enumerate(children):
            child.attach()
            child.write(f"{10 * n}\n")
        for n, child in enumerate(children):
            child.wait_for_output(f"total {10 * n + 1}\n")
            child.close_stdin()
        self.assertEqual([child.wait()["exitCode"] for child in children], [1, 11, 21, 31, 41])
        self.assertEqual(process.get()["status"], "running")

    def test_rolled_back_while_attached(self):
        process = self.counter()
        process.write("2\n")
        process.wait_for_output("total 2\n")
        snapshot = self.box.snapshot(runtime="require")
        later = self.box.launch("sleep 1000")
        process.write("40\n")
        process.wait_for_output("total 42\n")
        self.box.rollback(snapshot)
        self.assertEqual(process.wait_for_end()["reason"], "interrupted")
        self.assertNotIn("exitCode", later.wait_for_exit())
        copy = self.again(process, self.box)
        self.assertEqual([p.id for p in self.box.processes()], [process.id])
        before = len(copy.output())
        copy.attach(copy.info["outputCursor"])
        copy.write("1\n")
        self.eventually(lambda: copy.output()[before:] == b"total 3\n")
        self.assertNotIn(self.box.launch("true").id, (process.id, later.id))

    def test_a_shell_on_a_terminal(self):
        shell = self.box.launch(["/bin/bash", "--norc", "-i"], pty=SIZE, env={"PS1": "$ "})
        shell.attach()
        shell.wait_for_output("$ ")
        shell.write("word=kept; sleep 1000 &\n")
        shell.wait_for_output("[1] ")
        snapshot = self.box.snapshot(runtime="require")
        copy = self.again(shell, self.restored(snapshot))
        self.assertEqual(copy.info["pty"], SIZE)
        copy.attach()
        copy.wait_for_output("[1] ")
        copy.resize(cols=120, rows=40)
        copy.write("stty size\n")
        copy.wait_for_output("40 120")
        copy.write("echo $word$word; jobs\n")
        copy.wait_for_output("keptkept")
        copy.wait_for_output("Running")
        copy.write("fg\n")
        self.eventually(lambda: copy.output().count(b"sleep 1000") >= 3)
        copy.box.wait_for_foreground("sleep")
        copy.write("\x1a")
        copy.wait_for_output("Stopped")
        copy.write("kill %1; exit 3\n")
        copy.write("exit 3\n")
        self.assertEqual(copy.wait()["exitCode"], 3)
        self.assertEqual(shell.get()["status"], "running")

    def test_signals_reach_it_and_its_end_is_told(self):
        process = self.box.launch("trap 'echo got; exit 4' TERM; echo ready; while :; do sleep 0.05; done")
        process.attach()
        process.wait_for_output("ready\n")
        copy = self.again(process, self.restored(self.box.snapshot(runtime="require")))
        copy.signal("SIGTERM")
        self.assertEqual(copy.wait_for_exit()["exitCode"], 4)
        self.assertEqual(copy.get()["exitCode"], 4)

    def test_what_had_exited_is_still_listed(self):
        ended = self.box.launch("echo last words; exit 6")
        ended.wait()
        self.box.launch("sleep 1000")
        box = self.restored(self.box.snapshot(runtime="require"))
        (copy,) = [p for p in box.processes() if p.id == ended.id]
        self.assertEqual((copy.info["status"], copy.info["exitCode"]), ("exited", 6))
        self.assertEqual(copy.run(), b"last words\n")
