"""Lifecycle of a connection: initialize, shutdown, exit, end of input, signals, and the exit codes."""

import os
import signal
import subprocess
import sys

from harness.case import EngineTestCase
from harness.schema_check import document


class InitializeTests(EngineTestCase):
    callers = ("root", "user", "bare")
    starts_engine = False

    def setUp(self):
        super().setUp()
        self.engine = self.start_engine(initialize=False)

    def test_the_result_of_initialize(self):
        result = self.engine.initialize(store=self.store, protocolVersion="1")
        self.assertEqual(result["serverInfo"]["name"], "isorun-engine")
        self.assertRegex(result["serverInfo"]["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(result["protocolVersion"], "1")
        capabilities, host = result["capabilities"], result["host"]
        self.assertIn("none", capabilities["network"])
        self.assertIn("host", capabilities["images"])
        self.assertIn("import", capabilities["images"])
        self.assertGreaterEqual(capabilities["maxForkCount"], 20)
        for limit in ("memory", "cpu", "pids", "disk"):
            self.assertIn(capabilities["limits"][limit], ("cgroup2", "cgroup1", "rlimit", "engine", "none"))
        self.assertIs(type(capabilities["runtimeState"]["supported"]), bool)
        self.assertEqual(host["kernel"], os.uname().release)
        self.assertEqual(host["arch"], os.uname().machine)
        self.assertEqual(host["rootless"], self.caller != "root")
        self.assertEqual(host["subordinateIds"], self.caller != "bare")
        self.assertEqual(host["store"], self.store)

    def test_everything_before_initialize_is_refused(self):
        for method in ("sandbox/list", "rpc.discover", "shutdown", "no/such"):
            with self.subTest(method=method):
                self.assert_fails(-32002, None, self.engine.call, method)
        self.engine.initialize(store=self.store)
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])

    def test_initialize_without_any_params(self):
        result = self.start_engine(initialize=False, env={"HOME": self.folder, "XDG_DATA_HOME": self.folder}).call(
            "initialize", {"store": self.store}
        )
        self.assertEqual(result["protocolVersion"], "1")

    def test_a_second_initialize_is_refused(self):
        self.engine.initialize(store=self.store)
        self.assert_fails(-32600, None, self.engine.call, "initialize", {"store": self.store})
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])

    def test_initialize_can_be_repeated_after_it_failed(self):
        file = os.path.join(self.folder, "file")
        open(file, "w").close()
        with self.assertRaises(Exception):
            self.engine.call("initialize", {"store": file})
        self.engine.initialize(store=self.store)

    def test_another_protocol_version_is_refused(self):
        error = self.assert_fails(-32602, None, self.engine.call, "initialize", {"protocolVersion": "2"})
        self.assertIn("protocolVersion", error.message)

    def test_the_default_store_of_an_ordinary_user(self):
        if self.caller == "root":
            self.skipTest("root's default store is /var/lib/isorun, which this test leaves alone")
        data = os.path.join(self.folder, "data")
        engine = self.start_engine(initialize=False, env={"XDG_DATA_HOME": data})
        self.assertEqual(engine.call("initialize", {})["host"]["store"], os.path.join(data, "isorun"))
        self.assertEqual(engine.close(), 0)

    def test_the_store_option(self):
        store = os.path.join(self.folder, "named")
        engine = self.start_engine(initialize=False, arguments=["--store", store])
        self.assertEqual(engine.call("initialize", {})["host"]["store"], store)
        self.assertEqual(engine.close(), 0)

    def test_discover_returns_the_document(self):
        self.engine.initialize(store=self.store)
        self.assertEqual(self.engine.call("rpc.discover"), document())

    def test_logs_go_to_standard_error_only(self):
        self.engine.initialize(store=self.store)
        self.engine.create().output("true")
        self.assertEqual(self.engine.close(), 0)
        self.assertEqual(self.engine.garbage, [])


class EndTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def test_shutdown_then_exit(self):
        self.assertIsNone(self.engine.call("shutdown"))
        self.engine.notify("exit")
        self.assertEqual(self.engine.wait(), 0)

    def test_exit_without_shutdown(self):
        self.engine.notify("exit")
        self.assertEqual(self.engine.wait(), 1)

    def test_exit_before_initialize(self):
        engine = self.start_engine(initialize=False)
        engine.notify("exit")
        self.assertEqual(engine.wait(), 1)

    def test_only_exit_is_accepted_after_shutdown(self):
        self.engine.call("shutdown")
        self.assert_fails(-32600, None, self.engine.call, "sandbox/list", {})
        self.assert_fails(-32600, None, self.engine.call, "shutdown")
        self.engine.notify("exit")
        self.assertEqual(self.engine.wait(), 0)

    def test_end_of_input(self):
        self.engine.close_stdin()
        self.assertEqual(self.engine.wait(), 1)

    def test_end_of_input_after_shutdown(self):
        self.engine.call("shutdown")
        self.engine.close_stdin()
        self.assertEqual(self.engine.wait(), 0)

    def test_end_of_input_before_initialize(self):
        engine = self.start_engine(initialize=False)
        engine.close_stdin()
        self.assertEqual(engine.wait(), 1)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number.name):
                engine = self.start_engine()
                engine.create().start("sleep 1000")
                engine.kill(signal=number)
                self.assertEqual(engine.wait(), 1)

    def test_signals_after_shutdown(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number.name):
                engine = self.start_engine()
                engine.call("shutdown")
                engine.kill(signal=number)
                self.assertEqual(engine.wait(), 0)

    def test_the_end_destroys_sandboxes_and_keeps_snapshots(self):
        for end in (lambda: self.engine.close_stdin(), lambda: self.engine.kill(signal=signal.SIGTERM)):
            box = self.engine.create()
            box.output("echo kept > /root/file")
            snapshot = box.snapshot()
            box.start("sleep 1000")
            end()
            self.engine.wait()
            self.engine = self.start_engine()
            self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
            self.assertEqual(self.engine.restore(snapshot).output("cat /root/file"), "kept\n")

    def test_requests_in_flight_at_the_end_do_not_delay_it(self):
        box = self.engine.create()
        for _ in range(20):
            box.start("trap '' TERM INT HUP; sleep 1000")
        box.wait_until("test $(cat /proc/[0-9]*/comm | grep -c '^sleep$') = 20")
        self.engine.close_stdin()
        self.assertEqual(self.engine.wait(10), 1)

    def test_shutdown_answers_before_execs_have_ended(self):
        box = self.engine.create()
        box.start("sleep 1000")
        self.assertIsNone(self.engine.call("shutdown", seconds=10))
        self.engine.notify("exit")
        self.assertEqual(self.engine.wait(10), 0)

    def test_the_engine_ends_with_the_named_client_process(self):
        client = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        engine = self.start_engine(initialize=False)
        engine.initialize(store=self.store, clientProcessId=client.pid)
        engine.create()
        client.stdin.close()
        client.wait()
        self.assertEqual(engine.wait(15), 1)
