"""PostgreSQL under load, through snapshot, restore, fork, rollback, hibernation and resume: every committed row is there."""

import glob

from harness.runtime import RuntimeTestCase

#: Where Debian keeps the programs that only the server's user calls.
SERVER_PROGRAMS = sorted(glob.glob("/usr/lib/postgresql/*/bin"))

#: Without fsync: a slow disk shows nothing here, and files and memory are of one moment without it.
SET_UP = """
initdb -D /tmp/data -A trust -k --no-sync --no-locale -E UTF8 --wal-segsize=1 > /tmp/log
cat >> /tmp/data/postgresql.conf <<'END'
listen_addresses = ''
unix_socket_directories = '/tmp'
shared_buffers = 8MB
max_connections = 10
max_wal_size = 4MB
fsync = off
END
pg_ctl -D /tmp/data -l /tmp/server.log -w start > /tmp/log
pgbench -i -q 2> /tmp/log
psql -q -c 'CREATE TABLE counted (n int PRIMARY KEY)'
"""

#: Two clients that run transactions over several tables, and one that inserts numbers and notes every one that was committed.
LOAD = """
setsid pgbench -c 2 -R 200 -T 100000 > /tmp/bench.log 2>&1 < /dev/null &
setsid sh -c 'n=0; while :; do n=$((n+1)); echo "INSERT INTO counted VALUES ($n);"; sleep 0.01; done |
    psql > /tmp/committed 2>&1' < /dev/null &
"""

#: Until both have done something.
BEGUN = """
until grep -q 'INSERT 0 1' /tmp/committed && psql -At -c 'TABLE pgbench_history' | grep -q .; do sleep 0.05; done
"""

#: What transactions have moved between tables adds up; numbers have no gap.
SUMS = """
SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)
   AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history)
   AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history),
   (SELECT count(*) FROM counted) = (SELECT max(n) FROM counted),
   (SELECT count(*) FROM counted), (SELECT count(*) FROM pgbench_history)
"""


class PostgreSQLTests(RuntimeTestCase):
    def setUp(self) -> None:
        super().setUp()
        if not SERVER_PROGRAMS:
            self.skipTest("postgresql is not installed")

    def as_server(self, box, command: str) -> str:
        path = f"{SERVER_PROGRAMS[-1]}:/usr/bin:/bin"
        result = box.exec(["sh", "-ec", command], user="postgres", cwd="/tmp", env={"PATH": path, "PGHOST": "/tmp"})
        if result["exitCode"] != 0:
            self.fail(f"{command}: {result['stderr']}\n{box.exec('tail -30 /tmp/server.log; ps -ef')['stdout']}")
        return result["stdout"]

    def sums(self, box) -> tuple[int, int]:
        """How many numbers and how many transactions there are; they must fit together."""
        balanced, gapless, numbers, transactions = self.as_server(box, f'psql -At -c "{SUMS}"').strip().split("|")
        self.assertEqual((balanced, gapless), ("t", "t"))
        return int(numbers), int(transactions)

    def check(self, box, where: str) -> None:
        committed = box.read("/tmp/committed").count("INSERT 0 1\n")
        numbers, transactions = self.sums(box)
        self.assertGreaterEqual(numbers, committed, f"{where}: committed rows are missing")
        self.assertGreater(committed, 0, where)
        self.eventually(
            lambda: all(now > then for now, then in zip(self.sums(box), (numbers, transactions))),
            message=f"{where}: the load does not go on",
        )
        if where.startswith(("restored, generation", "resumed")):
            self.as_server(box, "pg_amcheck --install-missing --heapallindexed postgres")

    def test_a_server_under_load(self):
        box = self.engine.create()
        self.as_server(box, SET_UP)
        self.as_server(box, LOAD)
        self.as_server(box, BEGUN)
        self.live_through(box, self.check)
