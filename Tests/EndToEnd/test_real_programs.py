"""Programs that people run, through snapshot, restore, fork, rollback, hibernation and resume: state after is state without."""

import os
import shutil

from harness.counting import CountingTestCase

#: How much the Python program holds: 500 shows what a large process costs, less keeps the suite quick.
PYTHON_MEGABYTES = int(os.environ.get("ISORUN_PYTHON_MEGABYTES", "64"))

#: Four threads that count, and memory whose sum is checked again and again.
PYTHON = """
import json, os, sys, threading, time, zlib
try:
    import numpy
    memory = numpy.random.default_rng(7).integers(0, 256, {megabytes} << 20, dtype=numpy.uint8)
except ImportError:
    memory = bytearray(os.urandom({megabytes} << 20))
def checksum(): return zlib.crc32(memory)
first, counts, variant = checksum(), [0] * 4, None
def count(place):
    while True:
        counts[place] += 1
        time.sleep(0.001)
for place in range(4): threading.Thread(target=count, args=(place,), daemon=True).start()
while True:
    if os.path.exists("/tmp/variant"): variant = open("/tmp/variant").read()
    pss = [int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith(("Pss:", "Rss:"))]
    state = dict(counts=list(counts), intact=checksum() == first, threads=threading.active_count(), variant=variant,
                 has_numpy="numpy" in sys.modules)
    with open("/tmp/state.new", "w") as file: json.dump(dict(state, rss=pss[0], pss=pss[1]), file)
    os.rename("/tmp/state.new", "/tmp/state")
    time.sleep(0.02)
"""

#: Whether numbers arrive one after another, without a gap, at the end of a pipeline.
PIPELINE = """
i=0; while :; do i=$((i+1)); echo $i; sleep 0.005; done | sed -u s/^/n/ | sed -u s/^n// | {
    last=0; intact=true
    while read n; do
        [ $n = $((last+1)) ] || intact=false
        last=$n
        echo "{\\"counts\\": [$n], \\"intact\\": $intact}" > /tmp/state.new; mv /tmp/state.new /tmp/state
    done; }
"""

#: Runs a program in a terminal: what /tmp/keys holds is typed, what the program prints goes to /tmp/screen.
TERMINAL = """
import os, pty, select, sys
child, master = pty.fork()
if child == 0: os.execvp(sys.argv[1], sys.argv[1:])
screen = open("/tmp/screen", "ab", 0)
while True:
    if select.select([master], [], [], 0.01)[0]: screen.write(os.read(master, 65536))
    if os.path.exists("/tmp/keys"):
        keys = open("/tmp/keys", "rb").read()
        os.unlink("/tmp/keys")
        os.write(master, keys)
"""

# A worker thread counts, and the main thread counts and tells of both.
NODE = """
const fs = require('fs')
const { Worker, isMainThread, parentPort } = require('worker_threads')
if (isMainThread) {
    const memory = Buffer.alloc(4 << 20, 7)
    let own = 0, workers = 0
    new Worker(__filename).on('message', (count) => { workers = count })
    setInterval(() => {
        own += 1
        const intact = memory.every((byte) => byte === 7)
        fs.writeFileSync('/tmp/state.new', JSON.stringify({ counts: [own, workers], intact }))
        fs.renameSync('/tmp/state.new', '/tmp/state')
    }, 20)
} else {
    let count = 0
    setInterval(() => parentPort.postMessage(count += 1), 20)
}
"""

# Two threads that count, one of them in a pool, and memory that the collector moves while garbage comes and goes.
JAVA = """
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
public class Main {
    static volatile long counted, pooled;
    public static void main(String[] arguments) throws Exception {
        var kept = new HashMap<Integer, byte[]>();
        for (int i = 0; i < 2000; i++) kept.put(i, ("value " + i).getBytes());
        Executors.newScheduledThreadPool(1, task -> { var t = new Thread(task); t.setDaemon(true); return t; })
            .scheduleAtFixedRate(() -> pooled++, 1, 1, TimeUnit.MILLISECONDS);
        while (true) {
            counted++;
            var garbage = new ArrayList<byte[]>();
            for (int i = 0; i < 100; i++) garbage.add(new byte[10000]);
            boolean intact = garbage.size() == 100;
            for (int i = 0; i < 2000; i++) intact &= Arrays.equals(kept.get(i), ("value " + i).getBytes());
            var fresh = Path.of("/tmp/state.new");
            Files.writeString(fresh, "{\\"counts\\": [" + counted + ", " + pooled + "], \\"intact\\": " + intact + "}");
            Files.move(fresh, Path.of("/tmp/state"), StandardCopyOption.ATOMIC_MOVE);
            Thread.sleep(5);
        }
    }
}
"""


