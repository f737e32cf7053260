"""A client that works on a store until something kills it, and journals what has been answered.

    crash_client.py ENGINE STORE JOURNAL

Each line of the journal is one fact that an answer stated: {"snapshot": id, "text": content} or
{"deleted": id}. What was asked and not answered is announced first, so that the test knows what may be either way.
"""

import json
import os
import random
import sys

from isorun_client import Engine


def main() -> None:
    command, store, journal_path = sys.argv[1:]
    journal = os.open(journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(**fact) -> None:
        os.write(journal, json.dumps(fact).encode() + b"\n")

    engine = Engine([command])
    engine.initialize(store=store)
    note(ready=True, launcher=engine.launcher_pid)
    boxes, snapshots, counter = [engine.create()], [], 0
    while True:
        counter += 1
        box = random.choice(boxes)
        text = f"{os.getpid()}-{counter}"
        box.write("/root/file", text)
        box.start("sleep 100")
        snapshot = box.snapshot()
        note(snapshot=snapshot["id"], text=text)
        snapshots.append(snapshot)
        step = random.randrange(5)
        if step == 0:
            boxes += box.fork(2)
        elif step == 1:
            boxes.append(engine.restore(random.choice(snapshots)))
        elif step == 2 and len(snapshots) > 3:
            doomed = snapshots.pop(random.randrange(len(snapshots)))
            note(deleting=doomed["id"])
            engine.call("snapshot/delete", {"snapshotId": doomed["id"]})
            note(deleted=doomed["id"])
        elif step == 3:
            box.rollback(snapshot)
        while len(boxes) > 5:
            boxes.pop(0).destroy()


if __name__ == "__main__":
    main()
