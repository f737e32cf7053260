"""sandbox/fork: children equal to their parent, independent of it and of each other, each with its own identity."""

from harness import tree
from harness.case import EngineTestCase


class ForkTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create(name="parent", env={"SET": "parent"}, cwd="/root", labels={"job": "1"})
        self.box.output("echo prepared > file")

    def test_the_default_is_one_child(self):
        answer = self.box.call("sandbox/fork")
        self.assertEqual(len(answer["sandboxes"]), 1)
        self.assertGreaterEqual(answer["pauseMs"], 0)

    def test_children_carry_over_what_the_parent_had(self):
        for count in (5, 20):
            children = self.box.fork(count)
            self.assertEqual(len({child.id for child in children} | {self.box.id}), count + 1)
            for child in children:
                self.assertEqual(child.info["status"], "running")
                self.assertEqual(child.info["parent"], {"kind": "sandbox", "id": self.box.id})
                self.assertEqual(child.output("cat file; echo $SET; pwd"), "prepared\nparent\n/root\n")

    def test_writes_are_independent(self):
        children = self.box.fork(5)
        for n, child in enumerate(children):
            child.output(f"echo {n} > file; echo {n} > own{n}")
        self.box.output("echo parent > file")
        for n, child in enumerate(children):
            self.assertEqual(child.output("cat file; ls").split(), [str(n), "file", f"own{n}"])
        self.assertEqual(self.box.output("cat file; ls").split(), ["parent", "file"])

    def test_the_parent_may_go_first(self):
        children = self.box.fork(3)
        self.box.destroy()
        for child in children:
            self.assertEqual(child.output("cat file"), "prepared\n")

    def test_each_child_sees_its_own_id(self):
        for child in self.box.fork(5):
            self.assertEqual(child.output("cat /run/isorun/id; echo $ISORUN_SANDBOX_ID").split(), [child.id] * 2)
            grandchild = child.fork()[0]
            self.assertEqual(
                grandchild.output("cat /run/isorun/id; echo $ISORUN_SANDBOX_ID").split(), [grandchild.id] * 2
            )

    def test_the_kernels_random_source_differs_in_each_child(self):
        command = "head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid"
        self.assertEqual(len({child.output(command) for child in self.box.fork(10)}), 10)

    def test_overrides_of_each_child(self):
        children = [
            {"name": "zero", "env": {"VARIANT": "0"}},
            {"name": "one", "env": {"VARIANT": "1", "SET": "child"}, "labels": {"job": "2"}, "memMiB": 256},
            {},
        ]
        zero, one, plain = self.box.fork(3, children=children)
        self.assertEqual(zero.output("echo $VARIANT $SET"), "0 parent\n")
        self.assertEqual(one.output("echo $VARIANT $SET"), "1 child\n")
        self.assertEqual(plain.output("echo [$VARIANT] $SET"), "[] parent\n")
        self.assertEqual((zero.info["name"], one.info["name"]), ("zero", "one"))
        self.assertEqual((one.info["labels"], one.info["memMiB"]), ({"job": "2"}, 256))

    def test_all_or_none(self):
        before = {info["id"] for info in self.engine.call("sandbox/list", {})["sandboxes"]}
        limit = self.engine.capabilities["maxForkCount"]
        for params in (
            {"count": 0},
            {"count": -1},
            {"count": limit + 1},
            {"count": 2, "children": [{}, {}, {}]},
            {"count": 2, "children": [{}, {"memMiB": -5}]},
            {"count": 2, "children": [{}, {"unknown": 1}]},
        ):
            with self.subTest(params=params):
                self.assertIn(self.box.send("sandbox/fork", **params).error().code, (-32602, 1060))
        self.assertEqual({info["id"] for info in self.engine.call("sandbox/list", {})["sandboxes"]}, before)

    def test_forks_of_forks(self):
        box = self.box
        for generation in range(8):
            box.output(f"echo {generation} >> generations")
            box = box.fork()[0]
        self.assertEqual(box.output("cat generations").split(), [str(n) for n in range(8)])

    def test_a_tree_with_everything_in_it(self):
        tree.make(self.box, "/root/tree", owners=self.caller != "bare")
        before = tree.describe(self.box, "/root/tree")
        child = self.box.fork()[0]
        self.assertEqual(tree.describe(child, "/root/tree"), before)
        tree.change(child, "/root/tree")
        self.assertEqual(tree.describe(self.box, "/root/tree"), before)

    def test_children_are_isolated_from_each_other(self):
        first, second = self.box.fork(2)
        first.start("sleep 87654")
        first.wait_until("grep -qs 87654 /proc/[0-9]*/cmdline")
        self.assertNotIn("87654", second.output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
        self.assertNotEqual(first.output("readlink /proc/self/ns/net"), second.output("readlink /proc/self/ns/net"))

    def test_a_fork_while_an_exec_runs(self):
        running = self.box.start("touch begun; sleep 1; echo end")
        self.box.wait_until("test -e begun")
        child = self.box.fork()[0]
        self.assertEqual(child.output("cat file; ls"), "prepared\nbegun\nfile\n")
        self.assertEqual(running.result()["stdout"], "end\n")

    def test_many_forks_at_once(self):
        requests = [self.box.send("sandbox/fork", count=5) for _ in range(6)]
        ids = {info["id"] for request in requests for info in request.result()["sandboxes"]}
        self.assertEqual(len(ids), 30)
