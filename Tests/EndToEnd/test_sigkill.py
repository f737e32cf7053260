"""SIGKILL of engine, launcher and client at random moments: nothing left, nothing lost that was answered.

ISORUN_KILL_ROUNDS sets how often each is killed.
"""

import json
import os
import random
import subprocess
import sys
import time

from harness import processes
from harness.case import ENGINE, EngineTestCase, unreferenced

ROUNDS = int(os.environ.get("ISORUN_KILL_ROUNDS", "10"))
PATIENCE = 60  # seconds for what takes one on a calm machine; they are spent only before a failure
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "crash_client.py")


class KillTests(EngineTestCase):
    starts_engine = False

    def setUp(self):
        super().setUp()
        self.texts: dict[str, str] = {}  # of each snapshot that was answered
        self.undecided: set[str] = set()
        self.deleted: set[str] = set()

    def test_the_engine_is_killed(self):
        self.rounds(lambda client, launcher: os.kill(processes.child_of(launcher), 9))

    def test_the_launcher_is_killed(self):
        self.rounds(lambda client, launcher: os.kill(launcher, 9))

    def test_the_client_is_killed(self):
        self.rounds(lambda client, launcher: client.kill())

    def test_the_launcher_and_the_engine_are_killed_at_once(self):
        def kill(client, launcher):
            engine = processes.child_of(launcher)
            os.kill(launcher, 9)
            os.kill(engine, 9)

        self.rounds(kill)

    def test_the_launcher_is_killed_while_the_engine_starts(self):
        for number in range(3 * ROUNDS):
            with self.subTest(round=number):
                engine = self.start_engine(initialize=False)
                engine.send("initialize", {"store": self.store})
                time.sleep(random.uniform(0, 0.03))
                engine.kill()
                # Its input stays open meanwhile: that must not be what ends it.
                self.eventually(self.nothing_runs, PATIENCE, "processes are left after the kill")
                engine.wait(PATIENCE)

    def rounds(self, kill):
        for number in range(ROUNDS):
            with self.subTest(round=number):
                journal = os.path.join(self.folder, f"journal-{number}")
                client = subprocess.Popen(
                    [sys.executable, "-B", CLIENT, ENGINE, self.store, journal], stderr=subprocess.DEVNULL
                )
                self.eventually(lambda: self.facts(journal), PATIENCE, "the client has not begun")
                time.sleep(random.uniform(0, 0.6))
                launcher = self.facts(journal)[0]["launcher"]
                kill(client, launcher)
                client.wait(PATIENCE)  # it ends by itself when its engine is gone
                self.eventually(self.nothing_runs, PATIENCE, "processes are left after the kill")
                self.note_facts(journal)
                self.assert_nothing_lost()

    def nothing_runs(self):
        processes.reap_orphans(keep=set())
        return processes.descendants(os.getpid()) == []

    def facts(self, journal):
        if not os.path.exists(journal):
            return []
        with open(journal) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def note_facts(self, journal):
        for fact in self.facts(journal):
            if "snapshot" in fact:
                self.texts[fact["snapshot"]] = fact["text"]
            if "deleting" in fact:  # asked and perhaps not answered: either is right
                self.undecided.add(fact["deleting"])
            if "deleted" in fact:
                self.undecided.discard(fact["deleted"])
                del self.texts[fact["deleted"]]
                self.deleted.add(fact["deleted"])

    def assert_nothing_lost(self):
        engine = self.start_engine()
        listed = {snapshot["id"] for snapshot in engine.call("snapshot/list", {})["snapshots"]}
        self.assertLessEqual(set(self.texts) - self.undecided, listed, "a snapshot that was answered is lost")
        self.assertFalse(listed & self.deleted, "a snapshot whose deletion was answered is back")
        self.assertEqual(engine.call("sandbox/list", {})["sandboxes"], [])
        known = sorted(listed & set(self.texts))
        for snapshot in random.sample(known, min(5, len(known))):
            box = engine.restore({"id": snapshot})
            self.assertEqual(box.read("/root/file"), self.texts[snapshot])
            box.destroy()
        self.eventually(lambda: unreferenced(engine) == 0, message="recovery leaves garbage")
        self.assertEqual(engine.close(), 0)
        self.assertEqual(os.listdir(os.path.join(self.store, "sandboxes")), [])
