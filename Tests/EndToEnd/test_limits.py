"""Limits: what runs into one is told what it is, and nobody else feels it. The numbers of sandbox/stats, against known loads."""

from harness.case import EngineTestCase

HOG = "x = bytearray(600 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nimport time; time.sleep(100)"
HOG_PIDS = """
import os, subprocess, time
children = []
try:
    while True: children.append(subprocess.Popen(["sleep", "60"]))
except OSError as error:
    print(error.errno, len(children), flush=True)
while not os.path.exists("/go"): time.sleep(0.05)
for child in children: child.kill()
"""


class LimitTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.neighbour = self.engine.create()

    def reached(self, box, limit):
        """Waits for the notification."""
        self.engine.wait_for("sandbox/limitReached", lambda p: p == {"sandboxId": box.id, "limit": limit})

    def finish(self, box):
        """It works on, and nobody else has noticed anything."""
        self.assertEqual(box.exec("echo alive > /alive; cat /alive")["stdout"], "alive\n")
        result = self.neighbour.exec("echo alive > /alive; cat /alive")
        self.assertEqual((result["stdout"], result.get("limits")), ("alive\n", None))
        told = {p["sandboxId"] for p in self.engine.params_of("sandbox/limitReached")}
        self.assertEqual(told, {box.id})

    def test_memory(self):
        box = self.engine.create(memMiB=128)
        job = box.launch("sleep 1000")
        result = box.exec(["/usr/bin/python3", "-c", HOG])
        self.assertEqual((result["exitCode"], result["signal"], result["limits"]), (137, "SIGKILL", ["memory"]))
        self.reached(box, "memory")
        # A sandbox of several that are each below the limit, and a tmpfs.
        hogs = [box.start(["/usr/bin/python3", "-c", HOG.replace("600", "100")]) for _ in range(2)]
        self.eventually(lambda: any(h.done() for h in hogs), message="two of 100 MB live in 128 MB")
        first = next(h for h in hogs if h.done())
        self.assertEqual(first.result()["limits"], ["memory"])
        self.assertEqual(box.exec("pkill python3; head -c 300M /dev/zero > /dev/shm/x")["exitCode"], 1)
        box.exec("rm /dev/shm/x")
        self.assertEqual(job.get()["status"], "running", "the largest process is killed, not another one")
        self.finish(box)

    def test_processes(self):
        box = self.engine.create(pidsMax=20)
        running = box.start(["/usr/bin/python3", "-c", HOG_PIDS])
        self.reached(box, "pids")
        error = box.start("true").error()
        self.assert_error(error, 1060, "LimitExceeded")
        self.assertEqual(error.data["limit"], "pidsMax")
        box.write("/go", "")
        result = running.result()
        errno, count = map(int, result["stdout"].split())
        self.assertEqual((errno, result["limits"]), (11, ["pids"]))
        self.assertIn(count, range(17, 20))
        self.eventually(lambda: box.exec("true")["exitCode"] == 0)
        self.finish(box)

    def test_disk(self):
        box = self.engine.create(diskMiB=32)
        result = box.exec("head -c 1000M /dev/zero > /root/file")
        self.assertEqual((result["limits"], result["exitCode"]), (["disk"], 153), result)
        self.reached(box, "disk")
        used = box.call("sandbox/stats")["diskBytes"]
        self.assertLess(used, 33 << 20, "one file never becomes larger than the limit")
        # Full: what writes ends, or is told so; what reads, and what deletes, works.
        self.assertEqual(box.exec("echo x > /root/y")["signal"], "SIGXFSZ")
        program = "with open('/root/y', 'w') as file: file.write('x')"
        self.assertIn("File too large", box.exec(["/usr/bin/python3", "-c", program])["stderr"])
        self.assert_fails(1061, "NoSpace", box.write, "/root/y", "x")
        box.output("head -c 10 /root/file; rm /root/file")
        self.assertEqual(box.exec("echo x > /root/y").get("limits"), None)
        box.write("/root/y", "x")
        # Files without a name count as long as they are open.
        program = """
import os
files = []
while True:
    files.append(open("/root/z", "wb"))
    os.unlink("/root/z")
    files[-1].write(bytes(4 << 20))
"""
        self.assertEqual(box.exec(["/usr/bin/python3", "-c", program])["limits"], ["disk"])
        self.eventually(lambda: box.exec("echo x > /root/y")["exitCode"] == 0)
        self.assert_fails(1061, "NoSpace", box.write, "/root/y", "x" * (33 << 20))
        # What was sealed counts, too: a fork of a full sandbox is full.
        box.exec("cat /dev/zero > /root/file")
        child = box.fork()[0]
        child.exec("true")
        self.assertEqual(child.exec("echo x > /root/y")["exitCode"], 153)
        told = [p for p in self.engine.params_of("sandbox/limitReached") if p["sandboxId"] in (box.id, child.id)]
        self.assertEqual({p["limit"] for p in told}, {"disk"})
        self.assertEqual(self.neighbour.output("head -c 50M /dev/zero > /f; wc -c < /f"), f"{50 << 20}\n")

    def test_a_mapped_file_does_not_evade_the_limit(self):
        box = self.engine.create(diskMiB=32)
        program = """
import mmap, os
files = [open(f"/root/{i}", "w+b") for i in range(60)]
for file in files: os.truncate(file.fileno(), 30 << 20)
for file in files:
    memory = mmap.mmap(file.fileno(), 30 << 20)
    for i in range(0, len(memory), 4096): memory[i] = 1
    memory.flush()
"""
        result = box.exec(["/usr/bin/python3", "-c", program])
        self.assertEqual((result["signal"], result["limits"]), ("SIGKILL", ["disk"]))

    def test_commands_in_parallel(self):
        box = self.engine.create(execsMax=2)
        self.assertEqual(box.info["execsMax"], 2)
        running = [box.start("cat /dev/zero > /dev/null") for _ in range(2)]
        self.eventually(lambda: self.engine.call("engine/stats", {})["execsRunning"] == 2)
        error = self.assert_fails(1060, "LimitExceeded", box.exec, "true")
        self.assertEqual(error.data["limit"], "execsMax")
        self.assertEqual(self.neighbour.output("echo other"), "other\n")
        for request in running:
            self.engine.cancel(request)
            self.assert_error(request.error(), -32800)
        self.assertEqual(box.output("echo again"), "again\n")


