#!/usr/bin/python3 -B
"""Measures the engine against the goals of docs/performance.md, with the yardsticks in the same run.

Medians and ratios; whether a goal is met is printed and never asserted, for the machine decides it too.
As root, the start is measured as the ordinary user isorun-test as well (Tests/EndToEnd/run makes that account).
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import images
import yardsticks
from calm import Calm
from live import Live
from report import Row, as_json, markdown, ratio_row, row, table
from wire import Wire

from harness import processes  # of the end-to-end tests; wire.py has put it on the path
from harness.case import remove_tree

USER = "isorun-test"
CROWD = 100


def milliseconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1e3


def median_of(runs: int, action: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """The median time of an action, each time after an untimed preparation."""
    times = []
    for _ in range(runs):
        prepare()
        times.append(milliseconds(action))
    return statistics.median(times)


class Bench:
    """One engine binary, a place for stores, and the yardsticks of the run."""

    def __init__(self, engine: str, place: str, runs: int, marks: dict[str, float | None], calm: Calm):
        self.engine, self.place, self.runs, self.marks, self.calm = engine, place, runs, marks, calm
        self.rows: list[Row] = []

    def mark(self, name: str) -> tuple[str, float | None]:
        return name, self.marks[name]

    def all(self, wanted: list[str]) -> list[Row]:
        """The rows of the parts whose names begin with one of `wanted`; of all parts when there is none."""

        def is_wanted(name: str) -> bool:
            return not wanted or any(name.startswith(start) for start in wanted)

        rows = self.part("start", self.start) if is_wanted("start") else []
        for name, measure in (
            ("create", self.create),
            ("create with nat", self.create_with_nat),
            ("exec", self.exec),
            ("snapshot, 1 MB", lambda wire: self.snapshot(wire, "1 MB", 1 << 20)),
            ("snapshot, 1 GB", lambda wire: self.snapshot(wire, "1 GB", 1 << 30)),
            ("restore", self.restore),
            ("rollback", self.rollback),
            ("fork", self.fork),
            ("growth", self.growth),
            ("images", self.images),
            ("crowd", self.crowd),
            *Live(self).parts(),
        ):
            if is_wanted(name):
                rows += self.part(name, lambda: self.with_engine(measure))
        return rows

    def part(self, name: str, measure: Callable[[], None]) -> list[Row]:
        def rows() -> list[Row]:
            self.rows = []
            measure()
            return self.rows

        return self.calm.undisturbed(name, rows)

    def with_engine(self, measure: Callable[[Wire], None]) -> None:
        """Each part has an engine and a store of its own, so that none pays for what another has left."""
        store = tempfile.mkdtemp(dir=self.place)
        wire = Wire(self.engine, store)
        try:
            destroy(wire, wire.create())
            time.sleep(0.5)  # the engine makes namespaces and roots ahead
            measure(wire)
        finally:
            wire.close()
            remove_tree(store)

    @contextmanager
    def second_engine(self, first: Wire) -> Iterator[Wire]:
        """Another engine on the store of the first, which has ended."""
        first.close()
        wire = Wire(self.engine, first.store)
        try:
            yield wire
        finally:
            wire.close()

    def start(self) -> None:
        who = "root" if os.geteuid() == 0 else "ordinary user"
        self.rows.append(self.start_row(who, 20 if who == "root" else 40, os.path.join(self.place, "start"), {}))
        if who == "root" and USER in {entry.pw_name for entry in pwd.getpwall()}:
            user = pwd.getpwnam(USER)
            folder = os.path.join(self.place, "user")
            os.mkdir(folder)
            os.chown(folder, user.pw_uid, user.pw_gid)
            identity = {
                "user": user.pw_uid,
                "group": user.pw_gid,
                "extra_groups": [],
                "cwd": "/",
                "env": {"PATH": os.environ["PATH"], "HOME": user.pw_dir, "USER": USER},
            }
            self.rows.append(self.start_row("ordinary user", 40, os.path.join(folder, "store"), identity))
            remove_tree(folder)

    def start_row(self, who: str, goal: float, store: str, identity: dict) -> Row:
        times = []
        for _ in range(min(self.runs, 30)):
            begun = time.perf_counter()
            wire = Wire(self.engine, store, **identity)
            times.append((time.perf_counter() - begun) * 1e3)
            wire.close()
        return row(
            f"start to initialize answered, {who}",
            statistics.median(times),
            below=goal,
            yardstick=self.mark("posix_spawn"),
        )

    def create(self, wire: Wire) -> None:
        boxes = [wire.create()]
        measured = median_of(self.runs, lambda: boxes.append(wire.create()), lambda: destroy(wire, boxes.pop()))
        destroy(wire, boxes.pop())
        self.rows.append(row("create, host image", measured, below=2, yardstick=self.mark("clone3")))
        self.rows.append(ratio_row("create, host image", measured, factor=1 / 3, yardstick=self.mark("bwrap")))
        # The engine answers while the kernel still drops the former root; the first exec waits for that.
        used = median_of(self.runs, lambda: use(wire, boxes), lambda: boxes and destroy(wire, boxes.pop()))
        destroy(wire, boxes.pop())
        self.rows.append(ratio_row("create and a first exec of true", used, factor=1 / 3, yardstick=self.mark("bwrap")))
        wire.exec(box := wire.create(), "true")
        both = median_of(self.runs, lambda: destroy(wire, wire.create()))
        destroy(wire, box)
        self.rows.append(row("create and destroy", both, below=4, yardstick=self.mark("clone3")))

    def create_with_nat(self, wire: Wire) -> None:
        """pasta is started beside the create, and waited for by the first exec."""
        times = {}
        for mode in ("none", "nat"):
            boxes = [wire.create(mode=mode)]
            create = lambda: boxes.append(wire.create(mode=mode))
            times[mode] = median_of(self.runs, create, lambda: destroy(wire, boxes.pop()))
            destroy(wire, boxes.pop())
        none = ("create with none", times["none"])
        self.rows.append(ratio_row("create with nat", times["nat"], factor=1.1, yardstick=none))
        used = median_of(self.runs, lambda: use(wire, boxes, mode), lambda: boxes and destroy(wire, boxes.pop()))
        destroy(wire, boxes.pop())
        self.rows.append(row("create with nat and a first exec of true", used, below=50))

    def exec(self, wire: Wire) -> None:
        box = wire.create()
        wire.exec(box, ["/bin/true"])
        measured = median_of(self.runs * 3, lambda: wire.exec(box, ["/bin/true"]))
        self.rows.append(ratio_row("exec of true", measured, factor=1.3, yardstick=self.mark("posix_spawn")))
        destroy(wire, box)

    def snapshot(self, wire: Wire, name: str, size: int) -> None:
        box = wire.create(diskMiB=1 << 14)
        snapshots = []

        def write():
            wire.exec(box, f"head -c {size} /dev/zero > /root/file")

        runs = self.runs if size < 1 << 25 else min(self.runs, 5)
        measured = median_of(runs, lambda: snapshots.append(wire.call("sandbox/snapshot", sandboxId=box)), write)
        self.rows.append(row(f"snapshot, {name} written", measured, below=2, yardstick=self.mark("clone3")))
        destroy(wire, box)
        for snapshot in snapshots:
            wire.call("snapshot/delete", snapshotId=snapshot["id"])

    def restore(self, wire: Wire) -> None:
        _, snapshot = prepared(wire)
        born: list[str] = []
        measured = median_of(
            self.runs,
            lambda: born.append(wire.call("sandbox/restore", snapshotId=snapshot)["id"]),
            lambda: born and destroy(wire, born.pop()),
        )
        self.rows.append(row("restore", measured, below=2, yardstick=self.mark("clone3")))

    def rollback(self, wire: Wire) -> None:
        box, snapshot = prepared(wire)
        measured = median_of(
            self.runs,
            lambda: wire.call("sandbox/rollback", sandboxId=box, snapshotId=snapshot),
            lambda: wire.exec(box, "echo y > /root/file"),
        )
        self.rows.append(row("rollback", measured, below=2, yardstick=self.mark("clone3")))

    def fork(self, wire: Wire) -> None:
        box, _ = prepared(wire)
        born: list[str] = []

        def clear():
            while born:
                destroy(wire, born.pop())

        for count in (1, 5, 20):

            def fork():
                born.extend(s["id"] for s in wire.call("sandbox/fork", sandboxId=box, count=count)["sandboxes"])

            measured = median_of(max(3, self.runs // count), fork, clear) / count
            self.rows.append(row(f"fork of {count}, per child", measured, below=2, yardstick=self.mark("clone3")))
        count = 1

        def write():
            clear()
            wire.exec(box, "echo z > /root/file")

        # What was written has to become a layer first.
        measured = median_of(self.runs, fork, write)
        self.rows.append(row("fork of 1 after a write", measured, below=2, yardstick=self.mark("clone3")))

    def images(self, wire: Wire) -> None:
        """An image of 300 MB against tar, and creates from it against those from the host image."""
        folder = tempfile.mkdtemp(dir=self.place)
        layout, blobs = images.build(folder)
        runs = min(self.runs, 3)
        target = os.path.join(folder, "unpacked")

        def clear():
            remove_tree(target)
            os.mkdir(target)

        def forget():
            if any(image["ref"] == "bench:1" for image in wire.call("image/list")["images"]):
                wire.call("image/remove", ref="bench:1")
            wire.call("engine/gc")

        tar = median_of(runs, lambda: images.unpack(blobs, target), clear)
        measured = median_of(runs, lambda: wire.call("image/import", path=layout, ref="bench:1"), forget)
        self.rows.append(ratio_row("import of 300 MB", measured, factor=1.2, yardstick=("tar -x", tar)))
        remove_tree(folder)
        # In turn, so that what disturbs the machine disturbs both.
        times: dict[str, list[float]] = {"host": [], "bench:1": []}
        boxes = {image: wire.create(image=image) for image in times}
        for _ in range(self.runs):
            for image, measured in times.items():
                destroy(wire, boxes[image])
                begun = time.perf_counter()
                boxes[image] = wire.create(image=image)
                measured.append((time.perf_counter() - begun) * 1e3)
        for box in boxes.values():
            destroy(wire, box)
        host, imported = (statistics.median(measured) for measured in times.values())
        self.rows.append(
            ratio_row("create, imported image", imported, factor=1.1, yardstick=("create, host image", host))
        )

    def growth(self, wire: Wire) -> None:
        """Memory and descriptors over 10,000 execs, after a warm-up that fills every pool."""
        engine = processes.child_of(wire.pid) or wire.pid
        box = wire.create()
        for _ in range(1_000):
            wire.exec(box, ["/bin/true"])
        memory, files = processes.memory_kib(engine, "Pss"), processes.open_files(engine)
        for _ in range(10_000):
            wire.exec(box, ["/bin/true"])
        grown = (processes.memory_kib(engine, "Pss") - memory) / 1024
        self.rows.append(row("memory grown by 10,000 execs", grown, below=1, unit="MiB"))
        self.rows.append(
            row("descriptors grown by 10,000 execs", processes.open_files(engine) - files, below=0, unit="")
        )
        destroy(wire, box)

    def crowd(self, wire: Wire) -> None:
        """100 sandboxes one after another and at once, and what they take at rest."""
        engine = processes.child_of(wire.pid) or wire.pid
        alone = self.memory([wire.pid, engine])
        self.rows.append(row("memory of the engine at rest, Pss", alone, below=30, unit="MiB"))
        resident = processes.memory_kib(engine, "Rss") / 1024
        self.rows.append(row("memory of the engine at rest, RSS", resident, below=30, unit="MiB"))
        idle = set(processes.descendants(wire.pid))
        boxes: list[str] = []
        times = [milliseconds(lambda: boxes.append(wire.create())) for _ in range(CROWD)]
        first, last = statistics.median(times[:20]), statistics.median(times[-20:])
        self.rows.append(ratio_row("create, last 20 of 100", last, factor=1.3, yardstick=("the first 20", first)))
        self.rows.append(per_second("create, 100 one after another", CROWD / sum(times) * 1e3))
        time.sleep(1)
        own = set(processes.descendants(wire.pid)) - idle
        each = self.memory(sorted(own)) / CROWD
        self.rows.append(row("memory of an idle sandbox, Pss of its processes", each, below=0.5, unit="MiB"))
        grown = (self.memory([wire.pid, engine]) - alone) / CROWD
        self.rows.append(row("memory the engine holds for each sandbox", grown, below=0.5, unit="MiB"))
        for box in boxes:
            destroy(wire, box)
        self.rows.append(self.at_once(wire))

    def at_once(self, wire: Wire) -> Row:
        begun = time.perf_counter()
        for _ in range(CROWD):
            wire.send("sandbox/create", network={"mode": "none"})
        boxes = [wire.receive()["result"]["id"] for _ in range(CROWD)]
        seconds = time.perf_counter() - begun
        for box in boxes:
            destroy(wire, box)
        return per_second("create, 100 at once", CROWD / seconds)

    def memory(self, pids: list[int]) -> float:
        """Pss in MiB of all the processes together."""
        return sum(processes.memory_kib(pid, "Pss") for pid in pids) / 1024


def per_second(operation: str, rate: float) -> Row:
    return Row(operation, "300 /s", rate, "/s", rate >= 300)


def prepared(wire: Wire) -> tuple[str, str]:
    """A sandbox in which something was written, and a snapshot of it."""
    box = wire.create()
    wire.exec(box, "echo x > /root/file")
    return box, wire.call("sandbox/snapshot", sandboxId=box)["id"]


def use(wire: Wire, boxes: list[str], mode: str = "none") -> None:
    """What bubblewrap's whole run does: a sandbox, and true in it."""
    boxes.append(wire.create(mode=mode))
    wire.exec(boxes[-1], ["/bin/true"])


def destroy(wire: Wire, box: str) -> None:
    wire.call("sandbox/destroy", sandboxId=box)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="how often each operation is measured (100)")
    parser.add_argument(
        "--patience",
        type=float,
        default=60,
        metavar="SECONDS",
        help="how long, in all, to wait for a calm machine and to repeat what was disturbed (60)",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART", help="only parts whose names begin so, such as live or fork"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/performance.md has it")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    built = os.environ.get("ISORUN_ENGINE") or Path(__file__).resolve().parents[2] / ".build/release/isorun-engine"
    place = tempfile.mkdtemp(prefix="isorun-bench-")
    try:
        os.chmod(place, 0o755)
        engine = shutil.copy2(built, place)  # where an ordinary user can run it
        calm = Calm(arguments.patience)
        marks = calm.undisturbed("yardsticks", lambda: yardsticks.measure(arguments.runs))
        rows = Bench(engine, place, arguments.runs, marks, calm).all(arguments.only)
    finally:
        remove_tree(place)
    shown = as_json if arguments.json else markdown if arguments.markdown else table
    print(shown(rows, marks))
    if calm.disturbed:
        print(f"The machine was busy; these figures are too high: {', '.join(calm.disturbed)}.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
