"""sandbox/exec: command forms, folder, environment, user, standard input, exit codes and their errors."""

import base64
import os

from harness.case import EngineTestCase


class ExecTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def setUp(self):
        super().setUp()
        self.box = self.engine.create(env={"FROM_CREATE": "create", "BOTH": "create"})

    def test_a_string_is_run_by_sh(self):
        self.assertEqual(
            self.box.output("echo $((6 * 7)) && readlink /proc/$$/exe"), "42\n" + os.path.realpath("/bin/sh") + "\n"
        )

    def test_an_argv_is_run_as_it_is(self):
        self.assertEqual(self.box.output(["/bin/echo", "a  b", "$HOME", "", "'q'"]), "a  b $HOME  'q'\n")
        self.assertEqual(self.box.output(["echo", "found by PATH"]), "found by PATH\n")

    def test_the_result(self):
        result = self.box.exec("echo out; echo err >&2; exit 3")
        self.assertEqual((result["exitCode"], result["stdout"], result["stderr"]), (3, "out\n", "err\n"))
        self.assertEqual((result["timedOut"], result["truncated"]), (False, False))
        self.assertGreaterEqual(result["durationMs"], 0)
        self.assertNotIn("signal", result)

    def test_every_exit_code(self):
        for code in (0, 1, 2, 77, 124, 126, 127, 128, 137, 255):
            self.assertEqual(self.box.exec(f"exit {code}")["exitCode"], code)

    def test_a_command_killed_by_a_signal(self):
        for name, number in (("SIGKILL", 9), ("SIGTERM", 15), ("SIGSEGV", 11), ("SIGABRT", 6), ("SIGPIPE", 13)):
            result = self.box.exec(f"kill -{number} $$; sleep 5")
            self.assertEqual((result["exitCode"], result.get("signal")), (128 + number, name))

    def test_a_shell_that_reports_a_killed_child_is_not_killed_itself(self):
        result = self.box.exec("sh -c 'kill -9 $$'; exit $?")
        self.assertEqual(result["exitCode"], 137)
        self.assertNotIn("signal", result)

    # Folder, environment, user

    def test_the_folder(self):
        self.assertEqual(self.box.output("pwd"), "/\n")
        self.assertEqual(self.box.output("pwd", cwd="/usr/bin"), "/usr/bin\n")
        self.assertEqual(self.engine.create(cwd="/tmp").output("pwd"), "/tmp\n")

    def test_a_folder_that_is_absent(self):
        self.assert_fails(1040, "PathNotFound", self.box.exec, "pwd", cwd="/no/such/folder")
        self.assert_fails(1040, "PathNotFound", self.box.exec, "pwd", cwd="/etc/passwd")
        self.assert_fails(-32602, None, self.box.exec, "pwd", cwd="relative")

    def test_the_environment_is_layered(self):
        shown = "echo $FROM_CREATE $BOTH $FROM_EXEC"
        self.assertEqual(self.box.output(shown), "create create\n")
        self.assertEqual(self.box.output(shown, env={"BOTH": "exec", "FROM_EXEC": "exec"}), "create exec exec\n")
        self.assertEqual(self.box.output(shown), "create create\n", "an exec's variables are its own")

    def test_variables_with_every_character(self):
        value = "line\nbreak 'quote' \"double\" $dollar ü€😀 \\ = end "
        self.assertEqual(self.box.output(["printenv", "V"], env={"V": value}), value + "\n")
        self.assertEqual(self.box.output(["printenv", "EMPTY"], env={"EMPTY": ""}), "\n")

    def test_path_of_the_call_decides_what_is_found(self):
        self.box.output("mkdir -p /tmp/bin && printf '#!/bin/sh\\necho mine' > /tmp/bin/mine && chmod +x /tmp/bin/mine")
        self.assertEqual(self.box.output(["mine"], env={"PATH": "/tmp/bin:/usr/bin:/bin"}), "mine\n")
        self.assert_fails(1031, "CommandNotFound", self.box.exec, ["mine"])

    def test_the_user_by_name_and_by_number(self):
        self.assertEqual(self.box.output("id -un", user="root"), "root\n")
        self.assertEqual(self.box.output("id -u", user="0"), "0\n")
        if self.caller != "bare":
            self.assertEqual(
                self.box.output("id -un; id -gn; echo $HOME", user="daemon"), "daemon\ndaemon\n/usr/sbin\n"
            )
            self.assertEqual(self.box.output("id -u", user="1234"), "1234\n")
            self.assertEqual(self.engine.create(user="daemon").output("id -un"), "daemon\n")

    def test_an_unknown_user(self):
        error = self.assert_fails(-32602, None, self.box.exec, "true", user="nobody-has-this-name")
        self.assertIn("user", error.message)

    def test_home_of_root(self):
        self.assertEqual(self.box.output("echo $HOME; cd && pwd"), "/root\n/root\n")

    # Standard input

    def test_standard_input_is_empty_unless_given(self):
        self.assertEqual(self.box.output("cat; echo end"), "end\n")

    def test_standard_input(self):
        self.assertEqual(self.box.output("cat", stdin="line\nü€😀"), "line\nü€😀")

    def test_much_standard_input(self):
        text = "0123456789abcdef" * (1 << 17)
        self.assertEqual(self.box.output("wc -c", stdin=text).strip(), str(2 << 20))
        self.assertEqual(self.box.output("cat", stdin=text), text)

    def test_standard_input_that_nobody_reads(self):
        self.assertEqual(self.box.output("echo done", stdin="x" * (4 << 20)), "done\n")
        self.assertEqual(self.box.output("exec 0<&-; sleep 0.1; echo done", stdin="x" * (4 << 20)), "done\n")

    # What cannot be run

    def test_a_command_that_is_absent(self):
        for command in (["no-such-command"], ["/no/such/command"], ["/etc/passwd/x"]):
            with self.subTest(command=command):
                self.assert_fails(1031, "CommandNotFound", self.box.exec, command)
        self.assertEqual(self.box.exec("no-such-command")["exitCode"], 127, "the shell's own business")

    def test_a_command_that_is_not_executable(self):
        self.box.output(
            "echo text > /tmp/plain; mkdir /tmp/folder; printf '\\177ELFbroken' > /tmp/elf; chmod +x /tmp/elf"
        )
        for path in ("/tmp/plain", "/tmp/folder", "/tmp/elf"):
            with self.subTest(path=path):
                self.assert_fails(1032, "CommandNotExecutable", self.box.exec, [path])

    def test_a_script_whose_interpreter_is_absent(self):
        self.box.output("printf '#!/no/such/interpreter\\n' > /tmp/script; chmod +x /tmp/script")
        error = self.box.start(["/tmp/script"]).error()
        self.assertIn(error.code, (1031, 1032), str(error))

    def test_commands_of_the_wrong_shape(self):
        for command in ([], 5, ["a", 5], {"a": 1}, True):
            with self.subTest(command=command):
                error = self.assert_fails(-32602, None, self.box.exec, command)
                self.assertIn("command", error.message)
        self.assert_fails(-32602, None, self.box.call, "sandbox/exec")

    def test_empty_commands(self):
        self.assertEqual(self.box.exec("")["exitCode"], 0, "a shell with nothing to do")
        self.assert_fails(1031, "CommandNotFound", self.box.exec, [""])

    def test_a_nul_in_an_argument_cannot_be_passed(self):
        error = self.box.start(["echo", "a\0b"]).error()
        self.assertIn(error.code, (-32602, -32700), str(error))

    def test_a_long_command_line(self):
        self.assertEqual(self.box.output(["/bin/sh", "-c", "echo ${#1}", "sh", "x" * 100_000]), "100000\n")
        self.assertEqual(len(self.box.output(["/bin/echo", *["word"] * 20_000]).split()), 20_000)

    def test_arguments_that_are_too_long_are_an_error_and_not_the_end(self):
        self.assert_fails(-32602, None, self.box.exec, ["/bin/echo", "x" * (256 << 10)])
        many = ["/bin/echo", *["x" * 1000] * 10_000]  # each is short enough; together they are not
        self.assertIn(self.box.start(many).error().code, (1032, 1060))
        self.assertEqual(self.box.output("echo alive"), "alive\n")

    # What stays behind

    def test_a_background_job_that_keeps_the_output_open_does_not_hold_the_answer(self):
        result = self.box.exec("sleep 100 & echo begun")
        self.assertEqual((result["exitCode"], result["stdout"]), (0, "begun\n"))
        self.assertLess(result["durationMs"], 50_000)

    def test_a_background_job_lives_on(self):
        self.box.exec("(sleep 0.3; echo later > /tmp/later) > /dev/null 2>&1 &")
        self.box.wait_until("test -e /tmp/later")

    def test_a_command_that_closes_its_output_is_waited_for(self):
        result = self.box.exec("exec >&- 2>&-; sleep 0.5; exit 7")
        self.assertEqual(result["exitCode"], 7)
        self.assertGreaterEqual(result["durationMs"], 500)

    def test_orphans_are_reaped(self):
        self.box.output("for i in $(seq 50); do (sh -c 'sleep 0.05 &' &) done")
        self.box.wait_until("test $(cat /proc/[0-9]*/stat | grep -c ') Z ') = 0 && ! grep -qs sleep /proc/[0-9]*/comm")

    def test_what_one_exec_writes_the_next_reads(self):
        self.box.output("echo one > /tmp/file")
        self.assertEqual(self.box.output("cat /tmp/file"), "one\n")
        data = base64.b64encode(bytes(range(256))).decode()
        self.box.call("fs/write", path="/tmp/bytes", data=data, encoding="base64")
        self.assertEqual(self.box.output("od -An -v -tx1 /tmp/bytes").split(), [f"{b:02x}" for b in range(256)])
