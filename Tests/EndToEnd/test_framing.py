"""Transport: the LSP base protocol's frames, whole, split, glued, truncated, oversized and malformed."""

import json
import time

from harness.case import EngineTestCase

MEBIBYTE = 1 << 20
BODY_LIMIT = 64 * MEBIBYTE
HEADER_LIMIT = 8 << 10


def request(request_id, method="sandbox/list", params=None) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}})


class FramingTests(EngineTestCase):
    callers = ("root",)

    def expect_stray_error(self, code, request_id=None):
        answer = self.engine.next_stray()
        self.assertEqual(answer["error"]["code"], code, answer)
        self.assertIsNone(answer["id"]) if request_id is None else self.assertEqual(answer["id"], request_id)
        return answer["error"]

    def expect_alive(self):
        """The connection goes on."""
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])

    # Frames

    def test_a_frame_may_come_byte_by_byte(self):
        body = request("split").encode()
        for byte in b"Content-Length: %d\r\n\r\n" % len(body) + body:
            self.engine.send_bytes(bytes([byte]))
        self.assertEqual(self.engine.next_stray()["id"], "split")

    def test_frames_may_come_glued(self):
        frames = b""
        for number in range(500):
            body = request(f"glued{number}").encode()
            frames += b"Content-Length: %d\r\n\r\n" % len(body) + body
        self.engine.send_bytes(frames)
        answered = {self.engine.next_stray()["id"] for _ in range(500)}
        self.assertEqual(answered, {f"glued{n}" for n in range(500)})

    def test_a_frame_may_be_split_inside_a_character(self):
        body = json.dumps({"jsonrpc": "2.0", "id": "ü€😀", "method": "sandbox/list", "params": {}}, ensure_ascii=False)
        data = body.encode()
        cut = data.index("😀".encode()) + 2
        self.engine.send_bytes(b"Content-Length: %d\r\n\r\n" % len(data) + data[:cut])
        time.sleep(0.05)
        self.engine.send_bytes(data[cut:])
        self.assertEqual(self.engine.next_stray()["id"], "ü€😀")

    def test_content_type_is_accepted_in_either_place(self):
        kind = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"
        body = request("typed").encode()
        length = b"Content-Length: %d\r\n" % len(body)
        for headers in (length + kind, kind + length):
            self.engine.send_bytes(headers + b"\r\n" + body)
            self.assertEqual(self.engine.next_stray()["id"], "typed")

    def test_header_names_are_matched_without_case(self):
        body = request("case").encode()
        self.engine.send_bytes(b"content-length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(self.engine.next_stray()["id"], "case")

    def test_a_body_of_64_mib_is_read(self):
        text = request("big")
        self.engine.send_frame(text + " " * (BODY_LIMIT - len(text)))
        answer = self.engine.next_stray(30)
        self.assertIn("result", answer)

    def test_a_larger_body_is_refused_and_skipped(self):
        text = request("too big")
        self.engine.send_frame(text + " " * (BODY_LIMIT + 1 - len(text)))
        self.expect_stray_error(-32600)
        self.expect_alive()

    def test_a_huge_announced_length_takes_no_memory(self):
        self.engine.send_bytes(b"Content-Length: 1000000000000\r\n\r\n")
        self.engine.send_bytes(b" " * MEBIBYTE)
        self.expect_stray_error(-32600)
        self.assert_ends_with(1, by_closing=True)

    def test_an_empty_body_is_malformed(self):
        self.engine.send_frame(b"")
        self.expect_stray_error(-32700)
        self.expect_alive()

    # What cannot be resynchronised

    def assert_ends_with(self, code, by_closing=False):
        if by_closing:
            self.engine.close_stdin()
        self.assertEqual(self.engine.wait(10), code)

    def assert_header_ends_it(self, header):
        self.engine.send_bytes(header)
        self.assert_ends_with(1)
        self.assertEqual(len(self.engine.stderr().strip().splitlines()), 1, self.engine.stderr())

    def test_a_header_block_over_8_kib_ends_it(self):
        self.assert_header_ends_it(b"X-Filler: " + b"x" * HEADER_LIMIT + b"\r\n\r\n")

    def test_an_endless_header_line_ends_it(self):
        self.assert_header_ends_it(b"x" * (HEADER_LIMIT + 1))

    def test_a_header_block_without_a_length_ends_it(self):
        self.assert_header_ends_it(b"Content-Type: application/json\r\n\r\n")

    def test_lengths_that_are_none_end_it(self):
        for value in (b"-1", b"12x", b"", b"0x10", b"99999999999999999999999", b"1.5", b"+5"):
            with self.subTest(value=value):
                self.engine = self.start_engine()
                self.assert_header_ends_it(b"Content-Length: " + value + b"\r\n\r\n")

    def test_two_different_lengths_end_it(self):
        self.assert_header_ends_it(b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n")

    def test_end_of_input_within_a_body(self):
        self.engine.send_bytes(b"Content-Length: 100\r\n\r\n{")
        self.assert_ends_with(1, by_closing=True)

    def test_end_of_input_within_a_header(self):
        self.engine.send_bytes(b"Content-Len")
        self.assert_ends_with(1, by_closing=True)

    # Malformed bodies

    def test_malformed_json(self):
        for body in ("{", "", "nonsense", '{"jsonrpc":"2.0",}', "{} {}", "'a'", '{"a":01}', "\ufeff{}", '{"a":"\t"}'):
            with self.subTest(body=body):
                self.engine.send_frame(body)
                self.expect_stray_error(-32700)
        self.expect_alive()

    def test_bytes_that_are_not_utf_8(self):
        for bad in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"):
            with self.subTest(bad=bad):
                self.engine.send_frame(b'{"jsonrpc":"2.0","id":1,"method":"sandbox/' + bad + b'"}')
                self.expect_stray_error(-32700)
        self.expect_alive()

    def test_duplicate_keys(self):
        self.engine.send_frame('{"jsonrpc":"2.0","id":1,"id":2,"method":"sandbox/list","params":{}}')
        self.expect_stray_error(-32700)
        self.engine.send_frame('{"jsonrpc":"2.0","id":1,"method":"sandbox/list","params":{"labels":{},"labels":{}}}')
        self.expect_stray_error(-32700)
        self.expect_alive()

    def test_deep_nesting(self):
        for depth in (10_000, 1_000_000):
            with self.subTest(depth=depth):
                self.engine.send_frame(
                    '{"jsonrpc":"2.0","id":1,"method":"x","params":' + "[" * depth + "]" * depth + "}"
                )
                self.expect_stray_error(-32700)
        self.expect_alive()

    def test_integers_beyond_64_bits(self):
        self.engine.send_frame('{"jsonrpc":"2.0","id":9223372036854775808,"method":"sandbox/list"}')
        self.expect_stray_error(-32700)
        self.expect_alive()

    # Messages that are JSON and not JSON-RPC

    def test_a_batch_is_refused(self):
        for body in ("[]", "[" + request(1) + "]"):
            self.engine.send_frame(body)
            self.expect_stray_error(-32600)
        self.expect_alive()

    def test_values_that_are_no_object(self):
        for body in ("1", '"text"', "null", "true"):
            with self.subTest(body=body):
                self.engine.send_frame(body)
                self.assertIn(self.engine.next_stray()["error"]["code"], (-32600, -32700))
        self.expect_alive()

    def test_objects_that_are_no_request(self):
        for body in (
            {"id": 7, "method": "sandbox/list", "params": {}},
            {"jsonrpc": "1.0", "id": 7, "method": "sandbox/list", "params": {}},
            {"jsonrpc": "2.0", "id": 7, "method": 5, "params": {}},
            {"jsonrpc": "2.0", "id": 7, "method": None},
            {"jsonrpc": "2.0", "id": 7},
            {"jsonrpc": "2.0", "id": 7, "method": "sandbox/list", "params": "text"},
        ):
            with self.subTest(body=body):
                self.engine.send_frame(json.dumps(body))
                self.assertEqual(self.engine.next_stray()["error"]["code"], -32600)
        self.expect_alive()

    def test_a_response_from_the_client_is_ignored(self):
        self.engine.send_frame('{"jsonrpc":"2.0","id":1,"result":null}')
        self.expect_alive()
        self.assertEqual(self.engine.strays, [])

    # Ids

    def test_ids_come_back_unchanged(self):
        for request_id in (0, -1, 4711, 2**53 + 1, 2**63 - 1, -(2**63), "", "1", "x" * 10_000, 'ü€😀\n"\\', "\u001f"):
            with self.subTest(id=request_id):
                self.engine.send_frame(request(request_id))
                answer = self.engine.next_stray()
                self.assertEqual(answer["id"], request_id)
                self.assertIs(type(answer["id"]), type(request_id))
                self.assertIn("result", answer)

    def test_ids_of_other_types_are_refused(self):
        for request_id in (None, 1.5, True, {}, [1]):
            with self.subTest(id=request_id):
                self.engine.send_frame(request(request_id))
                self.expect_stray_error(-32600)
        self.expect_alive()

    def test_two_requests_in_flight_may_not_share_an_id(self):
        box = self.engine.create()
        body = request("same", "sandbox/exec", {"sandboxId": box.id, "command": "sleep 0.5"})
        self.engine.send_frame(body)
        self.engine.send_frame(body)
        answers = [self.engine.next_stray(), self.engine.next_stray()]
        self.assertEqual([a.get("error", {}).get("code") for a in answers], [-32600, None])

    # Methods and params

    def test_unknown_methods(self):
        for method in ("sandbox/unknown", "", "Sandbox/create", "$/unknown", "initialize/", "x" * 100_000):
            with self.subTest(method=method[:40]):
                self.assert_fails(-32601, None, self.engine.call, method, {})

    def test_unknown_notifications_are_ignored(self):
        self.engine.notify("$/setTrace", {"value": "off"})
        self.engine.notify("sandbox/nothing", {})
        self.expect_alive()
        self.assertEqual(self.engine.strays, [])

    def test_params_by_position_are_refused(self):
        self.assert_fails(-32602, None, self.engine.call, "sandbox/list", [{}])

    def test_null_params_are_none(self):
        self.engine.send_frame(json.dumps({"jsonrpc": "2.0", "id": "n", "method": "sandbox/list", "params": None}))
        self.assertEqual(self.engine.next_stray()["result"], {"sandboxes": []})
        self.engine.send_frame(json.dumps({"jsonrpc": "2.0", "method": "exit", "params": None}))
        self.assertEqual(self.engine.wait(), 1)

    def test_an_unknown_field_is_refused_by_name(self):
        for method, params in (
            ("sandbox/create", {"imgae": "host"}),
            ("sandbox/list", {"label": {}}),
            ("engine/gc", {"dryrun": True}),
            ("sandbox/create", {"network": {"mode": "none", "modus": 1}}),
        ):
            with self.subTest(method=method, params=params):
                error = self.assert_fails(-32602, None, self.engine.call, method, params)
                unknown = next(name for name in ("imgae", "label", "dryrun", "modus") if f"'{name}'" in str(params))
                self.assertIn(unknown, error.message)

    def test_a_field_of_the_wrong_type_is_refused_by_name(self):
        for field, value in (
            ("vcpus", "two"), ("env", []), ("env", {"A": 1}), ("labels", {"a": None}), ("cwd", 5),
            ("timeoutSec", -1), ("memMiB", 0), ("memMiB", 1.5), ("network", "none"), ("onTimeout", "explode"),
        ):  # fmt: skip
            with self.subTest(field=field, value=value):
                error = self.assert_fails(-32602, None, self.engine.call, "sandbox/create", {field: value})
                self.assertIn(field, error.message)

    def test_a_missing_field_is_refused_by_name(self):
        error = self.assert_fails(-32602, None, self.engine.call, "sandbox/exec", {"command": "true"})
        self.assertIn("sandboxId", error.message)
        error = self.assert_fails(-32602, None, self.engine.call, "sandbox/get", None)
        self.assertIn("sandboxId", error.message)
