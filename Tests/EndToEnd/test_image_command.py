"""`isorun-engine image …`: what a person does with images at a terminal and in scripts."""

import json
import os
import pty
import signal
import subprocess

from harness import oci, registry, rootfs
from harness.case import ENGINE, EngineTestCase


class ImageCommandTests(EngineTestCase):
    callers = ("root", "user", "bare")
    starts_engine = False

    def setUp(self):
        super().setUp()
        self.archive = self.path("tiny.tar")
        rootfs.build(self.archive)
        os.mkdir(self.path("home"))
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.path("home"), "TMPDIR": self.temporary}

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, *words):
        return [ENGINE, "--store", self.store, "image", *words]

    def run_image(self, *words, code=0, **options):
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=90, cwd=self.folder,
            env=self.environment, **options)  # fmt: skip
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def refs(self):
        return [image["ref"] for image in json.loads(self.run_image("ls", "--json").stdout)["images"]]

    def test_all_of_it_while_an_engine_uses_the_store(self):
        self.engine = self.start_engine()
        done = self.run_image("import", "tiny.tar", "tiny:1")
        self.assertRegex(done.stdout, r"^tiny:1  sha256:[0-9a-f]{64}  1 layers  [0-9.]+ MB\n$")
        self.assertRegex(done.stderr, r"^(unpacking tiny:1: \d+ % of [0-9.]+ MB\n)+(isorun-engine: tiny:1: .*\n)?$")
        box = self.engine.create(image="tiny:1")
        box.output("echo new > /new")
        self.run_image("commit", box.snapshot()["id"], "new:1")
        self.assertIn("/new.tar  sha256:", self.run_image("export", "new:1", "new.tar", "--compression=zstd").stdout)
        self.run_image("import", self.path("new.tar"), "again:1")
        self.assertEqual(self.engine.create(image="again:1").read("/new"), "new\n")
        table = self.run_image("ls").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in table], ["REF", "again:1", "new:1", "tiny:1"])
        self.assertRegex(table[2], r"^new:1    sha256:[0-9a-f]{12}  2       [0-9.]+ MB$")
        # What the engine needs is refused, the rest goes with its layers.
        error = self.run_image("rm", "again:1", "tiny:1", code=1).stderr
        self.assertIn("is still needed by", error)
        for sandbox in self.engine.call("sandbox/list", {})["sandboxes"]:
            self.engine.call("sandbox/destroy", {"sandboxId": sandbox["id"]})
        self.engine.call("snapshot/delete", {"snapshotId": self.engine.call("snapshot/list", {})["snapshots"][0]["id"]})
        self.assertEqual(self.run_image("rm", *self.refs()).stdout, "")
        self.assertEqual(self.refs(), [])
        self.assertEqual(os.listdir(os.path.join(self.store, "layers")), [])

    def test_mistakes_are_told_in_a_line(self):
        for words, code, message in (
            (["import", "none.tar", "tiny:1"], 1, "there is nothing at none.tar"),
            (["import", "tiny.tar"], 2, "image import needs a PATH and a REF; see: isorun-engine --help"),
            (["import", "tiny.tar", "host"], 2, "host is the built-in image"),
            (["rm", "none:1"], 1, "there is no image 'none:1'; see what there is: isorun-engine image ls"),
            (["commit", "none", "x:1"], 1, "There is no snapshot none"),
            (["burn", "x:1"], 2, "image has no command 'burn'"),
        ):
            with self.subTest(words):
                done = self.run_image(*words, code=code)
                self.assertEqual((done.stdout, done.stderr.count("\n")), ("", 1))
                self.assertTrue(done.stderr.startswith("isorun-engine: " + message), done.stderr)
        with open(self.path("text"), "w") as file:
            file.write("no archive at all\n" * 100)
        self.assertIn("isorun-engine: ", self.run_image("import", "text", "x:1", code=1).stderr)
        self.run_image("import", "tiny.tar", "tiny:1")
        self.assertIn("is there already", self.run_image("export", "tiny:1", "tiny.tar", code=1).stderr)

    def test_a_bar_on_a_terminal(self):
        terminal, other = pty.openpty()
        process = subprocess.Popen(self.command("import", self.archive, "tiny:1"), stdout=subprocess.PIPE, stderr=other,
                                   env=self.environment)  # fmt: skip
        os.close(other)
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # EIO: nobody has it open any more
            pass
        finally:
            os.close(terminal)
        self.assertEqual((process.wait(30), process.stdout.read()[:7]), (0, b"tiny:1 "))
        process.stdout.close()
        self.assertRegex(shown.decode(), r"unpacking tiny:1: \d+ % of [0-9.]+ MB  \[#*-*\]")
        self.assertTrue(shown[shown.rindex(b"]") :].startswith(b"]\r\x1b[K"), "the bar is gone at the end")

    def test_an_interrupted_import_leaves_nothing(self):
        noise = oci.layer(lambda archive: rootfs.file(archive, "noise", os.urandom(40_000_000)))
        oci.Layout(oci.Image([noise])).write(self.path("big"))
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = subprocess.Popen(self.command("import", "big", "big:1"), cwd=self.folder, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, env=self.environment)  # fmt: skip
            self.assertIn("unpacking", process.stderr.readline())
            process.send_signal(number)
            _, error = process.communicate(timeout=60)
            self.assertEqual((process.returncode, error.splitlines()[-1]),
                             (code, "isorun-engine: interrupted; nothing is left of it"))  # fmt: skip
            self.assertEqual(os.listdir(os.path.join(self.store, "layers")), [])
            self.assertEqual(os.listdir(os.path.join(self.store, "staging")), [])

    def test_pull(self):
        if name := registry.missing():
            self.skipTest(f"the program {name} is missing")
        server = registry.Registry(self.path("registry"))
        self.addCleanup(server.stop)
        server.push(oci.Layout(oci.Image([oci.base_layer()])).write(self.path("layout")), "app:1")
        ref = f"{server.address}/app:1"
        done = self.run_image("pull", ref)
        self.assertEqual((done.stdout.split()[0], self.refs()), (ref, [ref]))
        self.assertIn(f"downloading {ref}: 100 % of", done.stderr)
        self.assertIn("manifest unknown", self.run_image("pull", f"{server.address}/none:1", code=1).stderr)
        self.environment["PATH"] = self.path("home")
        self.assertIn("install the package skopeo", self.run_image("pull", ref, code=1).stderr)
