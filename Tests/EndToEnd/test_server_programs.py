"""Servers with clients connected to them, through snapshot, restore, fork, rollback, hibernation and resume.

Redis with data in memory, nginx with workers, and Debian's registry, which is a Go program, all in one sandbox.
"""

import shutil

from harness.counting import CountingTestCase

NGINX = """
user root;
worker_processes 2;
pid /tmp/nginx.pid;
error_log /tmp/nginx.log;
events {}
http {
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path /tmp/nginx-body;
    proxy_temp_path /tmp/nginx-proxy;
    fastcgi_temp_path /tmp/nginx-fastcgi;
    uwsgi_temp_path /tmp/nginx-uwsgi;
    scgi_temp_path /tmp/nginx-scgi;
    server { listen 127.0.0.1:8080; root /tmp/pages; }
}
"""

REGISTRY = """
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: /tmp/registry}}
http: {addr: "127.0.0.1:5000"}
"""

SET_UP = """
mkdir /tmp/pages; echo kept > /tmp/pages/page
nginx -c /tmp/nginx.conf
setsid redis-server --port 6379 --save '' --enable-debug-command yes --daemonize no > /tmp/redis.log 2>&1 < /dev/null &
setsid docker-registry serve /tmp/registry.yml > /tmp/registry.log 2>&1 < /dev/null &
until redis-cli ping && curl -s 127.0.0.1:5000/v2/; do sleep 0.05; done
redis-cli debug populate 1000 key 1000
"""

#: Asks each server again and again on one connection, and counts its answers.
CLIENT = """
import http.client, json, os, socket, time
redis = socket.create_connection(("127.0.0.1", 6379))
answers = redis.makefile("rb")
pages = http.client.HTTPConnection("127.0.0.1", 8080)
registry = http.client.HTTPConnection("127.0.0.1", 5000)
def ask_redis(command):
    redis.sendall(command + b"\\r\\n")
    return answers.readline()
def fetch(server, path):
    connection = server.sock
    server.request("GET", path)
    answer = server.getresponse().read()
    if connection not in (None, server.sock): raise ConnectionError("connected anew")
    return answer
counts, intact = [0, 0, 0], True
while intact:
    counts[0] += 1
    intact &= ask_redis(b"INCR counter") == b":%d\\r\\n" % counts[0]
    intact &= fetch(pages, "/page") == b"kept\\n"
    counts[1] += 1
    intact &= fetch(registry, "/v2/") == b"{}"
    counts[2] += 1
    with open("/tmp/state.new", "w") as file: json.dump(dict(counts=counts, intact=intact), file)
    os.rename("/tmp/state.new", "/tmp/state")
    time.sleep(0.01)
"""

#: What new clients find, and that both workers are there.
NEW_CLIENTS = """
redis-cli dbsize; redis-cli strlen key:999
curl -s 127.0.0.1:8080/page; curl -s 127.0.0.1:5000/v2/; echo
pgrep -fc '^nginx: worker'
"""


class ServerProgramTests(CountingTestCase):
    def setUp(self) -> None:
        super().setUp()
        for program in ("redis-server", "nginx", "docker-registry", "curl"):
            if not shutil.which(program, path="/usr/sbin:/usr/bin"):
                self.skipTest(f"{program} is not installed")

    def test_redis_nginx_and_a_registry(self):
        box = self.engine.create()
        box.write("/tmp/nginx.conf", NGINX)
        box.write("/tmp/registry.yml", REGISTRY)
        box.output(["sh", "-ec", SET_UP], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        self.start(["/usr/bin/python3", CLIENT], box)

        def check(other, where):
            # The copies of memory that a capture makes are processes too, for a moment.
            other.wait_until("test $(pgrep -fc '^nginx: worker') = 2")
            self.assertEqual(other.output(NEW_CLIENTS).split(), ["1001", "1000", "kept", "{}", "2"], where)

        self.exercise_counting(box, check)
