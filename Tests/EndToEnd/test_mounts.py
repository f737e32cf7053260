"""The `mounts` of sandbox/create: a host folder by copy."""

import os

from harness.case import EngineTestCase


class MountsTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.source = f"{self.folder}/source"
        os.mkdir(self.source)
        with open(f"{self.source}/file", "w") as file:
            file.write("host\n")
        os.chmod(self.source, 0o777)

    def mounted(self, mode):
        return self.engine.create(mounts=[{"source": self.source, "target": "/mnt/work", "mode": mode}])

    def host_text(self):
        with open(f"{self.source}/file") as file:
            return file.read()

    def test_a_copy_is_independent_of_the_host(self):
        box = self.mounted("copy")
        self.assertEqual(box.output("cat /mnt/work/file"), "host\n")
        box.output("echo changed > /mnt/work/file; echo new > /mnt/work/new")
        self.assertEqual(self.host_text(), "host\n")
        snapshot = box.snapshot()
        self.assertEqual(self.engine.restore(snapshot).output("cat /mnt/work/file"), "changed\n")

    def test_a_source_that_is_missing(self):
        params = {"mounts": [{"source": f"{self.folder}/missing", "target": "/mnt/x", "mode": "copy"}]}
        self.assert_fails(1040, "PathNotFound", self.engine.call, "sandbox/create", params)
        self.assertEqual(self.engine.call("sandbox/list", {})["sandboxes"], [])
