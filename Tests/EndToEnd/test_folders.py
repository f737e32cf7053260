"""Copied host folders: `exclude`, what sandbox/diff says of them, and sandbox/commit back to the host."""

import os
import stat
import subprocess

from harness.case import EngineTestCase

TARGET = "/work/project"


class FolderCase(EngineTestCase):
    def setUp(self):
        super().setUp()
        self.source = os.path.join(self.folder, "project")
        os.mkdir(self.source)

    def host(self, path):
        return os.path.join(self.source, path)

    def put(self, path, content="", mode=0o644):
        os.makedirs(os.path.dirname(self.host(path)), exist_ok=True)
        with open(self.host(path), "w" if isinstance(content, str) else "wb") as file:
            file.write(content)
        os.chmod(self.host(path), mode)

    def text(self, path):
        with open(self.host(path)) as file:
            return file.read()

    def copied(self, *exclude, **params):
        mount = {"source": self.source, "target": TARGET, "mode": "copy", "exclude": list(exclude)}
        return self.engine.create(mounts=[mount], **params)

    def diff(self, box, **params):
        return box.call("sandbox/diff", path=TARGET, **params)["changes"]

    def kinds(self, changes):
        return [(change["path"].removeprefix(TARGET + "/"), change["kind"]) for change in changes]

    def commit(self, box, **params):
        return box.call("sandbox/commit", source=self.source, **params)

    def conflicts(self, box, **params):
        error = self.assert_fails(1045, "CommitConflict", self.commit, box, **params)
        return [
            (conflict["path"].removeprefix(self.source + "/"), conflict["reason"])
            for conflict in error.data["conflicts"]
        ]


