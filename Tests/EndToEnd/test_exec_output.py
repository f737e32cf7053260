"""What sandbox/exec returns and streams: exact bytes, limits, order, and completeness."""

import base64
import hashlib

from harness.case import EngineTestCase

MEBIBYTE = 1 << 20


class OutputTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def print_bytes(self, data, **params):
        program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
        self.box.call("fs/write", path="/tmp/data", data=base64.b64encode(data).decode(), encoding="base64")
        return self.box.exec(f"exec /usr/bin/python3 -c '{program}' < /tmp/data", **params)

    def test_base64_is_exact(self):
        data = bytes(range(256)) * 100
        result = self.print_bytes(data, encoding="base64")
        self.assertEqual(base64.b64decode(result["stdout"], validate=True), data)

    def test_utf_8_comes_through(self):
        text = "ASCII, ü, €, 😀, \u0000 (NUL), \u001b (escape), \u2028, \ufeff, \r\n"
        self.assertEqual(self.print_bytes(text.encode())["stdout"], text)

    def test_what_is_not_utf_8_is_replaced(self):
        for bad in (b"\xff", b"\xc3", b"a\x80b", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\xaf"):
            with self.subTest(bad=bad):
                self.assertEqual(
                    self.print_bytes(b"<" + bad + b">")["stdout"], (b"<" + bad + b">").decode("utf-8", "replace")
                )

    def test_characters_across_the_reads_of_a_pipe(self):
        text = "x" + "€" * (3 * MEBIBYTE // 10)
        self.assertEqual(self.print_bytes(text.encode())["stdout"], text)

    def test_eight_mebibytes_come_whole(self):
        result = self.box.exec("head -c 8388608 /dev/zero | tr '\\0' x")
        self.assertEqual((len(result["stdout"]), result["truncated"]), (8 * MEBIBYTE, False))

    def test_more_than_the_limit_is_cut_and_the_command_runs_to_its_end(self):
        result = self.box.exec("head -c 50000000 /dev/zero | tr '\\0' x; echo end > /tmp/end", maxOutputBytes=1000)
        self.assertEqual((result["exitCode"], result["stdout"], result["truncated"]), (0, "x" * 1000, True))
        self.assertEqual(self.box.output("cat /tmp/end"), "end\n")

    def test_the_limit_is_that_of_each_exec(self):
        result = self.box.exec("printf abcdef", maxOutputBytes=3)
        self.assertEqual((result["stdout"], result["truncated"]), ("abc", True))
        result = self.box.exec("printf abc", maxOutputBytes=3)
        self.assertEqual((result["stdout"], result["truncated"]), ("abc", False))

    def test_default_limit_is_eight_mebibytes(self):
        result = self.box.exec("head -c 9000000 /dev/zero | tr '\\0' x")
        self.assertEqual((len(result["stdout"]), result["truncated"]), (8 * MEBIBYTE, True))

    def test_both_streams_fill_at_once_without_a_deadlock(self):
        result = self.box.exec("head -c 2000000 /dev/zero >&2 & head -c 2000000 /dev/zero; wait", encoding="base64")
        self.assertEqual(len(base64.b64decode(result["stdout"])), 2_000_000)
        self.assertEqual(len(base64.b64decode(result["stderr"])), 2_000_000)


class StreamTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.box = self.engine.create()

    def streamed(self, token, stream="stdout"):
        parts = [p for p in self.engine.params_of("exec/output") if p["token"] == token and p["stream"] == stream]
        if any(p["encoding"] == "base64" for p in parts):
            return b"".join(base64.b64decode(p["data"]) for p in parts)
        return "".join(p["data"] for p in parts)

    def test_output_comes_while_it_is_printed(self):
        request = self.box.start("echo first; while ! test -e /go; do sleep 0.05; done; echo second", outputToken="t")
        self.engine.wait_for("exec/output", lambda p: "first" in p["data"])
        self.assertFalse(request.done())
        self.box.output("touch /go")
        self.assertEqual(request.result()["stdout"], "first\nsecond\n")
        self.assertEqual(self.streamed("t"), "first\nsecond\n")

    def test_everything_comes_in_order_before_the_answer(self):
        result = self.box.exec("for i in $(seq 20000); do echo $i; done; echo err >&2", outputToken="t")
        expected = "".join(f"{n}\n" for n in range(1, 20001))
        self.assertEqual(self.streamed("t"), expected)
        self.assertEqual(self.streamed("t", "stderr"), "err\n")
        self.assertEqual(result["stdout"], expected)

    def test_bytes_are_exact(self):
        result = self.box.exec("head -c 3000000 /dev/urandom | tee /tmp/data", outputToken="t", encoding="base64")
        data = self.streamed("t")
        self.assertEqual(data, base64.b64decode(result["stdout"]))
        self.assertEqual(hashlib.sha256(data).hexdigest(), self.box.output("sha256sum /tmp/data").split()[0])

    def test_a_character_is_not_torn_between_two_notifications(self):
        program = r"""
import os, time
for byte in "ü€😀".encode() * 5:
    os.write(1, bytes([byte]))
    time.sleep(0.01)
"""
        result = self.box.exec(["/usr/bin/python3", "-c", program], outputToken="t")
        self.assertEqual(result["stdout"], "ü€😀" * 5)
        self.assertEqual(self.streamed("t"), "ü€😀" * 5)

    def test_a_torn_character_at_the_end_is_replaced(self):
        self.box.exec("printf 'a\\342\\202'", outputToken="t")
        self.assertEqual(self.streamed("t"), "a\ufffd")

    def test_streams_of_many_execs_are_told_apart(self):
        requests = [self.box.start(f"for i in $(seq 100); do echo {n}; done", outputToken=f"t{n}") for n in range(20)]
        for request in requests:
            request.result()
        for n in range(20):
            self.assertEqual(self.streamed(f"t{n}"), f"{n}\n" * 100)

    def test_a_stream_is_not_cut_by_the_limit_of_the_result(self):
        result = self.box.exec("head -c 1000000 /dev/zero | tr '\\0' x", outputToken="t", maxOutputBytes=10)
        self.assertEqual((result["stdout"], result["truncated"]), ("x" * 10, True))
        self.assertEqual(len(self.streamed("t")), 1_000_000)

    def test_an_exec_without_a_token_sends_none(self):
        self.box.output("echo quiet")
        self.assertEqual(self.engine.params_of("exec/output"), [])
