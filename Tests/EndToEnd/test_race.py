"""sandbox/race: one command in each of several forks; the first that succeeds wins."""

from harness.case import EngineTestCase
from isorun_sandbox import Sandbox


class RaceTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create(env={"BASE": "parent"})
        self.box.output("mkdir -p /root/w; echo start > /root/w/state")

    def race(self, *children, **params):
        return self.box.call("sandbox/race", children=list(children), **params)

    def sandboxes(self):
        return {info["id"] for info in self.engine.call("sandbox/list", {})["sandboxes"]}

    def test_the_first_success_wins_and_the_others_are_gone(self):
        answer = self.race(
            {"command": "exit 3"},
            {"command": "echo $BASE $WHO > /root/w/state; echo done", "env": {"WHO": "second"}, "name": "fast"},
            {"command": "echo waiting; sleep 600 & sleep 600"},
        )
        self.assertEqual(answer["winner"], 1)
        self.assertEqual([result["outcome"] for result in answer["results"]][1:], ["won", "lost"])
        self.assertIn(answer["results"][0]["outcome"], ("failed", "lost"))
        self.assertEqual(answer["results"][1]["stdout"], "done\n")
        self.assertNotIn("exitCode", answer["results"][2])
        self.assertEqual(answer["sandbox"]["id"], answer["results"][1]["sandboxId"])
        self.assertEqual(answer["sandbox"]["name"], "fast")
        self.assertEqual(self.sandboxes(), {self.box.id, answer["sandbox"]["id"]})
        winner = Sandbox(self.engine, answer["sandbox"])
        self.assertEqual(winner.output("cat /root/w/state"), "parent second\n")
        self.assertEqual(self.box.output("cat /root/w/state"), "start\n")
        self.assert_fails(
            1002, "SandboxDestroyed", self.engine.call, "sandbox/exec",
            {"sandboxId": answer["results"][2]["sandboxId"], "command": "true"})

    def test_an_adopted_winner_becomes_the_parent(self):
        self.box.output("sleep 600 & echo $! > /root/w/pid")
        answer = self.race(
            {"command": "false"},
            {"command": "echo better > /root/w/state", "env": {"ONLY": "here"}},
            adopt=True,
        )
        self.assertEqual((answer["winner"], answer["sandbox"]["id"]), (1, self.box.id))
        self.assertEqual(self.sandboxes(), {self.box.id})
        self.assertEqual(self.engine.call("snapshot/list", {})["snapshots"], [])
        self.assertEqual(self.box.output("cat /root/w/state; echo $BASE $ONLY"), "better\nparent\n")
        # The process that ran in the parent runs on, as the winner had it.
        self.box.output("kill -0 $(cat /root/w/pid)")
        # It is an ordinary sandbox: it can race again, be rolled back, and be forked.
        snapshot = self.box.snapshot()
        again = self.race({"command": "echo best > /root/w/state"}, adopt=True)
        self.assertEqual(again["winner"], 0)
        self.assertEqual(self.box.output("cat /root/w/state"), "best\n")
        self.box.rollback(snapshot)
        self.assertEqual(self.box.output("cat /root/w/state"), "better\n")

    def test_everybody_fails(self):
        answer = self.race(
            {"command": "echo no >&2; exit 7"},
            {"command": ["/does/not/exist"]},
            {"command": "sleep 600", "timeoutMs": 50},
            {"command": "kill -9 $$"},
            adopt=True,
        )
        self.assertNotIn("winner", answer)
        self.assertNotIn("sandbox", answer)
        self.assertEqual([result["outcome"] for result in answer["results"]], ["failed"] * 4)
        first, missing, late, killed = answer["results"]
        self.assertEqual((first["exitCode"], first["stderr"]), (7, "no\n"))
        self.assertIn("/does/not/exist", missing["reason"])
        self.assertEqual((late["exitCode"], late["timedOut"]), (124, True))
        self.assertEqual((killed["exitCode"], killed["signal"]), (137, "SIGKILL"))
        self.assertEqual(self.sandboxes(), {self.box.id})
        self.assertEqual(self.box.output("cat /root/w/state"), "start\n")

    def test_the_parent_can_be_used_while_the_race_runs_and_a_cancelled_race_leaves_nothing(self):
        request = self.box.send("sandbox/race", children=[{"command": "sleep 600"}] * 3)
        self.eventually(lambda: len(self.sandboxes()) == 4)
        self.assertEqual(self.box.output("echo in the meantime"), "in the meantime\n")
        snapshot = self.box.snapshot()
        self.engine.cancel(request)
        self.assert_fails(-32800, "RequestCancelled", request.result)
        self.assertEqual(self.sandboxes(), {self.box.id})
        self.box.rollback(snapshot)

    def test_progress_is_told(self):
        self.race({"command": "false"}, {"command": "exit 2"}, workDoneToken="t")
        messages = [
            note["value"]["percentage"]
            for note in self.engine.params_of("$/progress")
            if note["token"] == "t" and note["value"]["kind"] == "report"
        ]
        self.assertEqual(messages, [50, 100])

    def test_a_race_without_children_and_with_a_misspelt_one_is_refused(self):
        self.assert_fails(-32602, None, self.race)
        self.assert_fails(-32602, None, self.race, {"comand": "true"})
        self.assert_fails(-32602, None, self.race, {"command": "true"}, success="exit1")
        self.assertEqual(self.sandboxes(), {self.box.id})
