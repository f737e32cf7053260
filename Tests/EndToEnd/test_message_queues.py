"""POSIX message queues are not kept: who has one open is told by name, and lost or refused, never restored without it."""

from harness.runtime import RuntimeTestCase

# Opened by mq_open(3), or by the name that the queue has below /dev/mqueue.
PROGRAM = """
import ctypes, os, sys, time
libc = ctypes.CDLL("librt.so.1", use_errno=True)
queue = libc.mq_open(b"/jobs", os.O_CREAT | os.O_RDWR, 0o600, None)
if queue < 0: raise OSError(ctypes.get_errno(), "mq_open")
libc.mq_send(queue, b"job", 3, 1)
if sys.argv[1] == "name":
    os.close(queue)
    queue = os.open("/dev/mqueue/jobs", os.O_RDONLY)
print("ready", flush=True)
time.sleep(1000)
"""


class MessageQueueTests(RuntimeTestCase):
    def test_whoever_has_one_open_is_told_by_name(self):
        for way, name in (("open", "/jobs"), ("name", "/dev/mqueue/jobs")):
            box = self.engine.create()
            process = box.launch(["/usr/bin/python3", "-c", PROGRAM, way])
            process.attach()
            process.wait_for_output("ready\n")
            reason = f"it has the message queue {name} open (descriptor 3)"
            self.assertIn(reason, str(box.call("sandbox/explain")))
            error = self.assert_fails(1050, "RuntimeStateUnsupported", box.snapshot, runtime="require")
            self.assertEqual([p["reason"] for p in error.data["processes"]], [reason])
            snapshot = box.snapshot(runtime="auto")
            self.assertEqual([p["reason"] for p in snapshot["runtime"]["dropped"]], [reason])
            self.assertEqual(self.engine.restore(snapshot).processes(), [])
            # The source goes on with it.
            self.assertEqual([p.id for p in box.processes()], [process.id])
            self.assertIn("QSIZE:3 ", box.read("/dev/mqueue/jobs"))
