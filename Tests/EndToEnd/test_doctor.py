"""The command line: doctor, --help, --version, and what it refuses."""

import json
import subprocess

from harness.case import ENGINE, EngineTestCase


class CommandLineTests(EngineTestCase):
    callers = ("root", "user", "bare")
    starts_engine = False

    def run_engine(self, *arguments, stdin=b""):
        return subprocess.run([ENGINE, *arguments], input=stdin, capture_output=True, timeout=60)

    def test_doctor_prints_a_table(self):
        result = self.run_engine("doctor")
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 0, text + result.stderr.decode())
        for word in ("userNamespaces", "overlay", "idMapTools", "controlGroups", "pidfd", "pasta", "skopeo"):
            self.assertIn(word, text)
        self.assertNotIn("\x1b[", text, "no colour where there is no terminal")

    def test_doctor_in_json(self):
        result = self.run_engine("doctor", "--json")
        self.assertEqual(result.returncode, 0, result.stdout)
        report = json.loads(result.stdout)
        self.assertGreater(len(report["features"]), 5)
        for feature in report["features"]:
            if feature["status"] != "ok":
                self.assertTrue(feature["remedy"], f"a failure names its remedy: {feature}")

    def test_help(self):
        for option in ("--help", "-h"):
            result = self.run_engine(option)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            for word in (b"doctor", b"--store", b"--version", b"initialize"):
                self.assertIn(word, result.stdout)

    def test_version(self):
        result = self.run_engine("--version")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertRegex(result.stdout.decode(), r"^isorun-engine \d+\.\d+\.\d+\S*\n$")

    def test_what_is_refused(self):
        for arguments in (
            ["--no-such-option"],
            ["no-such-command"],
            ["doctor", "--no-such"],
            ["--store"],
        ):
            with self.subTest(arguments=arguments):
                result = self.run_engine(*arguments)
                self.assertNotIn(result.returncode, (0, -6, -11))
                self.assertEqual(result.stdout, b"")
                self.assertIn(arguments[-1].encode(), result.stderr, "the message names what was wrong")

    def test_input_that_is_at_its_end(self):
        result = self.run_engine()
        self.assertEqual((result.returncode, result.stdout), (1, b""))


class ClosedStandardStreamsTests(EngineTestCase):
    starts_engine = False

    def test_without_standard_error(self):
        program = 'exec 2>&-; exec "$0"'
        result = subprocess.run(["/bin/sh", "-c", program, ENGINE], input=b"", stdout=subprocess.PIPE, timeout=30)
        self.assertEqual((result.returncode, result.stdout), (1, b""))

    def test_without_standard_output(self):
        program = 'exec >&-; exec "$0"'
        result = subprocess.run(["/bin/sh", "-c", program, ENGINE], input=b"", stderr=subprocess.PIPE, timeout=30)
        self.assertEqual(result.returncode, 1)