class ExcludeTests(FolderCase):
    callers = ("root", "user")

    def test_patterns_mean_what_they_mean_in_a_gitignore(self):
        for path in (
            "keep.txt", "a.log", "important.log", "sub/b.log", "build/out", "sub/build/out", "doc/build/out",
            "node_modules/x/y.js", "sub/node_modules/z.js", "vendor", "sub/vendor/file", "a/b/c/deep.tmp",
            "a/deep.tmp", "deep.tmp", "only/here/x", "sub/only/here/x", "#hash", "!bang", "sp ace", "c1", "c2", "cx",
        ):
            self.put(path)
        box = self.copied(
            "# a comment", "", "*.log", "!important.log", "/build/", "node_modules/", "vendor/", "a/**/deep.tmp",
            "only/here", "\\#hash", "\\!bang", "c[0-9]", "doc/**")
        found = box.output(f"cd {TARGET}; find . -type f -o -type d -empty | sort").split("\n")
        self.assertEqual(
            [name.removeprefix("./") for name in found if name],
            sorted([
                "a/b/c", "cx", "deep.tmp", "doc", "important.log", "keep.txt", "only", "sp ace", "sub/build/out",
                "sub/only/here/x",
                "vendor",
            ]))

    def test_git_agrees(self):
        """The same patterns, as git itself reads them, where it is installed."""
        if not os.path.exists("/usr/bin/git"):
            self.skipTest("git is not installed")
        paths = [
            f"{a}/{b}/{c}" for a in ("x", "foo", "bar") for b in ("foo", "y.o", "bar") for c in ("foo", "y.o", "z")
        ]
        for path in paths:
            self.put(path)
        patterns = ["foo/**/z", "/bar/*.o", "**/bar/foo", "x/**", "!x/foo", "y.o/", "b?r/f*o/[a-y]*"]
        self.put(".gitignore", "\n".join(patterns) + "\n")
        environment = {"HOME": self.folder, "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
        run = lambda *words: subprocess.run(
            ["git", *words], cwd=self.source, env=environment, check=True, capture_output=True, text=True).stdout
        run("init", "-q")
        expected = run("ls-files", "--others", "--exclude-standard").split()
        box = self.copied(".git/", *patterns)
        found = box.output(f"cd {TARGET}; find . -type f | sed s,^./,, ").split()
        self.assertEqual(sorted(found), sorted(expected))


class FolderDiffTests(FolderCase):
    callers = ("root", "user")

    def test_what_changed_since_the_copy_with_texts(self):
        self.put("src/main.py", "one\ntwo\nthree\n")
        self.put("src/old.py", "gone\n")
        self.put("data.bin", bytes(range(256)))
        self.put("same", "same\n")
        box = self.copied("*.pyc")
        self.assertEqual(self.diff(box), [])
        box.output(
            f"cd {TARGET}; sed -i s/two/TWO/ src/main.py; rm src/old.py; printf x >> data.bin; echo hi > new;"
            "echo no > src/main.pyc; touch /outside; head -c 2000000 /dev/zero | tr '\\0' a > large")
        changes = self.diff(box)
        self.assertEqual(self.kinds(changes), [
            ("data.bin", "modified"), ("large", "added"), ("new", "added"), ("src/main.py", "modified"),
            ("src/old.py", "deleted"),
        ])
        texts = {change["path"].removeprefix(TARGET + "/"): change for change in self.diff(box, text=True)}
        self.assertEqual(texts["src/main.py"]["diff"].split("\n", 2)[2],
                         "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n")
        self.assertIn("--- /dev/null", texts["new"]["diff"])
        self.assertIn("-gone", texts["src/old.py"]["diff"])
        self.assertEqual(texts["data.bin"]["diffOmitted"], "binary")
        self.assertEqual(texts["large"]["diffOmitted"], "tooLarge")
        # Below a path, and against a snapshot.
        below = box.call("sandbox/diff", path=TARGET + "/src")["changes"]
        self.assertEqual(self.kinds(below), [("src/main.py", "modified"), ("src/old.py", "deleted")])
        snapshot = box.snapshot()
        box.output(f"rm {TARGET}/new")
        self.assertEqual(self.kinds(self.diff(box, against=snapshot["id"])), [("new", "deleted")])
        # The host's folder plays no part, and history does not matter.
        os.remove(self.host("same"))
        child = self.engine.restore(snapshot)
        self.assertEqual(self.kinds(self.diff(child)), self.kinds(changes))


class CommitTests(FolderCase):
    callers = ("root", "user", "bare")

    def test_changes_come_back_whole(self):
        self.put("src/main.py", "one\n", 0o755)
        self.put("src/gone.py", "gone\n")
        self.put("old/deep/file", "x")
        self.put("untouched", "mine\n")
        self.put("became-a-folder", "file")
        self.put("became-a-file/inside", "x")
        os.symlink("untouched", self.host("link"))
        before = os.stat(self.host("untouched"))
        box = self.copied()
        box.output(
            f"cd {TARGET}; echo two >> src/main.py; rm src/gone.py; rm -r old; mkdir -p new/deep; echo n > new/deep/f;"
            "ln -sfn src/main.py link; ln -s /etc/passwd absolute; rm became-a-folder; mkdir became-a-folder;"
            "echo in > became-a-folder/in; rm -r became-a-file; echo f > became-a-file; chmod 600 became-a-file;"
            "mkfifo fifo; echo mode > mode; chmod 4751 mode")
        self.put("host-only", "added meanwhile\n")
        tried = self.commit(box, dryRun=True)
        self.assertEqual(self.text("src/main.py"), "one\n")
        self.assertEqual(tried["conflicts"], [])
        done = self.commit(box)
        self.assertEqual(done, tried)
        self.assertEqual([skipped["path"] for skipped in done["skipped"]], [self.host("fifo")])
        self.assertEqual(self.text("src/main.py"), "one\ntwo\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.host("src/main.py")).st_mode), 0o755)
        self.assertEqual(sorted(os.listdir(self.source)), sorted([
            "src", "untouched", "link", "absolute", "became-a-folder", "became-a-file", "new", "host-only", "mode"]))
        self.assertEqual(os.listdir(self.host("src")), ["main.py"])
        self.assertEqual(self.text("new/deep/f"), "n\n")
        self.assertEqual(self.text("became-a-folder/in"), "in\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.host("became-a-file")).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.host("mode")).st_mode), 0o751)
        self.assertEqual(os.readlink(self.host("link")), "src/main.py")
        self.assertEqual(os.readlink(self.host("absolute")), "/etc/passwd")
        for name in ("new", "new/deep/f", "mode", "src/main.py"):
            self.assertEqual(os.stat(self.host(name)).st_uid, os.stat(self.source).st_uid)
        after = os.stat(self.host("untouched"))
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))

        # A second one has nothing to do; a further change is compared with what was committed.
        self.assertEqual(self.commit(box)["changes"], [])
        box.output(f"echo three >> {TARGET}/src/main.py")
        self.assertEqual(self.kinds(self.commit(box)["changes"]), [("src/main.py", "modified")])
        self.assertEqual(self.text("src/main.py"), "one\ntwo\nthree\n")

    def test_what_changed_on_the_host_is_never_overwritten(self):
        for path in ("both", "deleted-here", "deleted-there", "folder/inside", "same", "removed-by-both"):
            self.put(path, "start\n")
        box = self.copied()
        box.output(
            f"cd {TARGET}; echo box > both; rm deleted-here; echo box > deleted-there; rm -r folder; echo box > new;"
            "echo equal > same; rm removed-by-both; echo fine > harmless")
        self.put("both", "host\n")
        self.put("deleted-here", "host\n")
        os.remove(self.host("deleted-there"))
        self.put("folder/added", "host\n")
        self.put("new", "host\n")
        self.put("same", "equal\n")
        os.remove(self.host("removed-by-both"))
        expected = [
            ("both", "changedOnHost"), ("deleted-here", "changedOnHost"), ("deleted-there", "deletedOnHost"),
            ("folder/added", "addedOnHost"), ("new", "addedOnHost"),
        ]
        self.assertEqual(self.conflicts(box), expected)
        tried = self.commit(box, dryRun=True)
        self.assertEqual(len(tried["conflicts"]), len(expected))
        self.assertEqual(self.text("both"), "host\n")
        self.assertFalse(os.path.exists(self.host("harmless")))
        self.assertEqual([name for name in os.listdir(self.source) if name.startswith(".isorun")], [])
        # What is in no conflict can be committed by name, and the rest stays to be committed.
        self.assertEqual(self.kinds(self.commit(box, paths=["harmless", "same"])["changes"]), [("harmless", "added")])
        self.assertEqual(self.text("harmless"), "fine\n")
        self.assertEqual(self.conflicts(box), expected)
        os.remove(self.host("folder/added"))
        for path in ("both", "deleted-here", "deleted-there"):
            self.put(path, "start\n")
        os.remove(self.host("new"))
        self.commit(box)
        self.assertEqual((self.text("both"), self.text("new")), ("box\n", "box\n"))
        self.assertFalse(os.path.exists(self.host("folder")))

    def test_the_best_of_several_forks(self):
        self.put("answer", "0\n")
        box = self.copied()
        children = box.fork(3)
        for number, child in enumerate(children):
            child.output(f"echo {number} > {TARGET}/answer")
        self.commit(children[2])
        self.assertEqual(self.text("answer"), "2\n")
        self.assertEqual(self.conflicts(children[1]), [("answer", "changedOnHost")])
        # After a rollback there is nothing to commit, and the copy of the parent is older than the host.
        self.assertEqual(self.commit(box)["changes"], [])

    def test_with_processes_that_write_and_after_hibernation(self):
        self.put("log", "begin\n")
        box = self.copied()
        box.output(f"cd {TARGET}; (while :; do echo line >> log; sleep 0.01; done) & echo $! > /pid")
        box.wait_until(f"grep -q line {TARGET}/log")
        self.commit(box)
        self.assertTrue(self.text("log").startswith("begin\nline\n"))
        box.output(f"kill $(cat /pid); echo end >> {TARGET}/log")
        box.call("sandbox/hibernate")
        self.assert_fails(1003, "WrongState", self.commit, box)
        box.call("sandbox/resume")
        self.commit(box)
        self.assertEqual(self.text("log"), box.output(f"cat {TARGET}/log"))

    def test_excluded_files_stay_on_the_host(self):
        self.put("src/a.py", "a\n")
        self.put("src/a.pyc", "compiled\n")
        box = self.copied("*.pyc")
        box.output(f"rm -r {TARGET}/src; mkdir {TARGET}/out; echo no > {TARGET}/out/b.pyc; echo b > {TARGET}/out/b")
        self.commit(box)
        self.assertEqual((os.listdir(self.host("src")), os.listdir(self.host("out"))), (["a.pyc"], ["b"]))

    def test_nothing_is_written_outside_of_the_folder(self):
        outside = os.path.join(self.folder, "outside")
        os.mkdir(outside)
        self.put("sub/file", "start\n")
        box = self.copied()
        box.output(f"echo box > {TARGET}/sub/file; echo new > {TARGET}/sub/new")
        # A folder becomes a symlink to elsewhere.
        os.rename(self.host("sub"), self.host("moved"))
        os.symlink(outside, self.host("sub"))
        self.assertEqual(
            self.conflicts(box), [("sub/file", "changedOnHost"), ("sub/new", "changedOnHost")])
        # The folder itself does.
        os.rename(self.source, self.source + "-moved")
        os.symlink(outside, self.source)
        self.assert_fails(1044, "PermissionDenied", self.commit, box)
        os.remove(self.source)
        self.assert_fails(1040, "PathNotFound", self.commit, box)
        self.assertEqual(os.listdir(outside), [])
        error = self.assert_fails(
            1040, "PathNotFound", box.call, "sandbox/commit", source=os.path.join(self.folder, "other"))
        self.assertIn("copied", error.message)
        for path in ("/etc", "../outside", "sub/../../outside"):
            self.assert_fails(-32602, None, self.commit, box, paths=[path])

    def test_another_engine_commits_what_a_snapshot_keeps(self):
        self.put("file", "start\n")
        box = self.copied()
        box.output(f"echo box > {TARGET}/file")
        snapshot = box.snapshot()
        box.call("sandbox/destroy")
        self.engine.call("engine/gc", {})
        engine = self.restart()
        again = engine.restore(snapshot)
        self.assertEqual(self.kinds(self.diff(again)), [("file", "modified")])
        self.commit(again)
        self.assertEqual(self.text("file"), "box\n")


class ForbiddenFolderTests(FolderCase):
    """Root may write everywhere."""

    callers = ("user", "bare")

    def test_a_folder_that_the_caller_may_not_write_is_refused(self):
        box = self.engine.create(mounts=[{"source": "/etc/skel", "target": TARGET, "mode": "copy"}])
        box.output(f"echo box > {TARGET}/new")
        self.assert_fails(1044, "PermissionDenied", box.call, "sandbox/commit", source="/etc/skel")
        self.assertFalse(os.path.exists("/etc/skel/new"))


class FullDiskTests(FolderCase):
    """Only root can mount a small filesystem."""

    callers = ("root",)

    def test_a_full_disk_changes_nothing(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", self.source], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.source], check=True)
        self.put("file", "start\n")
        # The mount is there before the engine is, so that its mount namespace has it.
        self.restart()
        box = self.copied()
        box.output(f"cd {TARGET}; echo box > file; head -c 3000000 /dev/zero > large")
        self.assert_fails(1061, "NoSpace", self.commit, box)
        self.assertEqual((self.text("file"), os.listdir(self.source)), ("start\n", ["file"]))
        box.output(f"rm {TARGET}/large")
        self.commit(box)
        self.assertEqual(self.text("file"), "box\n")


class NestedFilesystemTests(FolderCase):
    """Only root can mount one."""

    callers = ("root",)

    def test_what_lies_on_another_filesystem_is_refused_before_anything_is_touched(self):
        os.mkdir(self.host("inner"))
        subprocess.run(["mount", "-t", "tmpfs", "inner", self.host("inner")], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.host("inner")], check=True)
        self.put("file", "start\n")
        self.put("inner/file", "start\n")
        self.restart()
        box = self.copied()
        box.output(f"cd {TARGET}; echo box > file; echo box > inner/file")
        error = self.assert_fails(1044, "PermissionDenied", self.commit, box)
        self.assertIn("inner/file", error.message)
        self.assertEqual((self.text("file"), self.text("inner/file")), ("start\n", "start\n"))
        self.commit(box, paths=["file"])
        self.assertEqual((self.text("file"), self.text("inner/file")), ("box\n", "start\n"))
