"""Processes that commands have left behind: listed, signalled, waited for, and missed when they end."""

from harness.case import EngineTestCase

DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execvp("sleep", ["sleep", "4000"])
"""


class LeftBehindTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def named(self, *command):
        """The processes with that command line."""
        return [p for p in self.box.processes() if p.info["command"] == list(command)]

    def find(self, *command):
        """The one process with that command line; it may not have executed its program yet."""
        self.eventually(lambda: self.named(*command))
        found = self.named(*command)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_a_background_job_is_listed(self):
        self.box.output("nohup sleep 1000 > /dev/null 2>&1 &")
        job = self.find("sleep", "1000")
        self.assertRegex(job.id, "^p[0-9]+$")
        self.assertEqual((job.info["status"], job.info["outputCursor"]), ("running", 0))
        self.assertEqual(self.box.output(f"tr '\\0' ' ' < /proc/{job.pid}/cmdline"), "sleep 1000 ")
        self.assertEqual(job.get(), job.info)

    def test_when_it_started(self):
        self.box.output("sleep 1000 &")
        told = self.find("sleep", "1000").info["startedAt"]
        now = self.box.output("date -u +%Y-%m-%dT%H:%M:%S").strip()
        self.assertLess(told[:19], now[:19] + "~")
        self.assertEqual(told[:13], now[:13]) if now[14:16] not in ("00", "59") else None

    def test_the_id_stays_and_is_not_given_again(self):
        self.box.output("sleep 1000 & sleep 2000 &")
        first, second = self.find("sleep", "1000"), self.find("sleep", "2000")
        self.assertNotEqual(first.id, second.id)
        started = self.box.launch(["sleep", "3000"])
        self.assertEqual(self.find("sleep", "1000").info, first.info)
        self.assertEqual(len({first.id, second.id, started.id}), 3)
        self.assertEqual([p.id for p in self.box.processes()], [first.id, second.id, started.id])

    def test_a_daemon_is_found(self):
        self.box.output(["/usr/bin/python3", "-c", DAEMON])
        self.assertEqual(self.find("sleep", "4000").info["status"], "running")

    def test_commands_under_way_are_not_listed(self):
        request = self.box.start("sleep 1000 & sleep 1000")
        self.box.wait_until("grep -qs 1000 /proc/[0-9]*/cmdline")
        self.assertEqual(self.box.processes(), [])
        self.engine.cancel(request)
        request.error()

    def test_children_of_a_started_process_are_listed_when_it_has_ended(self):
        process = self.box.launch("sleep 1000 & read line; exit 3", stdin=True)
        self.assertEqual([p.id for p in self.box.processes()], [process.id])
        process.write("\n")
        self.assertEqual(process.wait()["exitCode"], 3)
        self.assertEqual(self.find("sleep", "1000").info["status"], "running")

    def test_signal_wait_and_the_exit_code(self):
        self.box.output("sh -c 'trap \"exit 5\" TERM; echo > /ready; while :; do sleep 0.01; done' &")
        self.box.wait_until("test -e /ready")
        job = next(p for p in self.box.processes() if p.info["command"][:2] == ["sh", "-c"])
        wait = job.send("wait")
        job.signal("SIGTERM")
        self.assertEqual(wait.result()["exitCode"], 5)
        self.assertEqual(job.wait_for_exit()["exitCode"], 5)
        self.assertEqual(job.get()["status"], "exited")

    def test_killed_by_a_signal(self):
        self.box.output("sleep 1000 &")
        job = self.find("sleep", "1000")
        job.signal("SIGKILL")
        ended = job.wait()
        self.assertEqual((ended["exitCode"], ended["signal"]), (137, "SIGKILL"))
        self.assertEqual(len(job.notifications("exited")), 1)

    def test_the_end_of_a_child_whose_parent_lives_is_noticed_without_a_look(self):
        self.box.output("sh -c 'sleep 1000; echo $? > /status; sleep 2000' > /dev/null 2>&1 &")
        child = self.find("sleep", "1000")
        child.signal("SIGTERM")
        ended = child.wait_for_exit()
        self.box.wait_until("test -s /status")
        self.assertEqual(self.box.read("/status"), "143\n")
        # Nothing is made up: either the kernel told how it ended, or there is no code.
        self.assertIn(ended.get("exitCode"), (143, None))
        self.assertIn(child.get().get("exitCode"), (143, None))

    def test_output_and_input_of_it_are_not_to_be_had(self):
        self.box.output("sleep 1000 &")
        job = self.find("sleep", "1000")
        error = self.assert_fails(-32602, "InvalidParams", job.attach)
        self.assertIn("left behind", error.message)
        self.assert_fails(1033, "StdinClosed", job.write, "x")
        self.assert_fails(-32602, "InvalidParams", job.resize, 80, 24)
        job.detach()

    def test_a_time_limit_kills_what_its_command_left_and_nothing_else(self):
        self.box.output("sleep 1000 &")
        kept = self.find("sleep", "1000")
        self.box.exec("sleep 2000 & sleep 3000", timeoutMs=200)
        self.assertEqual(self.named("sleep", "2000"), [])
        self.assertEqual(kept.get()["status"], "running")

    def test_many_quick_commands_leave_no_ghosts(self):
        requests = [self.box.start("true & true") for _ in range(100)]
        looks = [self.box.send("process/list") for _ in range(20)]
        for request in requests:
            request.result()
        for look in looks:
            look.result()
        self.eventually(lambda: all(p.info["status"] == "exited" for p in self.box.processes()))

    def test_rollback_and_destroy_end_it(self):
        snapshot = self.box.snapshot()
        self.box.output("sleep 1000 &")
        job = self.find("sleep", "1000")
        self.box.rollback(snapshot)
        self.assertNotIn("exitCode", job.wait_for_exit())
        self.assertEqual(self.box.processes(), [])
        self.assert_fails(1030, "ProcessNotFound", job.get)