class RealProgramTests(CountingTestCase):
    # Programs that tell their state by a file

    def test_python_with_threads(self):
        self.exercise_counting(self.start(["/usr/bin/python3", PYTHON.format(megabytes=8)]))

    def test_node_with_a_worker(self):
        self.exercise_counting(self.start(["node", NODE]))

    def test_java_with_a_pool(self):
        if not shutil.which("javac"):
            self.skipTest("a Java compiler is not installed")
        self.exercise_counting(self.start(["java", "-Xmx48m", "-XX:+UseSerialGC", "--source 11", JAVA]))

    def test_a_pipeline_in_mid_flow(self):
        self.exercise_counting(self.start(["sh", PIPELINE]))

    def test_forks_of_python_share_its_memory_and_go_their_own_ways(self):
        box = self.start(["/usr/bin/python3", PYTHON.format(megabytes=PYTHON_MEGABYTES)])
        if not self.state(box)["has_numpy"]:
            self.skipTest("numpy is not installed")
        whole = self.state(box)["rss"]
        forks = self.forked_whole(box, 5)
        for number, fork in enumerate(forks):
            fork.write("/tmp/variant", f"variant {number}")
        states = []
        for number, fork in enumerate(forks):
            self.eventually(lambda: self.state(fork)["variant"] == f"variant {number}")
            states.append(self.state(fork))
        self.assertTrue(all(state["intact"] and state["threads"] == 5 for state in states))
        self.assertLess(sum(state["pss"] for state in states), 1.3 * whole)
        self.assertIsNone(self.state(box)["variant"])
        # A sandbox that is captured never holds its memory twice: that could go beyond its limit.
        self.assertLess(box.call("sandbox/stats")["memPeakBytes"], 1.5 * (whole << 10))

    # Programs in a terminal

    def start_in_terminal(self, command: str):
        box = self.engine.create()
        box.write("/tmp/terminal.py", TERMINAL)
        box.output(f"setsid /usr/bin/python3 /tmp/terminal.py {command} < /dev/null > /tmp/log 2>&1 &")
        return box

    def type(self, box, keys: str, expected: str) -> None:
        """Types something, and waits until the program prints what is expected."""
        before = len(self.screen(box))
        box.write("/tmp/keys.new", keys)
        box.output("mv /tmp/keys.new /tmp/keys")
        self.eventually(
            lambda: expected in self.screen(box)[before:],
            seconds=20,
            message=f"{expected!r} does not come after {keys!r}; the screen shows:\n{self.screen(box)[-600:]}",
        )

    def screen(self, box) -> str:
        return box.exec("cat /tmp/screen 2>/dev/null")["stdout"]

    def test_bash_with_jobs(self):
        box = self.start_in_terminal("bash --norc")
        self.type(box, "PS1='> '; kept=6; sleep 1000 & echo begun $((kept*7))\n", "begun 42")
        self.type(box, "sleep 2000\n", "sleep 2000")
        box.wait_for_foreground("sleep")
        self.type(box, "\x1a", "Stopped")

        def check(other, where):
            self.type(other, "jobs; echo end $((kept*7))\n", "end 42")
            shown = self.screen(other)[-400:]
            self.assertIn("Running", shown, where)
            self.assertIn("Stopped", shown, where)
            self.type(other, "history 2; fc -l | head -1\n", "kept=6")
            self.type(other, "fg %2\n", "sleep 2000")
            other.wait_for_foreground("sleep")
            self.type(other, "\x1a", "Stopped")

        check(box, "before anything")
        self.live_through(box, check)

    def test_interactive_python(self):
        box = self.start_in_terminal("/usr/bin/python3 -i")
        self.type(box, "kept = {'answer': 42}\n", ">>> ")
        self.live_through(box, lambda other, where: self.type(other, "print('it', kept['answer'])\n", "it 42"))

    def test_less(self):
        if not shutil.which("less"):
            self.skipTest("less is not installed")
        box = self.start_in_terminal("sh -c 'seq 1 5000 | sed s/^/line-/ > /tmp/text; TERM=xterm less /tmp/text'")
        self.type(box, "10g", "line-10")

        def check(other, where):
            self.type(other, "3000g", "line-3000")
            self.type(other, "G", "line-5000")
            self.type(other, "10g", "line-10")

        self.live_through(box, check)

    def test_vim(self):
        editor = shutil.which("vim") or shutil.which("vim.tiny")
        if not editor:
            self.skipTest("vim is not installed")
        box = self.start_in_terminal(f"env TERM=xterm {editor} -u NONE /tmp/text")
        self.type(box, ":call setline(1, 'kept')\r", "kept")

        def check(other, where):
            self.type(other, ":s/kept/changed/\r", "changed")
            self.type(other, ":undo\r", "1 change; before")
            self.type(other, ":w! /tmp/written\r", "5 bytes written")
            self.assertEqual(other.read("/tmp/written"), "kept\n", where)

        check(box, "before anything")
        self.live_through(box, check)
