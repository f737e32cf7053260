"""image/pull from a registry on loopback."""

import base64
import json
import os
import shutil

from harness import oci, registry, rootfs
from harness.case import EngineTestCase

SETTINGS = {"Env": ["GREETING=pulled"], "WorkingDir": "/etc"}


class PullTests(EngineTestCase):
    callers = ("root", "user", "bare")
    starts_engine = False

    def setUp(self):
        super().setUp()
        if name := registry.missing():
            self.skipTest(f"the program {name} is missing")
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)

    def serve(self, password=None):
        server = registry.Registry(os.path.join(self.folder, "registry"), password)
        self.addCleanup(server.stop)
        return server

    def start(self, **environment):
        self.engine = self.start_engine(env={"HOME": self.home, **environment})

    def layout(self, *images, **options):
        path = os.path.join(self.folder, "layout")
        shutil.rmtree(path, ignore_errors=True)
        return oci.Layout(*images, **options).write(path)

    def pulled(self, ref, **params):
        return self.engine.call("image/pull", {"ref": ref, **params})

    def nothing_is_left(self):
        self.assertEqual([image["ref"] for image in self.engine.call("image/list", {})["images"]], ["host"])
        self.assertEqual(os.listdir(os.path.join(self.store, "layers")), [])
        for staging in os.scandir(os.path.join(self.store, "staging")):
            self.assertEqual([n for n in os.listdir(staging.path) if n.startswith("pull")], [])

    def test_a_pulled_image_runs_and_progress_tells_bytes(self):
        server = self.serve()
        noise = oci.layer(lambda archive: rootfs.file(archive, "noise", os.urandom(3_000_000)))
        image = oci.Image([oci.base_layer(), noise], SETTINGS)
        digest = server.push(self.layout(image), "some/app:1")
        self.start()
        info = self.pulled(f"{server.address}/some/app:1", workDoneToken="w")
        self.assertEqual((info["ref"], info["digest"], info["layers"]),
                         (f"{server.address}/some/app:1", oci.digest(image.config), 2))
        box = self.engine.create(image=f"{server.address}/some/app:1")
        self.assertEqual(box.output("echo $GREETING; pwd; cat /etc/release"), "pulled\n/etc\ntiny 1\n")
        values = [p["value"] for p in self.engine.params_of("$/progress") if p["token"] == "w"]
        loads = [v for v in values if v.get("message") == "downloading"]
        self.assertGreater(loads[-1]["totalBytes"], 3_000_000)
        self.assertEqual(loads[-1]["completedBytes"], loads[-1]["totalBytes"])
        self.assertIn("unpacking", [v.get("message") for v in values])
        # By its digest it is the same image, and no layer is there twice.
        self.assertEqual(self.pulled(f"{server.address}/some/app@{digest}")["digest"], info["digest"])

    def test_the_image_for_this_machine_is_pulled(self):
        server = self.serve()
        own, foreign = oci.Image([oci.base_layer()]), oci.Image([b""], architecture="arm64")
        server.push(self.layout(foreign), "app:foreign")
        self.start()
        error = self.assert_fails(1021, "ImageInvalid", self.pulled, f"{server.address}/app:foreign")
        self.assertIn("linux/arm64", error.message)
        server.push(self.layout(own), "app:own")
        self.pulled(f"{server.address}/app:own")

    def test_what_is_not_there_is_told(self):
        server = self.serve()
        self.start()
        error = self.assert_fails(1023, "PullFailed", self.pulled, f"{server.address}/no/such:1")
        self.assertIn("manifest unknown", error.message)
        server.stop()
        self.assert_fails(1023, "PullFailed", self.pulled, f"{server.address}/no/such:1")
        self.nothing_is_left()

    def test_damaged_blobs_are_refused(self):
        server = self.serve()
        noise = oci.layer(lambda archive: rootfs.file(archive, "noise", os.urandom(2_000_000)))
        server.push(self.layout(oci.Image([noise])), "app:1")
        self.assertEqual(server.damage_blobs(larger_than=1_000_000), 1)
        self.start()
        self.assert_fails(1023, "PullFailed", self.pulled, f"{server.address}/app:1")
        self.nothing_is_left()

    def test_the_users_credentials_are_used(self):
        server = self.serve(password="secret")
        server.push(self.layout(oci.Image([oci.base_layer()])), "app:1")
        ref = f"{server.address}/app:1"
        self.start()
        error = self.assert_fails(1023, "PullFailed", self.pulled, ref)
        self.assertNotIn("secret", error.message)
        login = base64.b64encode(f"{server.USER}:secret".encode()).decode()
        for place in (".docker/config.json", ".config/containers/auth.json"):
            with self.subTest(place=place):
                path = os.path.join(self.home, place)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    json.dump({"auths": {server.address: {"auth": login}}}, file)
                os.chmod(path, 0o600)
                self.pulled(ref)
                self.engine.call("image/remove", {"ref": ref})
                os.remove(path)
        self.assert_fails(1023, "PullFailed", self.pulled, ref)

    def test_a_cancelled_pull_leaves_nothing(self):
        server = self.serve()
        noise = oci.layer(lambda archive: rootfs.file(archive, "noise", os.urandom(20_000_000)))
        server.push(self.layout(oci.Image([noise])), "app:1")
        self.start()
        request = self.engine.send("image/pull", {"ref": f"{server.address}/app:1", "workDoneToken": "w"})
        self.eventually(lambda: self.engine.params_of("$/progress"))
        self.engine.cancel(request)
        self.assertEqual(request.error().code, -32800)
        self.nothing_is_left()

    def test_without_skopeo_it_is_said_what_to_install(self):
        tools = os.path.join(self.folder, "tools")
        os.mkdir(tools)
        for name in ("newuidmap", "newgidmap"):
            if found := shutil.which(name):
                os.symlink(found, os.path.join(tools, name))
        self.start(PATH=tools)
        self.assertNotIn("pull", self.engine.capabilities["images"])
        error = self.assert_fails(1080, "HostUnsupported", self.pulled, "app:1")
        self.assertIn("skopeo", error.message)
