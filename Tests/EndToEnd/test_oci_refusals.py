"""What image/import refuses of OCI layouts and `docker save` archives, by name and without leaving anything."""

import json
import os
import subprocess
import tarfile

from harness import oci, rootfs
from harness.case import EngineTestCase


class OCIRefusalTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "layout")

    def refused(self, text, path=None):
        """Expects a refusal that says `text`, and that nothing is left."""
        params = {"path": path or self.path, "ref": "bad:1"}
        error = self.assert_fails(1021, "ImageInvalid", self.engine.call, "image/import", params)
        self.assertIn(text, error.message)
        self.assertEqual([i["ref"] for i in self.engine.call("image/list", {})["images"]], ["host"])
        for folder in ("layers", "images"):
            left = [name for name in os.listdir(os.path.join(self.store, folder)) if name != "refs"]
            self.assertEqual(left, [], "a refused import leaves nothing")
        subprocess.run(["rm", "-rf", self.path], check=True)
        return error

    def refused_layout(self, text, layout):
        for path in (self.path, self.path + ".tar"):
            self.refused(text, layout.write(path))

    def refused_layer(self, text, fill, below=False):
        layers = [oci.base_layer(), oci.layer(fill)]
        self.refused_layout(text, oci.Layout(oci.Image(layers[::-1] if below else layers)))

    def blob(self, layout, number):
        """The path of a layer's blob."""
        manifest = json.loads(layout.files[layout.path_of(layout.manifests[0]["digest"])])
        return layout.path_of(manifest["layers"][number]["digest"])

    def layout(self, **fields):
        return oci.Layout(oci.Image([oci.base_layer(), oci.layer(lambda a: rootfs.file(a, "x", b"x"))], **fields))

    def test_digests_that_do_not_fit(self):
        layout = self.layout()
        name = self.blob(layout, 1)
        data = bytearray(layout.files[name])
        data[4] ^= 1  # the time in gzip's header: the content stays the same
        layout.files[name] = bytes(data)
        self.refused_layout("layer 2: blob sha256:", layout)

        layout = self.layout(diff_ids=[oci.digest(oci.base_layer()), oci.digest(b"something else")])
        self.refused_layout("layer 2: the unpacked layer sha256:", layout)

        for place in ("manifest", "config"):
            layout = self.layout()
            descriptor = layout.manifests[0]
            if place == "config":
                descriptor = json.loads(layout.files[layout.path_of(descriptor["digest"])])["config"]
            name = layout.path_of(descriptor["digest"])
            layout.files[name] = layout.files[name].replace(b"sha256:", b"sha257:")[: descriptor["size"]]
            self.refused_layout("has the digest", layout)

    def test_blobs_that_are_cut_off_or_missing(self):
        layout = self.layout()
        name = self.blob(layout, 0)
        whole = layout.files[name]
        layout.files[name] = whole[: len(whole) // 2]
        self.refused_layout("are announced", layout)
        del layout.files[name]
        self.refused_layout("is missing", layout)
        for name in ("index.json", "oci-layout"):
            layout = self.layout()
            del layout.files[name]
            layout.write(self.path)
            if name == "oci-layout":
                self.refused("no OCI image layout")
            else:
                self.refused("'index.json' is missing")

    def test_an_archive_that_is_cut_off(self):
        path = self.layout().write(self.path + ".tar")
        with tarfile.open(path) as archive:
            members = archive.getmembers()
        for part in (members[-1].offset_data + 10, members[-1].offset_data, members[1].offset_data + 5):
            os.truncate(path, part)
            self.refused("the archive was cut off", path)
        packed = self.layout().write(self.path + ".tar.gz")
        os.truncate(packed, os.path.getsize(packed) // 2)
        self.refused("", packed)

    def test_layers_that_are_cut_off_as_they_were_made(self):
        """Digest and size fit, but what is in the blob is half a layer."""
        whole = oci.base_layer()
        for data in (whole[: len(whole) // 2], whole[:700]):
            image = oci.Image([data], compression="")
            self.refused_layout("layer 1", oci.Layout(image))
        image = oci.Image([whole], diff_ids=[oci.digest(whole)])
        layout = oci.Layout(image)
        half = oci.COMPRESSIONS["+gzip"](whole)
        half = half[: len(half) // 2]
        manifest = {"schemaVersion": 2, "config": layout.add_blob(image.config, oci.CONFIG),
                    "layers": [layout.add_blob(half, oci.LAYER + "+gzip")]}
        layout.set_index([layout.add_blob(json.dumps(manifest).encode(), oci.MANIFEST)])
        self.refused_layout("layer 1", layout)

    def test_paths_that_climb_out(self):
        for name in ("../evil", "etc/../../evil", "../.wh.evil"):
            self.refused_layer("climbs with '..'", lambda archive: rootfs.file(archive, name, b"x"))

    def test_links_that_lead_out_or_in_circles(self):
        def absolute(archive):
            rootfs.link(archive, "out", self.folder)
            rootfs.file(archive, "out/evil", b"x")

        def climbing(archive):
            rootfs.link(archive, "out", "../../../..")
            rootfs.file(archive, "out/evil", b"x")

        def looping(archive):
            rootfs.link(archive, "loop", "loop")
            rootfs.file(archive, "loop/x", b"x")

        for fill in (absolute, climbing, looping):
            self.refused_layer("leads out of the image", fill)
            self.refused_layer("leads out of the image", fill, below=True)
        for target in ("../../etc/passwd", "/etc/passwd"):
            self.refused_layer("hard link" if target[0] == "/" else "climbs",
                               lambda archive: rootfs.hard_link(archive, "evil", target))
        self.refused_layer("neither its layer nor those beneath hold",
                           lambda archive: rootfs.hard_link(archive, "evil", "nowhere"))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "evil")))

    def test_links_of_a_lower_layer_do_not_lead_a_higher_one_out(self):
        def lower(archive):
            rootfs.link(archive, "out", self.folder)
            rootfs.link(archive, "up", "../../..")

        for name in ("out/evil", "up/evil", "out/.wh.layout", "out/.wh..wh..opq"):
            layers = [oci.base_layer(), oci.layer(lower), oci.layer(lambda archive: rootfs.file(archive, name, b"x"))]
            layout = oci.Layout(oci.Image(layers))
            layout.write(self.path)
            self.refused("leads out of the image")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "evil")))

    def test_links_of_a_layout_that_lead_out(self):
        """A layout that somebody sent must not make the engine read other files of the host."""
        layout = self.layout()
        layout.write(self.path)
        place = os.path.join(self.path, self.blob(layout, 1))
        for target in ("/etc/passwd", "../../../../../../etc/passwd", os.path.basename(place)):
            os.remove(place)
            os.symlink(target, place)
            text = "in a circle" if "/" not in target else "leads out of the folder"
            params = {"path": self.path, "ref": "bad:1"}
            error = self.assert_fails(1021, "ImageInvalid", self.engine.call, "image/import", params)
            self.assertIn(text, error.message)
        os.remove(place)
        os.mkfifo(place)
        self.refused("is no regular file")

    def test_links_of_an_archive_that_lead_out(self):
        for target, text in (("/etc/passwd", "absolute"), ("../../etc/passwd", "leads out"), ("layer.tar", "in a circle")):
            with tarfile.open(self.path + ".tar", "w") as archive:
                image = oci.Image([oci.base_layer()])
                rootfs.file(archive, "config.json", image.config)
                rootfs.link(archive, "x/layer.tar", target)
                manifest = [{"Config": "config.json", "RepoTags": None, "Layers": ["x/layer.tar"]}]
                rootfs.file(archive, "manifest.json", json.dumps(manifest).encode())
            self.refused(text, self.path + ".tar")

    def test_deletions_that_are_none(self):
        for name, text in ((".wh.", "without a name"), (".wh...", "without a name"), (".wh..", "without a name"),
                           (".wh.d/x", "stands for a deletion")):
            self.refused_layer(text, lambda archive: rootfs.file(archive, name, b""))

    def test_device_nodes(self):
        self.refused_layer("is a device node", lambda archive: rootfs.device(archive, "dev/sda", 8, 0))
        self.refused_layer("is a device node", lambda archive: rootfs.device(archive, "whiteout", 0, 0))

    def test_bombs(self):
        layers = [oci.layer(lambda archive: rootfs.file(archive, "zeros", bytes(256 << 20)))]
        layout = oci.Layout(oci.Image(layers, compression="+xz"))
        layout.write(self.path)
        self.refused("decompression bomb")

    def test_images_for_other_machines(self):
        self.refused_layout("it is for linux/arm64", self.layout(architecture="arm64"))
        self.refused_layout("it is for windows/amd64", self.layout(system="windows"))
        self.refused_layout("it is for linux/arm64", oci.Layout(oci.Image([b""], architecture="arm64"), platforms=True))

    def test_what_is_no_image(self):
        self.refused_layout("no container image", self.layout(config_type="application/vnd.cncf.helm.config.v1+json"))
        self.refused_layout("media type", self.layout(layer_type=oci.LAYER + "+gzip+encrypted"))
        self.refused_layout("layers, but its manifest", self.layout(diff_ids=[oci.digest(b"")]))
        for data in (b"", b"{", b"[]", b'{"manifests": 1}', b'{"manifests": [{}]}', b'{"manifests": []}',
                     b'{"manifests": [{"digest": "sha256:../../../etc/passwd", "size": 1}]}'):
            layout = self.layout()
            layout.files["index.json"] = data
            self.refused_layout("", layout)
        for data in (b"", b"{}", b"[]", b"[{}]", b'[{"Config": "nothing", "Layers": []}]'):
            with tarfile.open(self.path + ".tar", "w") as archive:
                rootfs.file(archive, "manifest.json", data)
            self.refused("", self.path + ".tar")

    def test_an_import_that_is_cancelled_leaves_nothing(self):
        layers = [oci.base_layer()] + [
            oci.layer(lambda archive: rootfs.file(archive, f"big{n}", os.urandom(30 << 20))) for n in range(3)]
        oci.Layout(oci.Image(layers)).write(self.path)
        request = self.engine.send("image/import", {"path": self.path, "ref": "bad:1", "workDoneToken": "w"})
        self.eventually(lambda: any("completedBytes" in p["value"] for p in self.engine.params_of("$/progress")))
        self.engine.cancel(request)
        self.assertEqual(request.error().code, -32800)
        self.assertEqual([i["ref"] for i in self.engine.call("image/list", {})["images"]], ["host"])
        self.assertEqual(os.listdir(os.path.join(self.store, "layers")), [])

    def test_a_full_disk(self):
        if self.caller != "root":
            self.skipTest("only root may mount a small filesystem")
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", small], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        engine = self.start_engine(store=os.path.join(small, "store"))
        layers = [oci.base_layer(), oci.layer(lambda archive: rootfs.file(archive, "big", os.urandom(40 << 20)))]
        oci.Layout(oci.Image(layers)).write(self.path)
        self.assert_fails(1061, "NoSpace", engine.call, "image/import", {"path": self.path, "ref": "big:1"})
        self.assertEqual(os.listdir(os.path.join(small, "store/layers")), [])
        self.assertEqual(engine.close(), 0)
