"""A tree with everything in it, made and described by programs that run inside a sandbox.

`DESCRIBE` prints one JSON object: for each path below a folder all that a snapshot has to bring back exactly.
"""

from __future__ import annotations

import json

DESCRIBE = r"""
import hashlib, json, os, stat, sys
top = sys.argv[1]
links = {}
def describe(path):
    info = os.lstat(path)
    entry = {
        "mode": stat.filemode(info.st_mode), "owner": [info.st_uid, info.st_gid], "mtime": info.st_mtime_ns,
        "xattrs": {name: os.getxattr(path, name, follow_symlinks=False).hex()
                   for name in os.listxattr(path, follow_symlinks=False)},
    }
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            entry["content"] = hashlib.sha256(file.read()).hexdigest()
        entry["size"] = info.st_size
        entry["sparse"] = info.st_blocks * 512 < info.st_size // 2
        entry["links"] = info.st_nlink
        entry["same as"] = links.setdefault((info.st_dev, info.st_ino), path)
    if stat.S_ISLNK(info.st_mode):
        entry["target"] = os.readlink(path)
    return entry
tree = {".": describe(top)}
for folder, folders, files in os.walk(top):
    folders.sort()
    for name in sorted(folders + files):
        path = os.path.join(folder, name)
        tree[os.path.relpath(path, top)] = describe(path)
print(json.dumps(tree))
"""

MAKE = r"""
set -e
mkdir -p "$1" && cd "$1"
mkdir plain empty deep deep/er deep/er/est full gone moved-dir locked
for i in $(seq 30); do echo "file $i" > full/$i; echo "$i" > deep/er/est/$i; done
echo content > plain/file
: > plain/nothing
printf 'a name\n' > "$(printf 'plain/new\nline ü€😀 "quoted"')"
ln plain/file plain/hard-link
ln plain/file deep/er/hard-link
ln -s ../plain/file deep/link
ln -s /etc/passwd deep/absolute
ln -s nowhere deep/dangling
mkfifo plain/fifo
truncate -s 20M plain/sparse && printf end >> plain/sparse
head -c 3000000 /dev/urandom > plain/random
echo doomed > gone/file; echo moved > moved-dir/file
chmod 4755 plain/nothing; chmod 1777 empty; chmod 600 plain/random; chmod 500 locked; chmod 2750 deep
touch -h -d '2001-02-03 04:05:06.123456789' plain/nothing deep/link deep/er empty locked plain/fifo
/usr/bin/python3 - <<'END'
import os, socket
os.setxattr("plain/file", "user.note", bytes(range(256)))
os.setxattr("deep", "user.empty", b"")
socket.socket(socket.AF_UNIX).bind("plain/socket")
END
"""

OWN = r"""
set -e
cd "$1"
chown 1000:1001 plain/file; chown -h 5:6 deep/link; chown 7:8 empty; chown 65534:65534 plain/fifo
"""

#: Every kind of change, made above a snapshot: to be undone by a rollback, and to be kept by a next snapshot.
CHANGE = r"""
set -e
cd "$1"
rm -r full && mkdir full && echo new > full/1
rm -r gone
rm plain/file
echo other > deep/er/est/1; echo more >> deep/er/est/2; : > deep/er/est/3; chmod 700 deep/er/est/4; rm deep/er/est/5
mv moved-dir moved && mv plain/random plain/renamed
rm deep/link && mkdir deep/link && echo now-a-folder > deep/link/file
rm deep/dangling && echo now-a-file > deep/dangling
rm -r empty && echo now-a-file > empty
touch -d '1999-09-09 09:09:09.987654321' plain/nothing plain
rm plain/fifo plain/socket
echo again > plain/file && ln plain/file plain/second
mkdir gone && mkdir gone/inner && rm -r gone && mkdir gone && echo back > gone/back
/usr/bin/python3 - <<'END'
import os
os.setxattr("plain/renamed", "user.late", b"1")
os.removexattr("deep", "user.empty")
with open("plain/sparse", "r+b") as file:
    file.seek(5 << 20)
    file.write(b"in the hole")
END
"""


def make(box, folder: str, *, owners: bool) -> None:
    box.output(["/bin/sh", "-c", MAKE, "sh", folder])
    if owners:
        box.output(["/bin/sh", "-c", OWN, "sh", folder])


def change(box, folder: str) -> None:
    box.output(["/bin/sh", "-c", CHANGE, "sh", folder])


def describe(box, folder: str) -> dict:
    return json.loads(box.output(["/usr/bin/python3", "-c", DESCRIBE, folder]))
