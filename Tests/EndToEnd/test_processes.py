"""Long-lived processes: start, input, output with replay, signals, waits, and their ends."""

import time

from isorun_client import EngineError
from harness.case import EngineTestCase

MEBIBYTE = 1 << 20
#: Prints what it is told on standard input, line by line, until that ends.
ECHO = ["/usr/bin/python3", "-uc", "import sys\nfor line in sys.stdin: print('got', line, end='')\nprint('end')"]


class StartTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def test_a_started_process_is_told_of(self):
        process = self.box.launch(["sleep", "1000"], name="sleeper")
        self.assertRegex(process.id, "^p[0-9]+$")
        self.assertEqual(process.info["command"], ["sleep", "1000"])
        self.assertEqual((process.info["name"], process.info["status"]), ("sleeper", "running"))
        self.assertEqual(process.info["outputCursor"], 0)
        self.assertNotIn("exitCode", process.info)
        self.assertNotIn("pty", process.info)
        self.assertEqual(process.get(), process.info)
        self.assertEqual(self.box.output(f"tr '\\0' ' ' < /proc/{process.pid}/cmdline"), "sleep 1000 ")

    def test_command_cwd_environment_and_user(self):
        process = self.box.launch("pwd; echo $A $TERM; id -u", cwd="/usr", env={"A": "b"}, user="1")
        self.assertEqual(process.run(), b"/usr\nb xterm\n1\n")

    def test_its_own_session_and_no_terminal(self):
        process = self.box.launch("ps -o sid= -p $$; tty")
        output = process.run().decode().split("\n")
        self.assertEqual(int(output[0]), process.pid)
        self.assertEqual(output[1], "not a tty")

    def test_standard_input_is_empty_unless_asked_for(self):
        self.assertEqual(self.box.launch("cat; echo end").run(), b"end\n")

    def test_streams_are_apart(self):
        process = self.box.launch("echo out; echo err >&2")
        self.assertEqual(process.run(), b"out\n")
        process.wait_for_end("stderr")
        self.assertEqual(process.output("stderr"), b"err\n")

    def test_what_cannot_be_started(self):
        self.assert_fails(1031, "CommandNotFound", self.box.launch, ["no-such-program"])
        self.assert_fails(1032, "CommandNotExecutable", self.box.launch, ["/etc/passwd"])
        self.assert_fails(1040, "PathNotFound", self.box.launch, ["true"], cwd="/nowhere")
        error = self.assert_fails(-32602, "InvalidParams", self.box.launch, ["true"], user="nobody-knows")
        self.assertIn("process/start", str(error))
        self.assertEqual(self.box.processes(), [])

    def test_no_such_process(self):
        for method, params in {
            "get": {}, "wait": {}, "attach": {}, "detach": {}, "closeStdin": {}, "signal": {"signal": "SIGTERM"},
            "write": {"data": "x"}, "resize": {"cols": 1, "rows": 1},
        }.items():
            for unknown in ("p1", "p01", "x", "p", "p-1", "p99999999999999999999"):
                with self.subTest(method=method, unknown=unknown):
                    self.assert_fails(
                        1030, "ProcessNotFound", self.box.call, f"process/{method}", processId=unknown, **params
                    )

    def test_processes_are_of_one_sandbox(self):
        process = self.box.launch("sleep 1000")
        other = self.engine.create()
        self.assert_fails(1030, "ProcessNotFound", other.call, "process/get", processId=process.id)

    def test_hundreds_at_once(self):
        count = 300
        requests = [self.box.send("process/start", command=["cat"], stdin=True) for _ in range(count)]
        ids = {request.result()["id"] for request in requests}
        self.assertEqual(len(ids), count)
        processes = self.box.processes()
        self.assertEqual([p.id for p in processes], sorted(ids, key=lambda id: int(id[1:])))
        for process in processes:
            process.attach()
            process.begin_write(process.id)
            process.send("closeStdin")
        for process in processes:
            self.assertEqual(process.wait()["exitCode"], 0)
            process.wait_for_end()
            self.assertEqual(process.output().decode(), process.id)

    def test_more_than_the_sandbox_may_have(self):
        box = self.engine.create(pidsMax=10)
        with self.assertRaises(EngineError) as refused:
            for _ in range(20):
                box.launch(["sleep", "1000"])
        self.assert_error(refused.exception, 1060, "LimitExceeded")


class InputTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def test_a_conversation(self):
        process = self.box.launch(ECHO, stdin=True)
        process.attach()
        for word in ("one", "zwei €"):
            self.assertEqual(process.write(word + "\n"), len((word + "\n").encode()))
            process.wait_for_output(f"got {word}\n")
        process.close_stdin()
        self.assertEqual(process.wait()["exitCode"], 0)
        process.wait_for_output("end\n")

    def test_ten_megabytes_through_a_process(self):
        data = bytes(range(256)) * 40_000
        process = self.box.launch(["cat"], stdin=True)
        process.attach()
        writes = [process.begin_write(data[start : start + MEBIBYTE]) for start in range(0, len(data), MEBIBYTE)]
        process.send("closeStdin")
        self.assertEqual(sum(write.result()["written"] for write in writes), len(data))
        process.wait_for_end()
        self.assertEqual(process.output(), data)

    def test_requests_on_one_process_take_effect_in_the_order_sent(self):
        process = self.box.launch(["cat"], stdin=True)
        process.attach()
        for number in range(500):
            process.begin_write(f"{number} ")
        process.send("closeStdin")
        process.wait_for_end()
        self.assertEqual(process.output().decode(), "".join(f"{n} " for n in range(500)))

    def test_a_write_waits_for_a_process_that_does_not_read(self):
        process = self.box.launch(["sleep", "1000"], stdin=True)
        process.attach()
        write = process.begin_write("x" * MEBIBYTE)
        time.sleep(0.3)
        self.assertFalse(write.done())
        self.assertEqual(self.box.output("echo alive"), "alive\n")
        process.signal("SIGTERM")
        self.assert_error(write.error(), 1033, "StdinClosed")

    def test_a_write_is_cancelled(self):
        process = self.box.launch("head -c 1 > /begun; sleep 1000", stdin=True)
        first, second = process.begin_write("x" * MEBIBYTE), process.begin_write("y")
        self.box.wait_until("test -s /begun")
        self.engine.cancel(second)
        # None when it was cancelled before it began.
        self.assertEqual(self.assert_error(second.error(), -32800).data.get("written", 0), 0)
        self.engine.cancel(first)
        written = self.assert_error(first.error(), -32800).data["written"]
        self.assertTrue(0 < written < MEBIBYTE, written)

    def test_what_was_cancelled_is_not_written_later(self):
        process = self.box.launch("sleep 0.5; cat", stdin=True)
        process.attach()
        process.begin_write("a" * 65536)
        cancelled, last = process.begin_write("b" * 100), process.begin_write("c")
        self.engine.cancel(cancelled)
        self.assert_error(cancelled.error(), -32800)
        last.result()
        process.close_stdin()
        process.wait_for_end()
        self.assertEqual(process.output(), b"a" * 65536 + b"c")

    def test_closed_input(self):
        self.assert_fails(1033, "StdinClosed", self.box.launch("sleep 1000").write, "x")
        self.assert_fails(1033, "StdinClosed", self.box.launch("sleep 1000").close_stdin)
        process = self.box.launch("cat; sleep 1000", stdin=True)
        process.close_stdin()
        self.assert_fails(1033, "StdinClosed", process.write, "x")
        self.assert_fails(1033, "StdinClosed", process.close_stdin)

    def test_the_process_closes_its_input(self):
        process = self.box.launch("exec <&-; sleep 1000", stdin=True)
        self.eventually(lambda: self.is_closed(process))

    def is_closed(self, process):
        try:
            process.write("x")
        except EngineError as error:
            self.assert_error(error, 1033, "StdinClosed")
            return True
        return False

    def test_an_empty_write(self):
        process = self.box.launch(["cat"], stdin=True)
        self.assertEqual(process.write(""), 0)


class OutputTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def cursors_of(self, process):
        return [p["cursor"] for p in process.notifications("output")]

    def test_only_an_attached_client_gets_output(self):
        process = self.box.launch("echo one; read line; echo two", stdin=True)
        self.eventually(lambda: process.get()["outputCursor"] == 4)
        self.assertEqual(process.notifications("output"), [])
        self.assertEqual(process.attach(), 0)
        self.assertEqual(process.wait_for_output("one\n"), b"one\n")
        process.write("\n")
        self.assertEqual(process.wait_for_output("two\n"), b"one\ntwo\n")

    def test_the_answer_to_attach_comes_before_the_output(self):
        process = self.box.launch("echo x")
        process.wait()
        process.attach()
        process.wait_for_end()
        methods = [m.get("method", "answer") for kind, m in self.engine.traffic if kind == "received"]
        self.assertLess(methods[::-1].index("process/output"), methods[::-1].index("answer"))

    def test_replay_from_a_cursor(self):
        process = self.box.launch("printf abcdef; sleep 1000")
        self.eventually(lambda: process.get()["outputCursor"] == 6)
        self.assertEqual(process.attach(2), 2)
        process.wait_for_output("cdef")
        self.assertEqual(process.output(), b"cdef")
        self.assertEqual(self.cursors_of(process), [6])

    def test_a_cursor_beyond_the_end_begins_at_the_end(self):
        process = self.box.launch("printf abc; read line; printf def", stdin=True)
        self.eventually(lambda: process.get()["outputCursor"] == 3)
        self.assertEqual(process.attach(1000), 3)
        process.write("\n")
        self.assertEqual(process.wait_for_output("def"), b"def")

    def test_attaching_where_output_ended_continues_without_loss(self):
        process = self.box.launch("for i in $(seq 2000); do echo line $i; done; sleep 1000")
        process.attach()
        process.wait_for_output("line 3\n")
        process.detach()
        cursor = self.cursors_of(process)[-1]
        seen = len(process.output())
        self.assertEqual(cursor, seen)
        self.assertEqual(process.attach(cursor), cursor)
        self.assertEqual(
            process.wait_for_output("line 2000\n").decode(), "".join(f"line {n}\n" for n in range(1, 2001))
        )

    def test_one_cursor_counts_both_streams(self):
        process = self.box.launch("echo 12345; read go; echo abc >&2; read go; echo 6789", stdin=True)
        process.attach()
        for text, stream in (("12345\n", "stdout"), ("abc\n", "stderr")):
            process.wait_for_output(text, stream)
            process.begin_write("go\n").result()
        process.wait_for_end()
        parts = [(p["stream"], p["data"], p["cursor"]) for p in process.notifications("output")]
        self.assertEqual(parts, [("stdout", "12345\n", 6), ("stderr", "abc\n", 10), ("stdout", "6789\n", 15)])

    def test_the_last_mebibyte_is_kept(self):
        process = self.box.launch("head -c 3000000 /dev/zero; printf end")
        self.assertEqual(process.wait()["exitCode"], 0)
        self.eventually(lambda: process.get()["outputCursor"] == 3_000_003)
        cursor = process.attach()
        self.assertEqual(cursor, 3_000_003 - MEBIBYTE)
        process.wait_for_end()
        self.assertEqual(process.output(), bytes(MEBIBYTE - 3) + b"end")

    def test_a_process_that_nobody_listens_to_is_not_held_back(self):
        process = self.box.launch("head -c 50000000 /dev/zero; head -c 5000000 /dev/zero >&2; echo done > /done")
        self.assertEqual(process.wait()["exitCode"], 0)
        self.assertEqual(self.box.read("/done"), "done\n")

    def test_bytes_are_exact_and_characters_are_whole(self):
        process = self.box.launch(["/usr/bin/python3", "-c", """
import os, time
for byte in "ü€😀".encode() * 5:
    os.write(1, bytes([byte])); time.sleep(0.005)
os.read(0, 1)
os.write(1, bytes(range(256)))
"""], stdin=True)
        process.attach()

        def text() -> str:
            return "".join(p["data"] for p in process.notifications("output") if p["encoding"] == "utf8")

        self.eventually(lambda: text() == "ü€😀" * 5)
        process.write("x")
        process.wait_for_end()
        self.assertEqual(process.output(), "ü€😀".encode() * 5 + bytes(range(256)))

    def test_ends_are_told_once_each_and_apart(self):
        process = self.box.launch("exec 2>&-; read go; echo x; exec >&-; read go; exit 3", stdin=True)
        process.attach()
        for stream in ("stderr", "stdout"):
            process.wait_for_end(stream)
            process.begin_write("go\n").result()
        self.assertEqual(process.wait()["exitCode"], 3)
        process.wait_for_exit()
        self.assertEqual(
            [(p["stream"], p["reason"]) for p in process.notifications("outputEnded")],
            [("stderr", "eof"), ("stdout", "eof")],
        )
        self.assertEqual([p["exitCode"] for p in process.notifications("exited")], [3])

    def test_output_goes_on_after_the_exit_while_somebody_holds_it(self):
        process = self.box.launch("(while ! test -e /go; do sleep 0.05; done; echo late) & exit 0")
        process.attach()
        process.wait_for_exit()
        self.assertEqual(process.notifications("outputEnded"), [])
        self.box.output("touch /go")
        process.wait_for_end()
        self.assertEqual(process.output(), b"late\n")

    def test_attaching_after_the_end(self):
        process = self.box.launch("echo x; exit 2")
        process.wait()
        for times in (1, 2):
            process.attach()
            self.eventually(lambda: len(process.notifications("outputEnded")) == 2 * times)
            self.assertEqual(process.output(), b"x\n" * times)

    def test_detached_means_no_more_output(self):
        process = self.box.launch("while echo x; do sleep 0.01; done")
        process.attach()
        process.wait_for_output("x\n")
        process.detach()
        count = len(process.notifications("output"))
        time.sleep(0.2)
        self.assertEqual(len(process.notifications("output")), count)
        self.assertGreater(process.get()["outputCursor"], 0)


class EndTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def test_exit_code_and_signal(self):
        process = self.box.launch("exit 7")
        ended = process.wait()
        self.assertEqual((ended["status"], ended["exitCode"]), ("exited", 7))
        self.assertEqual(process.wait_for_exit(), {"sandboxId": self.box.id, "processId": process.id, "exitCode": 7})
        process = self.box.launch("sleep 1000")
        process.signal("SIGKILL")
        ended = process.wait()
        self.assertEqual((ended["exitCode"], ended["signal"]), (137, "SIGKILL"))
        self.assertEqual(process.get(), ended)
        self.assertEqual(process.wait_for_exit()["signal"], "SIGKILL")

    def test_a_signal_goes_to_the_process_alone(self):
        process = self.box.launch("trap 'echo caught; exit 0' USR1; echo ready; while :; do sleep 0.05; done")
        process.attach()
        process.wait_for_output("ready\n")
        process.signal("SIGUSR1")
        self.assertEqual(process.wait()["exitCode"], 0)
        process.wait_for_output("caught\n")

    def test_an_unknown_signal_is_refused(self):
        process = self.box.launch("sleep 1000")
        self.assert_fails(-32602, "InvalidParams", process.signal, "SIGNOTHING")
        self.assert_fails(-32602, "InvalidParams", process.signal, "TERM")
        self.assertEqual(process.get()["status"], "running")

    def test_a_signal_to_one_that_has_ended_is_no_error(self):
        process = self.box.launch("true")
        process.wait()
        process.signal("SIGTERM")

    def test_wait_with_a_time_limit(self):
        process = self.box.launch("sleep 1000")
        self.assertEqual(process.wait(timeoutMs=50)["status"], "running")
        self.assertEqual(process.get()["status"], "running")

    def test_many_waits(self):
        process = self.box.launch("sleep 0.3; exit 5")
        waits = [process.send("wait") for _ in range(50)]
        self.assertEqual({wait.result()["exitCode"] for wait in waits}, {5})
        self.assertEqual(len(process.notifications("exited")), 1)

    def test_a_wait_is_cancelled(self):
        process = self.box.launch("sleep 1000")
        wait = process.send("wait")
        self.engine.cancel(wait)
        self.assert_error(wait.error(), -32800)
        self.assertEqual(process.get()["status"], "running")

    def test_a_time_limit_of_an_exec_spares_processes(self):
        process = self.box.launch("sleep 1000")
        self.assertTrue(self.box.exec("sleep 1000", timeoutMs=100)["timedOut"])
        self.assertEqual(process.get()["status"], "running")

    def test_exited_processes_stay_listed(self):
        processes = [self.box.launch(f"exit {n}") for n in range(3)]
        for process in processes:
            process.wait()
        self.assertEqual([p.info["exitCode"] for p in self.box.processes()], [0, 1, 2])

    def test_destroy_ends_waits_writes_and_output(self):
        process = self.box.launch("echo x; sleep 1000", stdin=True)
        process.attach()
        process.wait_for_output("x\n")
        wait, write = process.send("wait"), process.begin_write("x" * MEBIBYTE)
        time.sleep(0.1)
        self.box.destroy()
        self.assert_error(wait.error(), 1002, "SandboxDestroyed")
        self.assert_error(write.error(), 1002, "SandboxDestroyed")
        self.assertEqual(process.wait_for_end()["reason"], "interrupted")
        self.assertEqual(process.wait_for_end("stderr")["reason"], "interrupted")
        self.assertNotIn("exitCode", process.wait_for_exit())
        self.assert_fails(1002, "SandboxDestroyed", process.get)
        self.assertEqual(len(process.notifications("outputEnded")), 2)
        self.assertEqual(len(process.notifications("exited")), 1)

    def test_rollback_ends_output_and_waits(self):
        snapshot = self.box.snapshot()
        process = self.box.launch("sleep 1000")
        process.attach()
        wait = process.send("wait")
        self.box.rollback(snapshot)
        self.assert_error(wait.error(), -32800)
        self.assertEqual(process.wait_for_end()["reason"], "interrupted")
        self.assertNotIn("exitCode", process.wait_for_exit())
        self.assertNotEqual(self.box.launch("true").id, process.id)

    def test_shutdown_interrupts_output(self):
        process = self.box.launch("sleep 1000")
        process.attach()
        self.assertEqual(self.engine.close(), 0)
        self.assertEqual([p["reason"] for p in process.notifications("outputEnded")], ["interrupted"] * 2)
        self.assertEqual(len(process.notifications("exited")), 1)