class EngineLimitTests(EngineTestCase):
    starts_engine = False

    def limited(self, **limits):
        engine = self.start_engine(initialize=False)
        engine.initialize(store=self.store, limits=limits)
        return engine

    def test_sandboxes_commands_and_output(self):
        engine = self.limited(sandboxesMax=2, execsMax=1, outputMiB=1)
        one, two = engine.create(), engine.create()
        error = self.assert_fails(1060, "LimitExceeded", engine.create)
        self.assertEqual(error.data["limit"], "limits.sandboxesMax")
        self.assert_fails(1060, "LimitExceeded", one.fork)
        two.call("sandbox/hibernate")
        three = engine.create()
        self.assert_fails(1060, "LimitExceeded", two.call, "sandbox/resume")
        three.destroy()
        two.call("sandbox/resume")
        running = one.start("cat /dev/zero > /dev/null")
        self.eventually(lambda: engine.call("engine/stats", {})["execsRunning"] == 1)
        error = self.assert_fails(1060, "LimitExceeded", two.exec, "true")
        self.assertEqual(error.data["limit"], "limits.execsMax")
        engine.cancel(running)
        self.assert_error(running.error(), -32800)
        for _ in range(2):
            result = one.exec("head -c 3M /dev/zero")
            self.assertEqual((len(result["stdout"]), result["truncated"]), (1 << 20, True))

    def test_memory_of_all_sandboxes(self):
        engine = self.start_engine()
        mechanism = engine.capabilities["limits"]["memory"]
        self.assertEqual(engine.close(), 0)
        limited = self.start_engine(initialize=False)
        params = {"store": self.store, "limits": {"memMiB": 192, "pidsMax": 64, "vcpus": 1}}
        if not mechanism.startswith("cgroup"):
            self.assert_fails(1080, "HostUnsupported", limited.call, "initialize", params)
            limited.initialize(store=self.store)
            return
        limited.initialize(**params)
        box = limited.create(memMiB=1024)
        self.assertEqual(box.exec(["/usr/bin/python3", "-c", HOG])["limits"], ["memory"])
        self.assertEqual(box.output("echo alive"), "alive\n")


class StatsAgainstLoadTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def assert_near(self, measured, known, slack=0.0):
        self.assertLess(abs(measured - known), 0.05 * known + slack, f"{measured} is not {known}")

    def test_stats_of_a_known_load(self):
        box = self.engine.create()
        box.output("mkfifo /go")
        before = box.call("sandbox/stats")
        burn = "import time\nwhile time.process_time() < 1: pass\nprint(time.process_time())"
        cpu = float(box.output(["/usr/bin/python3", "-c", burn]))
        # Besides it, the interpreter's end.
        self.assert_near(box.call("sandbox/stats")["cpuMs"] - before["cpuMs"], cpu * 1000, slack=30)
        before = box.call("sandbox/stats")
        program = """
import threading
x = bytearray(200 << 20)
for i in range(0, len(x), 4096): x[i] = 1
go = threading.Event()
threads = [threading.Thread(target=go.wait) for _ in range(7)]
for t in threads: t.start()
used = [int(l.split()[1]) << 10 for l in open("/proc/self/status") if l.startswith("RssAnon:")][0]
print(used, flush=True)
open("/ready", "w").close(); open("/go").read(); go.set()
"""
        running = box.start(["/usr/bin/python3", "-c", program])
        box.wait_until("test -e /ready")
        during = box.call("sandbox/stats")
        box.output("head -c 40M /dev/zero > /root/file; mkdir /root/d; echo > /go")
        used = running.result()["stdout"]
        self.assertEqual(during["pids"] - before["pids"], 8)
        self.assert_near(during["memBytes"] - before["memBytes"], int(used))
        self.assert_near(during["memPeakBytes"] - before["memPeakBytes"], int(used))
        self.assert_near(box.call("sandbox/stats")["diskBytes"] - before["diskBytes"], 40 << 20)
