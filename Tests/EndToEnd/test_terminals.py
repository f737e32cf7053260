"""Processes on a pseudo-terminal: what they see of it, its size, echo, control characters, and its end."""

import re

from harness.case import EngineTestCase

SIZE = {"cols": 100, "rows": 30}


class TerminalTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def launch(self, command, **params):
        process = self.box.launch(command, **{"pty": SIZE, **params})
        process.attach()
        return process

    def test_it_is_the_controlling_terminal_of_its_own_session(self):
        process = self.launch("tty; ps -o pid=,sid=,tpgid=,tty= -p $$; echo x > /dev/tty; echo $TERM")
        process.wait_for_end()
        lines = process.output().decode().split("\r\n")
        self.assertRegex(lines[0], "^/dev/pts/[0-9]+$")
        pid, session, foreground, name = lines[1].split()
        self.assertEqual((int(pid), int(session), int(foreground)), (process.pid,) * 3)
        self.assertEqual("/dev/" + name, lines[0])
        self.assertEqual(lines[2:4], ["x", "xterm"])

    def test_the_object_shows_the_size(self):
        process = self.launch(["sleep", "1000"])
        self.assertEqual(process.info["pty"], SIZE)

    def test_everything_comes_as_stdout(self):
        process = self.launch("echo out; echo err >&2")
        process.wait_for_end()
        self.assertEqual(process.output(), b"out\r\nerr\r\n")
        self.assertEqual([p["stream"] for p in process.notifications("outputEnded")], ["stdout"])

    def test_size_and_resize(self):
        process = self.launch("stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
        process.wait_for_output("ready")
        self.assertIn(b"30 100\r\n", process.output())
        process.resize(cols=132, rows=50)
        process.wait_for_output("50 132\r\n")
        self.assertEqual(process.get()["pty"], {"cols": 132, "rows": 50})

    def test_what_is_written_is_echoed_and_read(self):
        process = self.launch("read line; echo got $line")
        process.write("hello\n")
        process.wait_for_end()
        self.assertEqual(process.output(), b"hello\r\ngot hello\r\n")

    def test_control_c_interrupts_the_foreground(self):
        process = self.launch("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done")
        process.wait_for_output("ready")
        process.write("\x03")
        self.assertEqual(process.wait()["exitCode"], 9)
        process.wait_for_output("interrupted")

    def test_control_c_ends_a_plain_program(self):
        process = self.launch(["sleep", "1000"])
        self.eventually(lambda: self.box.output(f"cat /proc/{process.pid}/comm") == "sleep\n")
        process.write("\x03")
        ended = process.wait()
        self.assertEqual((ended["exitCode"], ended["signal"]), (130, "SIGINT"))

    def test_close_stdin_types_the_end_of_file_character(self):
        process = self.launch("cat; echo end; read line; echo $line")
        process.write("text\n")
        process.wait_for_output("text\r\ntext\r\n")
        process.close_stdin()
        process.wait_for_output("end")
        process.write("more\n")
        self.assertEqual(process.wait()["exitCode"], 0)
        process.wait_for_output("more\r\nmore\r\n")

    def test_a_shell_with_jobs(self):
        process = self.launch(["/bin/bash", "--norc", "-i"], env={"PS1": "$ "})
        process.wait_for_output("$ ")
        process.write("sleep 1000 &\n")
        process.write("jobs\n")
        process.wait_for_output("Running")
        process.write("fg\n")
        process.box.wait_for_foreground("sleep")
        process.write("\x1a")
        process.wait_for_output("Stopped")
        process.write("fg\n")
        self.eventually(lambda: process.output().count(b"\rsleep 1000\r\n") == 2)
        process.box.wait_for_foreground("sleep")
        process.write("\x03")
        process.wait_for_output("^C")
        process.write("exit 4\n")
        self.assertEqual(process.wait()["exitCode"], 4)
        self.assertNotIn(b"no job control", process.output())

    def test_line_editing_erases_whole_characters(self):
        process = self.launch("read line; echo \"[$line]\"")
        process.write("a€\x7fb\n")
        process.wait_for_end()
        self.assertIn(b"[ab]", process.output())

    def test_as_another_user(self):
        process = self.launch("id -u; stat -c %u $(tty); echo x > $(tty); test -r $(tty) && echo readable", user="1")
        process.wait_for_end()
        self.assertEqual(process.output(), b"1\r\n1\r\nx\r\nreadable\r\n")

    def test_terminals_are_the_sandbox_s_own(self):
        other = self.engine.create()
        names = []
        for box in (self.box, other):
            process = box.launch("tty; sleep 1000", pty=SIZE)
            process.attach()
            names.append(re.search(r"/dev/pts/\d+", process.wait_for_output("\n").decode())[0])
        self.assertEqual(names[0], names[1], "each sandbox counts its terminals by itself")

    def test_resize_without_a_terminal_is_refused(self):
        process = self.box.launch(["sleep", "1000"])
        error = self.assert_fails(-32602, "InvalidParams", process.resize, 80, 24)
        self.assertIn("no terminal", error.message)

    def test_a_size_out_of_range_is_refused(self):
        for size in ({"cols": 0, "rows": 1}, {"cols": 1, "rows": 70000}, {"cols": 80}):
            self.assert_fails(-32602, "InvalidParams", self.box.launch, ["true"], pty=size)

    def test_destroy_interrupts_it(self):
        process = self.launch(["sleep", "1000"])
        self.box.destroy()
        self.assertEqual(process.wait_for_end()["reason"], "interrupted")

    def test_many_terminals(self):
        processes = [self.launch("read line; echo got $line") for _ in range(100)]
        for process in processes:
            process.begin_write(process.id + "\n")
        for process in processes:
            process.wait_for_end()
            self.assertIn(f"got {process.id}\r\n".encode(), process.output())
