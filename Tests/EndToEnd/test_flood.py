"""Floods and deaf clients: every request is answered once, and the engine's memory stays bounded."""

import json
import threading
import time

from isorun_client import read_frame
from harness import processes
from harness.case import EngineTestCase


FLOOD_IDS = range(1_000_000, 1_010_000)  # apart from those that the client itself gives out

class FloodTests(EngineTestCase):
    callers = ("root",)
    MEMORY_LIMIT_KIB = 300 << 10

    def memory(self, engine):
        return processes.memory_kib(self.engine_pid(engine), "Rss")

    def frames(self, method, params, numbers):
        out = bytearray()
        for number in numbers:
            body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
            out += b"Content-Length: %d\r\n\r\n" % len(body) + body
        return bytes(out)

    def collect(self, engine, count, seconds=110):
        answers = {}
        deadline = time.monotonic() + seconds
        while len(answers) < count:
            message = engine.next_stray(max(1, deadline - time.monotonic()))
            self.assertNotIn(message["id"], answers, "a request is answered once")
            answers[message["id"]] = message
        return answers

    def test_10_000_requests_at_once(self):
        box = self.engine.create()
        self.engine.send_bytes(self.frames("sandbox/get", {"sandboxId": box.id}, FLOOD_IDS))
        for message in self.collect(self.engine, 10_000).values():
            self.assertEqual(message["result"]["id"], box.id)
        self.assertLess(self.memory(self.engine), self.MEMORY_LIMIT_KIB)

    def test_10_000_execs_at_once(self):
        box = self.engine.create()
        params = {"sandboxId": box.id, "command": ["/bin/true"]}
        self.engine.send_bytes(self.frames("sandbox/exec", params, FLOOD_IDS))
        for message in self.collect(self.engine, 10_000).values():
            self.assertEqual(message.get("result", {}).get("exitCode"), 0, message)
        self.assertLess(self.memory(self.engine), self.MEMORY_LIMIT_KIB)
        self.assertEqual(box.output("echo alive"), "alive\n")

    def test_a_client_that_stops_reading_while_commands_print_forever(self):
        engine = self.start_engine(initialize=False, reading=False)
        engine.send_bytes(self.frames("initialize", {"store": self.store}, [1]))
        engine.send_bytes(self.frames("sandbox/create", {}, [2]))
        sandbox_id = self.answer_to(engine, 2)["id"]
        for number in range(20):
            params = {"sandboxId": sandbox_id, "command": "yes", "outputToken": f"t{number}"}
            engine.send_bytes(self.frames("sandbox/exec", params, [100 + number]))
        self.assert_memory_stays_bounded(engine, seconds=4)
        engine.kill(signal=15)
        self.assertEqual(engine.wait(15), 1, "the end does not wait for a client that does not read")

    def test_a_client_that_stops_reading_while_it_asks(self):
        """10,000 answers that nobody reads are held back, and all come when somebody does."""
        engine = self.start_engine(initialize=False, reading=False)
        engine.send_bytes(self.frames("initialize", {"store": self.store}, ["first"]))
        self.answer_to(engine, "first")
        flood = self.frames("sandbox/list", {}, range(10_000))
        sender = threading.Thread(target=engine.send_bytes, args=[flood])
        sender.start()
        self.assert_memory_stays_bounded(engine, seconds=2)
        engine.start_reading()
        self.assertEqual(len(self.collect(engine, 10_000)), 10_000)
        sender.join()
        engine.kill(signal=15)
        self.assertEqual(engine.wait(15), 1)

    def answer_to(self, engine, request_id):
        """Reads frames by hand up to the answer to a request."""
        while True:
            message = json.loads(read_frame(engine.process.stdout))
            if message.get("id") == request_id:
                return message["result"]

    def assert_memory_stays_bounded(self, engine, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.assertLess(self.memory(engine), self.MEMORY_LIMIT_KIB)
            time.sleep(0.1)
