"""A process to observe: says who it is, waits, runs one scenario, says what it did.

Usage: target.py SCENARIO [ARGS]. One JSON object a line on stdout: first the
thread and the calibration, then, after a line on stdin, the window and whatever
the scenario measured itself. Another line on stdin ends it.
"""

import json
import mmap
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[5]
CELL_FILE = "<cell-under-test>"


def calibration():
    # The package's own start needs IPython: only this one module is wanted.
    package = types.ModuleType("inferscope")
    package.__path__ = [str(ROOT / "ipython_ext" / "inferscope")]
    sys.modules["inferscope"] = package
    from inferscope import calibrate

    found = calibrate.calibration()
    return {"Valid": found.valid, "Why": found.why, "Fields": found.fields}


def sleep():
    time.sleep(0.2)
    select.select([], [], [], 0.2)


def lock():
    held = threading.Lock()
    held.acquire()
    threading.Timer(0.2, held.release).start()
    held.acquire()


def spin(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def gil():
    other = threading.Thread(target=spin, args=(0.4,), name="rival")
    other.start()
    spin(0.4)
    other.join()
    return {"rival": other.native_id}


def scratch_file(size):
    directory = os.environ.get("INFERSCOPE_TEST_DISK", str(pathlib.Path(__file__).parent))
    file = tempfile.NamedTemporaryFile(dir=directory, prefix=".ebpf-test-")
    chunk = os.urandom(1 << 20)
    for _ in range(size >> 20):
        file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return file


def prepare_disk():
    return scratch_file(64 << 20)


def disk(file):
    fd = os.open(file.name, os.O_RDONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, 1 << 20)
    begin = time.monotonic_ns()
    while os.readv(fd, [buffer]):
        pass
    took = time.monotonic_ns() - begin
    os.close(fd)
    return {"took": took}


def prepare_fault():
    return scratch_file(64 << 20)


def fault(file):
    mapped = mmap.mmap(file.fileno(), 64 << 20, prot=mmap.PROT_READ)
    mapped.madvise(mmap.MADV_RANDOM)
    begin = time.monotonic_ns()
    total = 0
    for at in range(0, 64 << 20, 65536):
        total += mapped[at]
    return {"took": time.monotonic_ns() - begin}


def pipe():
    reading, writing = os.pipe()
    threading.Timer(0.2, os.write, (writing, b"x")).start()
    os.read(reading, 1)


def network():
    one, two = socket.socketpair()
    threading.Timer(0.2, two.send, (b"x",)).start()
    one.recv(1)


def child():
    subprocess.run(["sleep", "0.2"], check=True)


def poll():
    one, two = socket.socketpair()
    threading.Timer(0.15, two.send, (b"x",)).start()
    watched = select.poll()
    watched.register(one, select.POLLIN)
    watched.poll(2000)
    one.recv(1)
    threading.Timer(0.15, two.send, (b"x",)).start()
    epoll = select.epoll()
    epoll.register(one, select.EPOLLIN)
    epoll.poll(2)


def prepare_runnable():
    # A rival on the same CPU: between them each waits half of the time.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rival = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    return rival


def runnable(rival):
    spin(0.6)
    rival.kill()
    rival.wait()


def prepare_blocked():
    never = threading.Event()
    thread = threading.Thread(target=never.wait, name="blocked", daemon=True)
    thread.start()
    return thread


def blocked(thread):
    time.sleep(0.1)
    return {"blocked": thread.native_id}


def fork_sleep(seconds):
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    return pid


def prepare_children():
    return fork_sleep(0.5)


def children(before):
    inside = fork_sleep(0.2)
    other = subprocess.Popen(["sleep", "0.2"])
    os.waitpid(inside, 0)
    other.wait()
    return {"before": before, "inside": inside, "executed": other.pid}


def waker():
    held = threading.Lock()
    held.acquire()

    def release():
        time.sleep(0.1)
        held.release()

    other = threading.Thread(target=release, name="releaser")
    other.start()
    held.acquire()
    other.join()
    return {"releaser": other.native_id}


def stdin():
    print("{}", flush=True)
    os.read(0, 100)


def storm():
    """As many switches as two threads and two pipes can make."""
    a, b = os.pipe(), os.pipe()

    def serve():
        for _ in range(20000):
            os.read(a[0], 1)
            os.write(b[1], b"x")

    other = threading.Thread(target=serve)
    other.start()
    for _ in range(20000):
        os.write(a[1], b"x")
        os.read(b[0], 1)
    other.join()


SOURCE = """\
import time
def generate():
    for i in range(3):
        time.sleep(0.02)
        yield i

class Thing:
    def method(self):
        return sorted([2, 1], key=self.key)

    def key(self, value):
        time.sleep(0.03)
        return value

def outer():
    def inner():
        time.sleep(0.05)

    inner()
total = sum(generate())
Thing().method()
outer()
time.sleep(0.04)
deadline = time.thread_time() + 0.3
while time.thread_time() < deadline:
    [n * n for n in range(100)]
"""


def frames():
    exec(compile(SOURCE, CELL_FILE, "exec"), {"__name__": "__main__"})


def sleeps():
    for _ in range(200):
        time.sleep(0.005)


def busy(work):
    until = time.thread_time() + 0.15
    while time.thread_time() < until:
        work()


def kinds():
    """A phase each: the interpreter, a library, a system call, page faults."""
    at = [time.monotonic_ns()]

    def done():
        at.append(time.monotonic_ns())

    busy(lambda: sum(n * n for n in range(1000)))
    done()
    data = os.urandom(1 << 20)
    busy(lambda: zlib.crc32(zlib.compress(data)))
    done()
    with open("/dev/zero", "rb", buffering=0) as zero:
        buffer = bytearray(4 << 20)
        busy(lambda: zero.readinto(buffer))
    done()

    def touch():
        with mmap.mmap(-1, 16 << 20) as fresh:
            for page in range(0, 16 << 20, 4096):
                fresh[page] = 1

    busy(touch)
    done()
    return {f"phase{i}": t for i, t in enumerate(at)}


def none():
    pass


def main():
    scenario = sys.argv[1]
    me = {
        "pid": os.getpid(),
        "tid": threading.get_native_id(),
        "calibration": calibration(),
        "cell_file": CELL_FILE,
    }
    prepare = globals().get("prepare_" + scenario)
    prepared = [prepare()] if prepare else []
    print(json.dumps(me), flush=True)
    sys.stdin.readline()
    begin = time.monotonic_ns()
    told = globals()[scenario](*prepared) or {}
    end = time.monotonic_ns()
    told.update(begin=begin, end=end)
    print(json.dumps(told), flush=True)
    sys.stdin.readline()


main()
