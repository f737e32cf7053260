"""Changes a tree of files in every way, one system call after another, and checks that a tree is as it was after so many of them.

    churn.py prepare FOLDER         makes FOLDER/pristine and FOLDER/tree, which are alike
    churn.py run FOLDER SEED        changes FOLDER/tree; FOLDER/log tells the number of the last change that was begun, and of the
                                    last one that was ended
    churn.py check FOLDER SEED      makes the same changes to a copy of FOLDER/pristine and compares

Changes depend on the seed and their number alone. The one that was under way may have been made or not; any other state is one that
there never was. With an even seed files get several names and folders are renamed, which does not go on in a copy as in the source: in
lower layers overlayfs lets the names of a file part when one is written, and renames no folder.
"""

import ctypes
import hashlib
import mmap
import os
import random
import shutil
import stat
import struct
import sys
import time

LIBRARY = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE = 1, 2
PAGE = 4096
FILES_AT_FIRST = 150


class Churn:
    def __init__(self, root: str):
        self.root = root
        # Mapped all the time: the kernel does not notice most of what is written to it.
        with open(f"{root}/mapped", "r+b") as file:
            self.mapped = mmap.mmap(file.fileno(), 4 * PAGE)

    def change(self, number: int, seed: int) -> None:
        """Makes one change, or finds that it cannot be made; either is the same each time."""
        dice = random.Random(seed * 1_000_003 + number)
        action = dice.choice(ACTIONS if seed % 2 else ACTIONS + ACTIONS_ON_TOP)
        try:
            action(self, dice, number)
        except OSError:
            pass

    def folder(self, dice: random.Random) -> str:
        return f"{self.root}/{dice.choice(('a', 'b', 'a/c', 'a/d', 'b/c', 'many'))}"

    def file(self, dice: random.Random) -> str:
        if dice.random() < 0.2:
            return f"{self.root}/lower/{dice.randrange(60)}"
        if dice.random() < 0.3:
            return f"{self.root}/many/{dice.randrange(FILES_AT_FIRST)}"
        return f"{self.folder(dice)}/{dice.randrange(12)}"

    def on(self, path: str, flags: int, function) -> None:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                function(descriptor)
        finally:
            os.close(descriptor)

    def write(self, dice, number):
        offset = dice.randrange(9000)
        self.on(self.file(dice), os.O_WRONLY, lambda file: os.pwrite(file, b"%d " % number * 5, offset))

    def append(self, dice, number):
        self.on(self.file(dice), os.O_WRONLY | os.O_APPEND, lambda file: os.write(file, b"%d\n" % number))

    def truncate(self, dice, number):
        size = dice.randrange(12000)
        self.on(self.file(dice), os.O_WRONLY, lambda file: os.ftruncate(file, size))

    def punch(self, dice, number):
        def punch(file):
            LIBRARY.fallocate(file, KEEP_SIZE | PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(PAGE))
        self.on(self.file(dice), os.O_RDWR, punch)

    def store(self, dice, number):
        struct.pack_into("q", self.mapped, dice.randrange(4 * PAGE // 8) * 8, number)

    def map_and_store(self, dice, number):
        offset = dice.randrange(PAGE // 8) * 8

        def store(file):
            if os.fstat(file).st_size >= PAGE:
                with mmap.mmap(file, PAGE) as memory:
                    struct.pack_into("q", memory, offset, number)
        self.on(self.file(dice), os.O_RDWR, store)

    def create(self, dice, number):
        os.close(os.open(self.file(dice), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))

    def unlink(self, dice, number):
        os.unlink(self.file(dice))

    def rename(self, dice, number):
        os.rename(self.file(dice), self.file(dice))

    def link(self, dice, number):
        os.link(self.file(dice), self.file(dice), follow_symlinks=False)

    def symlink(self, dice, number):
        os.symlink(f"to {number}", self.file(dice))

    def make_fifo(self, dice, number):
        os.mkfifo(self.file(dice))

    def make_folder(self, dice, number):
        os.mkdir(self.folder(dice))

    def rename_folder(self, dice, number):
        os.rename(self.folder(dice), self.folder(dice))

    def remove_folder(self, dice, number):
        os.rmdir(self.folder(dice))

    def permit(self, dice, number):
        # No set-id bits: whether a write clears them depends on who writes.
        path, mode = dice.choice((self.file, self.folder))(dice), dice.choice((0o600, 0o755, 0o700, 0o644))
        if not os.path.islink(path):
            os.chmod(path, mode)

    def give(self, dice, number):
        os.lchown(self.file(dice), dice.randrange(3), dice.randrange(3))

    def mark(self, dice, number):
        os.setxattr(dice.choice((self.file, self.folder))(dice), "user.mark", b"%d" % number, follow_symlinks=False)

    def date(self, dice, number):
        os.utime(self.file(dice), (number, number), follow_symlinks=False)


ACTIONS = [
    *[Churn.write, Churn.append, Churn.store] * 3, *[Churn.create, Churn.rename, Churn.map_and_store] * 2,
    Churn.truncate, Churn.punch, Churn.unlink, Churn.symlink, Churn.make_fifo, Churn.make_folder, Churn.remove_folder,
    Churn.permit, Churn.give, Churn.mark, Churn.date,
]
ACTIONS_ON_TOP = [Churn.link, Churn.link, Churn.rename_folder]


def prepare(folder: str) -> None:
    """Made before a snapshot that makes it a layer, so that deletions leave whiteouts and changes copy files up."""
    for name in ("pristine", "tree"):
        root = f"{folder}/{name}"
        os.makedirs(f"{root}/lower")
        for number in range(60):
            with open(f"{root}/lower/{number}", "wb") as file:
                file.write(b"lower %d\n" % number * (number * 20))


def begin(root: str) -> Churn:
    """What is there before the first change."""
    for name in ("a", "a/c", "b", "many"):
        os.mkdir(f"{root}/{name}")
    for number in range(FILES_AT_FIRST):
        with open(f"{root}/many/{number}", "wb") as file:
            file.write(b"many %d\n" % number * 700)
    with open(f"{root}/mapped", "wb") as file:
        file.truncate(4 * PAGE)
    return Churn(root)


def run(folder: str, seed: int) -> None:
    churn = begin(f"{folder}/tree")
    log = os.open(f"{folder}/log", os.O_CREAT | os.O_WRONLY, 0o644)
    number = 0
    while True:
        number += 1
        os.pwrite(log, struct.pack("q", number), 0)
        churn.change(number, seed)
        os.pwrite(log, struct.pack("q", number), 8)
        time.sleep(0.0003)


def describe(root: str) -> dict:
    """Everything about each entry but its times."""
    entries = {}
    for parent, folders, files in os.walk(root):
        for name in folders + files:
            path = f"{parent}/{name}"
            status = os.lstat(path)
            facts = [stat.filemode(status.st_mode), status.st_uid, status.st_gid]
            if stat.S_ISLNK(status.st_mode):
                facts.append(os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    facts += [status.st_size, hashlib.sha256(file.read()).hexdigest()]
            facts += [(name, os.getxattr(path, name, follow_symlinks=False))
                      for name in os.listxattr(path, follow_symlinks=False) if name.startswith("user.")]
            entries[path[len(root):]] = facts
    return entries


def check(folder: str, seed: int) -> None:
    with open(f"{folder}/log", "rb") as file:
        begun, ended = struct.unpack("qq", file.read())
    if begun - ended not in (0, 1):
        raise SystemExit(f"change {begun} was begun when only {ended} had ended")
    copy = f"{folder}/copy"
    shutil.copytree(f"{folder}/pristine", copy)
    churn = begin(copy)
    for number in range(1, ended + 1):
        churn.change(number, seed)
    found = describe(f"{folder}/tree")
    wrong = differences(found, describe(copy))
    if wrong and begun > ended:
        churn.change(begun, seed)
        wrong = wrong if differences(found, describe(copy)) else []
    shutil.rmtree(copy)
    if wrong:
        raise SystemExit(f"after {ended} changes ({begun} begun):\n" + "\n".join(wrong[:20]))
    print(ended)


def differences(found: dict, expected: dict) -> list[str]:
    return [f"{path}: {found.get(path)}, expected {expected.get(path)}"
            for path in sorted({*found, *expected}) if found.get(path) != expected.get(path)]


if __name__ == "__main__":
    os.umask(0o022)
    {"prepare": prepare, "run": lambda folder, seed: run(folder, int(seed)),
     "check": lambda folder, seed: check(folder, int(seed))}[sys.argv[1]](*sys.argv[2:])
