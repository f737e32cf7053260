"""image/commit and image/export: a snapshot's files as an image, and images for other tools."""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile

from harness import oci, rootfs, tree
from harness.case import EngineTestCase, remove_tree

PROGRAMS = ("sh", "chmod", "chown", "head", "ln", "mkfifo", "mv", "seq", "touch", "truncate")
SETTINGS = {
    "Env": ["PATH=/usr/bin:/bin", "GREETING=hello"],
    "WorkingDir": "/root",
    "Cmd": ["sh", "-c", "echo $GREETING; pwd; cat /root/new"],
    "Labels": {"keeper": "parent"},
}


class ImageExportTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def image(self, *layers, **settings):
        image = oci.Image([oci.base_layer(), *layers], settings or SETTINGS, compression="")
        path = oci.Layout(image).write(self.path("base"))
        return self.engine.call("image/import", {"path": path, "ref": "base:1"})

    def path(self, name):
        return os.path.join(self.folder, name)

    def commit(self, box, ref, **params):
        return self.engine.call("image/commit", {"snapshotId": box.snapshot()["id"], "ref": ref, **params})

    def export(self, ref, name, **params):
        return self.engine.call("image/export", {"ref": ref, "path": self.path(name), **params})

    def exported(self, name):
        """The manifest and the configuration of a layout, each found by its digest."""

        def document(descriptor):
            with open(os.path.join(self.path(name), oci.Layout.path_of(descriptor["digest"])), "rb") as file:
                data = file.read()
            self.assertEqual((oci.digest(data), len(data)), (descriptor["digest"], descriptor["size"]))
            return json.loads(data)

        with open(os.path.join(self.path(name), "index.json")) as file:
            manifest = document(json.load(file)["manifests"][0])
        return manifest, document(manifest["config"])

    def layers_in_store(self):
        return sorted(os.listdir(os.path.join(self.store, "layers")))

    def nothing_is_left(self, *names):
        self.assertEqual([n for n in os.listdir(self.folder) if n.startswith(".")], [])
        for name in names:
            self.assertFalse(os.path.lexists(self.path(name)))
        for staging in os.scandir(os.path.join(self.store, "staging")):
            self.assertEqual([n for n in os.listdir(staging.path) if n.startswith("export")], [])

    def skopeo(self, *words):
        done = subprocess.run(["skopeo", *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_tree_with_everything_comes_back(self):
        def fill(archive):
            rootfs.add_host_programs(archive, PROGRAMS)
            rootfs.add_python(archive, "hashlib, json, os, socket, stat")

        self.image(oci.layer(fill))
        box = self.engine.create(image="base:1")
        tree.make(box, "/tree", owners=self.caller != "bare")
        box.output(
            ["/usr/bin/python3", "-c", "import os\nfor n in (b'/tree/\\xff\\xfe', b'/tree/' + b'\\xfc' * 200):\n open(n, 'w')"]
        )
        first = self.commit(box, "app:1")
        box = self.engine.create(image="app:1")
        tree.change(box, "/tree")
        # Two layers of the sandbox become one of the image, which deletes what lies in those beneath.
        box.snapshot()
        box.output("echo later > /tree/later; rm /tree/deep/absolute")
        second = self.commit(box, "app:2")
        self.assertEqual((first["layers"], second["layers"]), (3, 4))
        before = self.described(box)
        self.export("app:2", "layout", compression="zstd")
        self.export("app:2", "layout.tar", compression="none")
        for name in ("layout", "layout.tar"):
            with self.subTest(name):
                self.engine.call("image/import", {"path": self.path(name), "ref": "back:1"})
                self.assertEqual(self.described(self.engine.create(image="back:1")), before)
        # What other tools read of it is a plain archive.
        manifest, _ = self.exported("layout")
        self.assertEqual([layer["mediaType"] for layer in manifest["layers"]], [oci.LAYER + "+zstd"] * 4)

    @staticmethod
    def described(box):
        """All of the tree but how many names files have in the store, where layers share files."""
        described = tree.describe(box, "/tree")
        for entry in described.values():
            entry.pop("links", None)
        return described

    def test_commit_shares_layers_and_keeps_the_configuration(self):
        base = self.image()
        before = self.layers_in_store()
        box = self.engine.create(image="base:1")
        box.output("echo new > /root/new; rm /etc/release")
        image = self.commit(box, "app:1")
        self.assertEqual((image["ref"], image["config"]), ("app:1", base["config"]))
        self.assertNotEqual(image["digest"], base["digest"])
        self.assertEqual(len(self.layers_in_store()), len(before) + 1)
        self.assertEqual(self.engine.call("image/get", {"ref": "app:1"}), image)
        for snapshot in self.engine.call("snapshot/list", {})["snapshots"]:
            self.engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        box.destroy()
        self.engine.call("image/remove", {"ref": "base:1"})
        self.engine.call("engine/gc", {})
        self.restart()
        again = self.engine.create(image="app:1")
        self.assertEqual(again.output("cat new; echo $GREETING; test -e /etc/release || echo gone"), "new\nhello\ngone\n")
        # One that changed nothing has its parent's layers, and commits of commits work.
        self.assertEqual(self.commit(again, "app:2")["config"], base["config"])
        again.destroy()
        _, config = self.exported_as("app:1")
        self.assertEqual(config["config"], SETTINGS)
        self.assertEqual([step["created_by"] for step in config["history"]], ["a test", "isorun image/commit"])

    def exported_as(self, ref):
        self.export(ref, "exported")
        return self.exported("exported")

    def test_what_cannot_be_committed(self):
        self.image()
        host = self.engine.create()
        snapshot = host.snapshot()["id"]
        error = self.assert_fails(
            1021, "ImageInvalid", self.engine.call, "image/commit", {"snapshotId": snapshot, "ref": "app:1"})
        self.assertIn("host", error.message)
        for params, code in (
            ({"snapshotId": "snap0123456789abcdef", "ref": "app:1"}, 1010),
            ({"snapshotId": self.engine.create(image="base:1").snapshot()["id"], "ref": "host"}, -32602),
        ):
            self.assertEqual(self.engine.send("image/commit", params).error().code, code)

    def test_other_tools_read_it_and_the_same_image_gives_the_same_bytes(self):
        self.image()
        box = self.engine.create(image="base:1")
        box.output("echo new > /root/new")
        self.commit(box, "localhost:5000/some/app:1")
        exports = [self.export("localhost:5000/some/app:1", name, workDoneToken="w") for name in ("one", "two", "one.tar")]
        self.assertEqual(len({export["digest"] for export in exports}), 1)
        for source in (f"oci:{self.path('one')}:1", f"oci-archive:{self.path('one.tar')}"):
            seen = json.loads(self.skopeo("inspect", source))
            self.assertEqual(
                (seen["Digest"], len(seen["Layers"]), seen["Env"], seen["Labels"], seen["Os"]),
                (exports[0]["digest"], 2, SETTINGS["Env"], SETTINGS["Labels"], "linux"),
            )
        size = sum(os.path.getsize(os.path.join(f, n)) for f, _, names in os.walk(self.path("one")) for n in names)
        self.assertEqual((exports[0]["sizeBytes"], exports[2]["sizeBytes"]), (size, os.path.getsize(self.path("one.tar"))))
        # It belongs to who started the engine, and images share blobs.
        self.assertEqual({os.lstat(self.path(name)).st_uid for name in ("one", "one.tar")}, {os.geteuid()})
        self.assertEqual({os.lstat(p).st_uid for p, _, _ in os.walk(self.path("one"))}, {os.geteuid()})
        self.export("base:1", "base-again")
        parent, child = self.exported("base-again")[0], self.exported("one")[0]
        self.assertEqual(parent["layers"], child["layers"][:1])
        # The names by which podman, Docker and skopeo find it.
        with open(self.path("one/index.json")) as file:
            names = json.load(file)["manifests"][0]["annotations"]
        self.assertEqual((names["io.containerd.image.name"], names[oci.REF_NAME]), ("localhost:5000/some/app:1", "1"))
        packing = [p["value"] for p in self.engine.params_of("$/progress") if p["value"].get("message") == "packing"]
        self.assertGreater(packing[-1]["totalBytes"], 100_000)

    def test_deletions_are_told_as_images_tell_them(self):
        def fill(archive):
            for name in ("d", "d/sub"):
                rootfs.folder(archive, name)
            for name in ("d/a", "d/sub/b", "e"):
                rootfs.file(archive, name)

        self.image(oci.layer(fill))
        box = self.engine.create(image="base:1")
        box.output("rm /d/a /e; rm -r /d/sub; mkdir /d/sub; echo x > /d/sub/c")
        self.commit(box, "app:1")
        self.export("app:1", "layout", compression="none")
        top = oci.Layout.path_of(self.exported("layout")[0]["layers"][-1]["digest"])
        with tarfile.open(self.path(f"layout/{top}")) as archive:
            names = archive.getnames()
            self.assertEqual(names, [".", ".wh.e", "d", "d/.wh.a", "d/sub", "d/sub/.wh..wh..opq", "d/sub/c"])
            self.assertEqual({entry.pax_headers.get("SCHILY.xattr.user.overlay.opaque") for entry in archive}, {None})
        box.output("echo x > /.wh.gone")
        self.commit(box, "app:2")
        error = self.assert_fails(1044, "PermissionDenied", self.export, "app:2", "never")
        self.assertIn("/.wh.gone", error.message)
        self.nothing_is_left("never")

    def test_a_failed_export_leaves_nothing(self):
        noise = oci.layer(lambda archive: rootfs.file(archive, "noise", os.urandom(30_000_000)))
        self.image(noise)
        os.mkdir(self.path("taken"))
        for name, code, kind in (
            ("taken", 1041, "PathExists"),
            ("no/such/folder", 1040, "PathNotFound"),
            ("store/version/x", 1042, "PathNotDirectory"),
        ):
            self.assert_fails(code, kind, self.export, "base:1", name)
        self.assert_fails(1020, "ImageNotFound", self.export, "none:1", "never")
        self.assertEqual(self.engine.send("image/export", {"ref": "host", "path": self.path("x")}).error().code, -32602)
        for name in ("never", "never.tar"):
            request = self.engine.send("image/export", {"ref": "base:1", "path": self.path(name), "workDoneToken": name})
            self.eventually(lambda: [p for p in self.engine.params_of("$/progress") if p["token"] == name][1:])
            self.engine.cancel(request)
            self.assertEqual(request.error().code, -32800)
        self.nothing_is_left("never", "never.tar")
        if self.caller != "root":
            self.assert_fails(1044, "PermissionDenied", self.engine.call, "image/export",
                              {"ref": "base:1", "path": "/usr/never"})  # fmt: skip


class FullDiskTests(EngineTestCase):
    # Only root may mount a small filesystem.
    callers = ("root",)
    starts_engine = False

    def test_an_export_to_a_full_disk_leaves_nothing(self):
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        engine = self.start_engine()
        noise = oci.layer(lambda archive: rootfs.file(archive, "noise", os.urandom(8_000_000)))
        path = oci.Layout(oci.Image([noise], compression="")).write(os.path.join(self.folder, "base"))
        engine.call("image/import", {"path": path, "ref": "base:1"})
        for name in ("layout", "layout.tar"):
            self.assert_fails(1061, "NoSpace", engine.call, "image/export",
                              {"ref": "base:1", "path": os.path.join(small, name)})  # fmt: skip
            self.assertEqual(os.listdir(small), [])


class OtherRuntimeTests(EngineTestCase):
    """An exported image in podman, with runc: unlike crun, it runs on hybrid control groups as well."""

    callers = ("root",)

    def test_podman_runs_it(self):
        for name in ("podman", "runc"):
            if not shutil.which(name):
                self.skipTest(f"the program {name} is missing")
        # podman takes no path of more than 50 characters.
        self.state = tempfile.mkdtemp(prefix="podman-", dir="/tmp")
        self.addCleanup(remove_tree, self.state)
        path = oci.Layout(oci.Image([oci.base_layer()], SETTINGS)).write(os.path.join(self.folder, "base"))
        self.engine.call("image/import", {"path": path, "ref": "base:1"})
        box = self.engine.create(image="base:1")
        box.output("echo new > new; rm /etc/release; chown 1000:1000 new; mkdir -p /home/app; echo x > /home/app/x")
        self.engine.call("image/commit", {"snapshotId": box.snapshot()["id"], "ref": "app:1"})
        archive = os.path.join(self.folder, "app.tar")
        self.engine.call("image/export", {"ref": "app:1", "path": archive})
        self.assertEqual(self.podman("load", "--input", archive).split()[-1], "docker.io/library/app:1")
        self.assertEqual(self.podman("run", *CONFINEMENT, "app:1"), "hello\n/root\nnew\n")
        command = "stat -c %u:%g /root/new /home/app/x /home/app/owned; test -e /etc/release || echo gone"
        self.assertEqual(
            self.podman("run", *CONFINEMENT, "app:1", "sh", "-c", command), "1000:1000\n0:0\n1000:1000\ngone\n")

    def podman(self, *words):
        command = ["podman", "--root", f"{self.state}/root", "--runroot", f"{self.state}/run", "--storage-driver", "vfs",
                   "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "runc"]  # fmt: skip
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


#: What podman needs in containers and other places without systemd.
CONFINEMENT = ("--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
