"""image/import of OCI layouts and `docker save` archives, and what of an image's configuration reaches commands."""

import os
import tarfile

from harness import oci, rootfs
from harness.case import EngineTestCase

SETTINGS = {
    "Env": ["PATH=/opt/bin:/bin", "GREETING=from the image", "WITH=a=b", "malformed", "=nameless"],
    "WorkingDir": "/srv/app",
    "User": "app",
    "Entrypoint": ["/bin/sh", "-c"],
    "Cmd": ["echo hello"],
}


def file_layer(name: str, data: bytes = b"x\n", **fields) -> bytes:
    """A layer of one file, with the folders that lead to it."""

    def fill(archive):
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            rootfs.folder(archive, "/".join(parts[:depth]))
        rootfs.file(archive, name, data, **fields)

    return oci.layer(fill)


class OCIImageTests(EngineTestCase):
    callers = ("root", "user", "bare")

    def path(self, name):
        return os.path.join(self.folder, name)

    def imported(self, path, ref="tiny:1", **params):
        return self.engine.call("image/import", {"path": path, "ref": ref, **params})

    def layer_folders(self):
        return sorted(os.listdir(os.path.join(self.store, "layers")))

    def test_a_layout_and_a_docker_archive_in_every_form(self):
        image = oci.Image([oci.base_layer(), file_layer("etc/second")], SETTINGS)
        layout = oci.Layout(image)
        paths = [layout.write(self.path(name)) for name in ("layout", "layout.tar", "layout.tar.gz", "layout.tar.xz")]
        paths.append(oci.write_docker_archive(self.path("save.tar"), {"some/app:1": image}))
        paths.append(oci.write_docker_archive(self.path("save.tar.gz"), {"some/app:1": image}, mode="w:gz"))
        paths.append(oci.write_docker_archive(self.path("links.tar"), {"some/app:1": image}, shared_links=True))
        for path in paths:
            with self.subTest(path=os.path.basename(path)):
                info = self.imported(path)
                self.assertEqual((info["ref"], info["layers"]), ("tiny:1", 2))
                self.assertEqual(info["digest"], oci.digest(image.config))
                box = self.engine.create(image="tiny:1", user="root", cwd="/")
                self.assertEqual(box.output("cat /etc/release /etc/second"), "tiny 1\nx\n")
                box.destroy()
                self.engine.call("image/remove", {"ref": "tiny:1"})

    def test_every_compression_of_layers(self):
        layers = [oci.base_layer(), file_layer("etc/second")]
        for compression in oci.COMPRESSIONS:
            with self.subTest(compression=compression):
                self.imported(oci.Layout(oci.Image(layers, compression=compression)).write(self.path("l" + compression)))
                box = self.engine.create(image="tiny:1")
                self.assertEqual(box.output("cat /etc/second"), "x\n")
                box.destroy()
                self.engine.call("image/remove", {"ref": "tiny:1"})
                self.eventually(lambda: not self.layer_folders())

    def test_the_configuration_is_told_and_honoured(self):
        path = oci.Layout(oci.Image([oci.base_layer()], SETTINGS)).write(self.path("layout"))
        info = self.imported(path)
        self.assertEqual(
            info["config"],
            {
                "env": {"PATH": "/opt/bin:/bin", "GREETING": "from the image", "WITH": "a=b"},
                "cwd": "/srv/app",
                "user": "app",
                "entrypoint": ["/bin/sh", "-c"],
                "cmd": ["echo hello"],
            },
        )
        self.assertEqual(self.engine.call("image/get", {"ref": "tiny:1"}), info)
        if self.caller == "bare":
            self.assertEqual(self.engine.create(image="tiny:1", user="root").output("pwd"), "/srv/app\n")
            return  # Without subordinate ids there is only root to run commands.
        box = self.engine.create(image="tiny:1")
        self.assertEqual((box.info["cwd"], box.info["user"]), ("/srv/app", "app"))
        # The folder is in no layer: it is made, as other runtimes do.
        self.assertEqual(box.output('pwd; id -u; echo "$GREETING $WITH $PATH"'),
                         "/srv/app\n1000\nfrom the image a=b /opt/bin:/bin\n")
        self.assertEqual(box.output("echo $GREETING", env={"GREETING": "exec's"}), "exec's\n")
        own = self.engine.create(image="tiny:1", user="root", cwd="/etc", env={"GREETING": "create's", "OWN": "1"})
        self.assertEqual(own.output("pwd; id -u; echo $GREETING $OWN $WITH"), "/etc\n0\ncreate's 1 a=b\n")
        self.assertEqual(own.output("echo $GREETING", env={"GREETING": "exec's"}), "exec's\n")
        self.assertEqual(own.fork()[0].output("echo $GREETING $WITH; pwd"), "create's a=b\n/etc\n")

    def test_an_image_that_asks_for_nothing(self):
        self.imported(oci.Layout(oci.Image([oci.base_layer()])).write(self.path("layout")))
        box = self.engine.create(image="tiny:1")
        self.assertEqual((box.info["cwd"], box.info["user"], box.info["env"]), ("/", "root", {}))

    def test_images_share_layers(self):
        base = oci.base_layer()
        self.imported(oci.Layout(oci.Image([base, file_layer("etc/a")])).write(self.path("a")), "a:1")
        before = self.layer_folders()
        # Compressed in another way, it is the same layer.
        other = oci.Image([base, file_layer("etc/b")], compression="+xz")
        self.imported(oci.Layout(other).write(self.path("b")), "b:1")
        self.assertEqual(len(set(self.layer_folders()) - set(before)), 1)
        self.engine.call("image/remove", {"ref": "a:1"})
        self.eventually(lambda: len(self.layer_folders()) == 2)
        self.assertEqual(self.engine.create(image="b:1").output("cat /etc/b; ls /etc/a || true"), "x\n")

    def test_a_layer_that_is_repeated(self):
        layers = [oci.base_layer(), file_layer("etc/a", b"1\n"), file_layer("etc/a", b"2\n"), oci.layer(lambda _: None),
                  file_layer("etc/a", b"1\n"), oci.layer(lambda _: None)]
        info = self.imported(oci.Layout(oci.Image(layers)).write(self.path("layout")))
        self.assertEqual(info["layers"], 6)
        self.assertEqual(self.engine.create(image="tiny:1").output("cat /etc/a"), "1\n")

    def test_one_of_several_images_is_chosen_by_its_name(self):
        images = [oci.Image([oci.base_layer(), file_layer("etc/which", f"{n}\n".encode())]) for n in range(3)]
        layout = oci.Layout(*images, names=["1.0", "docker.io/library/other:2.0", "other:3.0"])
        archive = oci.write_docker_archive(self.path("save.tar"), {f"app:{n}": i for n, i in enumerate(images)})
        for path, ref, which in (
            (layout.write(self.path("layout")), "app:1.0", "0"), (layout.write(self.path("l.tar")), "other:2.0", "1"),
            (archive, "app:2", "2"), (archive, "docker.io/library/app:1", "1"),
        ):
            with self.subTest(ref=ref):
                self.imported(path, ref)
                self.assertEqual(self.engine.create(image=ref).output("cat /etc/which"), which + "\n")
        error = self.assert_fails(1021, "ImageInvalid", self.imported, self.path("layout"), "app:9")
        self.assertIn("other:2.0", error.message, "the refusal names what there is")
        self.assert_fails(1021, "ImageInvalid", self.imported, archive, "app:9")

    def test_the_image_for_this_machine_is_chosen(self):
        foreign = oci.Image([file_layer("etc/foreign")], architecture="arm64")
        own = oci.Image([oci.base_layer()])
        inner = oci.Layout(foreign, own, platforms=True)
        inner.set_index([inner.add_blob(inner.files["index.json"], oci.INDEX)])
        self.imported(inner.write(self.path("layout")))
        self.assertEqual(self.engine.create(image="tiny:1").output("cat /etc/release"), "tiny 1\n")

    def test_names_that_mean_the_same(self):
        path = oci.Layout(oci.Image([oci.base_layer()])).write(self.path("layout"))
        for written, others in (
            ("tiny", ("tiny:latest", "docker.io/library/tiny", "docker.io/tiny:latest")),
            ("some/app:2", ("docker.io/some/app:2",)),
            ("registry.example:5000/some/app", ("registry.example:5000/some/app:latest",)),
            ("localhost/app:1", ()),
            ("app@" + oci.digest(b""), ()),
        ):
            with self.subTest(ref=written):
                self.assertEqual(self.imported(path, written)["ref"], written)
                for other in others:
                    self.assertEqual(self.engine.call("image/get", {"ref": other})["ref"], written)
                self.engine.call("image/remove", {"ref": (others or (written,))[0]})
                self.assert_fails(1020, "ImageNotFound", self.engine.call, "image/get", {"ref": written})

    def test_progress_tells_bytes(self):
        layers = [oci.base_layer()] + [file_layer(f"etc/{n}", os.urandom(2_000_000)) for n in range(3)]
        path = oci.Layout(oci.Image(layers)).write(self.path("layout"))
        self.imported(path, workDoneToken="w")
        values = [p["value"] for p in self.engine.params_of("$/progress") if p["token"] == "w"]
        reports = [v for v in values if v["kind"] == "report" and "completedBytes" in v]
        self.assertGreater(len(reports), 0)
        done = [v["completedBytes"] for v in reports]
        self.assertEqual(done, sorted(done))
        self.assertLessEqual(done[-1], reports[-1]["totalBytes"])
        self.assertGreater(reports[-1]["totalBytes"], 6_000_000)
        self.assertEqual(values[-1]["kind"], "end")

    def test_it_survives_the_engine_and_removal_while_in_use_is_refused(self):
        self.imported(oci.Layout(oci.Image([oci.base_layer(), file_layer("etc/a")], SETTINGS)).write(self.path("l")))
        self.restart()
        box = self.engine.create(image="tiny:1", user="root")
        self.assertEqual(box.output("cat /etc/a; pwd"), "x\n/srv/app\n")
        self.assert_fails(1022, "ImageInUse", self.engine.call, "image/remove", {"ref": "tiny:1"})

    def test_a_layer_in_the_formats_that_tar_programs_write(self):
        long = "/".join(["a-rather-long-name-for-a-folder"] * 9)

        def fill(archive):
            for depth in range(1, 10):
                rootfs.folder(archive, "/".join(long.split("/")[:depth]))
            rootfs.file(archive, long + "/" + "f" * 150, b"long\n")
            rootfs.link(archive, "to-long", long + "/" + "f" * 150)

        for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            self.imported(oci.Layout(oci.Image([oci.base_layer(), oci.layer(fill, format)])).write(self.path(f"l{format}")))
            self.assertEqual(self.engine.create(image="tiny:1").output("cat /to-long"), "long\n")
