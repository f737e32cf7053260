"""The engine's real traffic against schema/isorun.openrpc.json: every message of a tour of all methods, both ways.

What the engine sends is held against the schema at the end of every other test as well.
"""

import os

from isorun_client import EngineError
from harness import rootfs, schema_check
from harness.case import EngineTestCase

#: Methods of the page that a later version brings; the schema may have them, the engine may not yet.
LATER = {
    "sandbox/explain", "process/start", "process/write", "process/closeStdin", "process/signal", "process/resize",
    "process/attach", "process/detach", "process/wait", "process/list", "process/get",
    "process/output", "process/outputEnded", "process/exited",
}  # fmt: skip


class SchemaTests(EngineTestCase):
    def setUp(self):
        super().setUp()
        if schema_check.jsonschema is None:
            self.skipTest("the Python package jsonschema (apt: python3-jsonschema) is missing")
        self.engine._record_limit = 100_000

    def test_the_document_is_an_openrpc_document(self):
        document = schema_check.document()
        self.assertRegex(document["openrpc"], r"^1\.3\.\d+$")
        names = [method["name"] for method in map(schema_check.resolve, document["methods"])]
        self.assertEqual(len(names), len(set(names)))
        for name, method in schema_check.methods().items():
            for parameter in map(schema_check.resolve, method["params"]):
                schema_check.jsonschema.Draft202012Validator.check_schema(parameter["schema"])
            if "result" in method:
                schema_check.jsonschema.Draft202012Validator.check_schema(
                    schema_check.resolve(method["result"])["schema"]
                )

    def test_every_error_of_the_protocol_is_in_the_document(self):
        errors = schema_check.document()["components"]["errors"].values()
        kinds = {error["code"]: error["data"]["kind"] for error in errors}
        self.assertEqual(kinds, schema_check.KINDS)

    def test_a_tour_of_all_methods(self):
        self.tour()
        self.errors()
        self.engine.call("shutdown")
        self.engine.notify("exit")
        self.assertEqual(self.engine.wait(), 0)
        self.assertEqual(schema_check.breaches(self.engine.traffic), [])
        used = {m["method"] for direction, m in self.engine.traffic if "method" in m}
        missed = set(schema_check.methods()) - used - LATER
        self.assertEqual(missed, set(), "the tour does not come to these methods")

    def test_later_methods_fail_by_name(self):
        """What is not there yet is an unknown method, or there; never something in between."""
        for method in LATER & set(schema_check.methods()):
            error = self.engine.send(method, {}).error()
            self.assertIn(error.code, (-32601, -32602), f"{method}: {error}")

    def tour(self):
        engine = self.engine
        engine.call("rpc.discover")
        engine.call("engine/info", {})
        engine.call("engine/stats", {})
        box = engine.create(name="tour", labels={"a": "b"}, env={"K": "V"}, timeoutSec=600, hostname="h", pidsMax=200)
        box.exec("echo out; echo err >&2", outputToken="t", timeoutMs=10_000)
        box.exec(["/bin/cat"], stdin="aW4=", encoding="base64", cwd="/tmp", env={"X": "1"}, maxOutputBytes=10)
        box.exec("kill -9 $$")
        full = engine.create(diskMiB=16, execsMax=8)
        self.assertEqual(full.exec("cat /dev/zero > /root/file")["limits"], ["disk"])
        full.destroy()
        self.files(box)
        first = box.snapshot(name="first", labels={"n": "1"}, runtime="none")
        box.write("/root/more", "x")
        second = box.snapshot(durable=True)
        box.call("sandbox/diff")
        box.call("sandbox/diff", against=first["id"])
        engine.call("snapshot/diff", {"from": first["id"], "to": second["id"]})
        engine.call("snapshot/list", {"sandboxId": box.id, "labels": {}})
        engine.call("snapshot/get", {"snapshotId": first["id"]})
        exported = os.path.join(self.folder, "first.isorun")
        engine.call("snapshot/export", {"snapshotId": first["id"], "path": exported})
        copy = engine.call("snapshot/import", {"path": exported})
        engine.call("snapshot/delete", {"snapshotId": copy["id"]})
        engine.restore(first, name="r", labels={}, env={"Y": "2"}, network={"mode": "none"}, timeoutSec=0).destroy()
        box.fork(2, children=[{"name": "c0"}, {"env": {"N": "1"}}])
        box.call("sandbox/race", children=[{"command": "exit 0"}])
        box.rollback(first)
        self.folder_of_the_host()
        box.call("sandbox/setTimeout", timeoutSec=60)
        box.call("sandbox/stats")
        box.call("port/forward", port=80)
        box.call("port/list")
        box.call("port/close", port=80)
        box.get()
        box.call("sandbox/hibernate")
        box.call("sandbox/resume")
        engine.call("sandbox/list", {"labels": {"a": "b"}})
        self.images()
        for info in engine.call("sandbox/list", {})["sandboxes"]:
            engine.call("sandbox/destroy", {"sandboxId": info["id"]})
        for snapshot in (first, second):
            engine.call("snapshot/delete", {"snapshotId": snapshot["id"]})
        engine.call("engine/gc", {})
        engine.call("engine/gc", {"dryRun": True})
        engine.cancel(engine.send("sandbox/list", {}))

    def folder_of_the_host(self):
        source = os.path.join(self.folder, "project")
        os.mkdir(source)
        box = self.engine.create(mounts=[{"source": source, "target": "/project", "mode": "copy"}])
        box.write("/project/new", "x")
        box.call("sandbox/diff", path="/project", text=True)
        box.call("sandbox/commit", source=source, dryRun=True)
        box.call("sandbox/commit", source=source)

    def files(self, box):
        host = os.path.join(self.folder, "host-file")
        with open(host, "w") as file:
            file.write("x")
        box.write("/root/a/b", "text", createParents=True, mode=0o600)
        box.call("fs/read", path="/root/a/b", encoding="base64", offset=1, length=2)
        box.call("fs/mkdir", path="/root/c/d", parents=True)
        box.exec("ln -s a /root/link")
        box.call("fs/list", path="/root", recursive=True)
        box.call("fs/stat", path="/root/link")
        box.call("fs/move", **{"from": "/root/a/b", "to": "/root/moved"})
        box.call("fs/remove", path="/root/c", recursive=True)
        box.call("fs/copyIn", source=host, path="/root/copied")
        box.call("fs/copyOut", path="/root/copied", destination=host + "-back")

    def images(self):
        archive = os.path.join(self.folder, "tiny.tar")
        rootfs.build(archive)
        self.engine.call("image/import", {"path": archive, "ref": "tiny:1", "workDoneToken": "w"})
        self.engine.call("image/list", {})
        self.engine.call("image/get", {"ref": "tiny:1"})
        snapshot = self.engine.create(image="tiny:1").snapshot()["id"]
        self.engine.call("image/commit", {"snapshotId": snapshot, "ref": "tiny:2"})
        self.engine.call("image/export", {"ref": "tiny:2", "path": archive + "-layout", "compression": "zstd"})
        self.engine.call("image/remove", {"ref": "tiny:2"})
        # Nobody listens there: without skopeo it fails as well, by another name.
        self.assertIn(self.engine.send("image/pull", {"ref": "127.0.0.1:1/tiny:1"}).error().code, (1023, 1080))

    def errors(self):
        """One request that fails, of each kind that is easily had."""
        box = self.engine.create()
        for method, params in (
            ("sandbox/get", {"sandboxId": "run0123456789abcdef"}),
            ("snapshot/get", {"snapshotId": "snap0123456789abcdef"}),
            ("image/get", {"ref": "none:1"}),
            ("sandbox/exec", {"sandboxId": box.id, "command": ["no-such-command"]}),
            ("sandbox/resume", {"sandboxId": box.id}),
            ("fs/read", {"sandboxId": box.id, "path": "/none"}),
            ("fs/read", {"sandboxId": box.id, "path": "/root"}),
            ("fs/mkdir", {"sandboxId": box.id, "path": "/root"}),
            ("fs/list", {"sandboxId": box.id, "path": "/etc/passwd"}),
        ):
            try:
                self.engine.call(method, params)
            except EngineError:
                continue
            self.fail(f"{method} {params} was expected to fail")
        box.destroy()
