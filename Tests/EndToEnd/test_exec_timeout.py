"""timeoutMs of sandbox/exec: the whole tree is killed, and what was printed so far is returned."""

import time

from harness.case import SOON, EngineTestCase

LIMIT = 2000  # milliseconds: enough for a command to begin on a loaded machine

#: Escapes that a kill of only the leader, its group or its session would miss.
TREES = {
    "a sleeping leader": "echo begun; sleep 1000",
    "one that ignores SIGTERM": "trap '' TERM INT HUP; echo begun; while :; do sleep 1000; done",
    "a child in a new session": "echo begun; setsid sleep 1000 & sleep 1000",
    "a double fork": "echo begun; (setsid sh -c 'sleep 1000 & sleep 1000' &) ; sleep 1000",
    "an orphan that ignores SIGTERM": "echo begun; (setsid sh -c \"trap '' TERM; sleep 999; sleep 999\" &); sleep 999",
    "a pipeline": "echo begun; sleep 1000 | sleep 1000 | cat",
    "a stopped process": "echo begun; kill -STOP $$; sleep 1000",
}


class TimeoutTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def sleepers(self):
        return int(self.box.output("cat /proc/[0-9]*/comm | grep -c '^sleep$'; true"))

    def test_the_whole_tree_is_killed(self):
        begun = time.monotonic()
        requests = {name: self.box.start(command, timeoutMs=LIMIT) for name, command in TREES.items()}
        for name, request in requests.items():
            with self.subTest(tree=name):
                result = request.result()
                self.assertEqual((result["exitCode"], result["timedOut"]), (124, True))
                self.assertEqual(result["stdout"], "begun\n")
                self.assertGreaterEqual(result["durationMs"], LIMIT)
        self.assertLess(time.monotonic() - begun, SOON)
        self.eventually(lambda: self.sleepers() == 0, message="a process of a tree lives on")

    def test_other_execs_live_on(self):
        other = self.box.start("sleep 1; echo other")
        self.box.exec("sleep 1000", timeoutMs=200)
        self.assertEqual(other.result()["stdout"], "other\n")

    def test_the_output_so_far_of_both_streams(self):
        result = self.box.exec("printf partial; printf err >&2; sleep 1000", timeoutMs=LIMIT)
        self.assertEqual((result["stdout"], result["stderr"]), ("partial", "err"))

    def test_a_command_in_time_is_not_touched(self):
        result = self.box.exec("sleep 0.1; echo done", timeoutMs=20_000)
        self.assertEqual((result["exitCode"], result["timedOut"], result["stdout"]), (0, False, "done\n"))

    def test_a_background_job_of_a_command_in_time_lives_on(self):
        self.box.exec("setsid sleep 1000 > /dev/null 2>&1 &", timeoutMs=5_000)
        self.eventually(lambda: self.sleepers() == 1, message="the job is gone")

    def test_a_command_that_prints_forever(self):
        result = self.box.exec("yes", timeoutMs=LIMIT, maxOutputBytes=1000)
        self.assertEqual((result["exitCode"], result["timedOut"], result["truncated"]), (124, True, True))
        self.assertEqual(result["stdout"], "y\n" * 500)

    def test_many_timeouts_at_once(self):
        requests = [self.box.start("sleep 1000", timeoutMs=200 + 5 * n) for n in range(50)]
        for request in requests:
            self.assertEqual(request.result()["exitCode"], 124)
        self.eventually(lambda: self.sleepers() == 0)

    def test_values_that_are_refused(self):
        for value in (0, -1, 1.5, "soon"):
            with self.subTest(value=value):
                error = self.assert_fails(-32602, None, self.box.exec, "true", timeoutMs=value)
                self.assertIn("timeoutMs", error.message)
