# %% [markdown]
# # What the host waits for
#
# These need no GPU. Where PyTorch and a GPU are there, each step also gives the GPU a little work, which then stands
# still for the same reason.
# %% shared
import importlib.util


def gpu_step():
    """What a step gives the GPU: nothing here."""


if importlib.util.find_spec("torch"):
    import torch

    if torch.cuda.is_available():
        on_gpu = torch.ones(1 << 16, device="cuda")

        def gpu_step():
            """What a step gives the GPU: one short kernel."""
            on_gpu.add_(1.0)


# %% [markdown]
# ## 9. A cold file is read in each step
#
# The page cache is emptied of it before each read, as it is for a data set that is larger than the memory.
#
# - name: cold_file
# - verdict: cpu_bound
# - cause: host_io
# - finds: host-io
# - share: 0.4
# %% setup
import os
import tempfile

file = tempfile.TemporaryFile(dir=os.getcwd())
for _ in range(48):
    file.write(os.urandom(1 << 20))
file.flush()
os.fsync(file.fileno())
preloaded = os.pread(file.fileno(), 48 << 20, 0)
steps = 20
# %% planted
total = 0
for step in range(steps):
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    data = os.pread(file.fileno(), 48 << 20, 0)  # <- here
    total += len(data)
    gpu_step()
# %% repaired
total = 0
for step in range(steps):
    data = preloaded
    total += len(data)
    gpu_step()
# %% teardown
file.close()
data = preloaded = None
# %% [markdown]
# ## 10. A sleep in each step
#
# - name: sleep
# - verdict: cpu_bound
# - cause: sleep
# - finds: sleep
# - share: 0.8
# %% setup
import time

steps = 80
# %% planted
results = []
for step in range(steps):
    time.sleep(0.005)  # <- here
    results.append(step * step)
    gpu_step()
# %% repaired
results = []
for step in range(steps):
    results.append(step * step)
    gpu_step()
# %% [markdown]
# ## 11. A loop in pure Python
#
# Numbers are added one by one in the interpreter.
#
# - name: pure_python
# - verdict: cpu_bound
# - cause: python
# - finds: pure-python-hot-loop
# - share: 0.7
# %% setup
import numpy as np

steps = 40
# %% planted
total = 0
for step in range(steps):
    part = [value % 7 for value in range(step)]
    total += sum(value * value % 13 for value in range(200_000))  # <- here
    gpu_step()
# %% repaired
total = 0
for step in range(steps):
    part = [value % 7 for value in range(step)]
    total += int((np.arange(200_000) ** 2 % 13).sum())
    gpu_step()
# %% [markdown]
# ## 12. Another thread spins in Python
#
# Each time the hash gives the GIL back to Python, the spinning thread keeps it for its 5 ms.
#
# - name: gil_fight
# - verdict: cpu_bound
# - cause: gil_wait
# - finds: gil-contention
# - blames: spinner, spin
# - share: 0.5
# %% setup
import hashlib
import subprocess
import sys
import threading

buffer = bytes(1 << 19)
steps = 150
# %% planted
running = True


def spin():
    count = 0
    while running:
        count += 1


spinner = threading.Thread(target=spin, name="spinner")
spinner.start()
for step in range(steps):
    digest = hashlib.sha256(buffer).digest()  # <- here
running = False
spinner.join()
# %% repaired
spinner = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
for step in range(steps):
    digest = hashlib.sha256(buffer).digest()
spinner.kill()
status = spinner.wait()
# %% [markdown]
# ## 13. A lock that another thread holds
#
# - name: lock_held
# - verdict: cpu_bound
# - cause: lock_wait
# - finds: lock-contention
# - blames: lock-holder, hold
# - share: 0.5
# %% setup
import threading
import time

lock = threading.Lock()
steps = 100
# %% planted
done = False


def hold():
    while not done:
        with lock:
            time.sleep(0.005)
        time.sleep(0.0002)


holder = threading.Thread(target=hold, name="lock-holder")
holder.start()
for step in range(steps):
    lock.acquire()  # <- here
    lock.release()
    gpu_step()
    time.sleep(0.0005)
done = True
holder.join()
# %% repaired
done = False


def hold():
    while not done:
        time.sleep(0.0052)


holder = threading.Thread(target=hold, name="lock-holder")
holder.start()
for step in range(steps):
    gpu_step()
    time.sleep(0.0005)
done = True
holder.join()
# %% [markdown]
# ## 17. Garbage collection is forced in each step
#
# Objects in cycles are made and kept, so that every full collection walks over more of them.
#
# - name: gc
# - verdict: cpu_bound
# - cause: gc
# - finds: gc-pauses
# - share: 0.4
# %% setup
import gc


class Node:
    pass


steps = 20
# %% planted
kept = []
for step in range(steps):
    nodes = [Node() for _ in range(20_000)]
    for left, right in zip(nodes, nodes[1:] + nodes[:1]):
        left.next, right.previous = right, left
    kept.append(nodes[0])
    gc.collect()  # <- here
    gpu_step()
# %% repaired
kept = []
for step in range(steps):
    nodes = [Node() for _ in range(20_000)]
    for left, right in zip(nodes, nodes[1:] + nodes[:1]):
        left.next, right.previous = right, left
    kept.append(nodes[0])
    gc.freeze()
    gpu_step()
gc.unfreeze()
# %% teardown
del kept, nodes, left, right
collected = gc.collect()
# %% [markdown]
# ## 18. Memory is touched for the first time
#
# A block of 1 GiB is allocated anew in each step, and the kernel brings in its pages one by one.
#
# - name: first_touch
# - verdict: cpu_bound
# - cause: page_fault
# - finds: page-faults
# - share: 0.4
# %% setup
import numpy as np

block = np.empty(1 << 27)
block.fill(1.0)
reused = block
del block
steps = 3
# %% planted
total = 0.0
for step in range(steps):
    block = np.empty(1 << 27)
    block.fill(1.0)  # <- here
    total += block[step]
    del block
    gpu_step()
# %% repaired
total = 0.0
for step in range(steps):
    block = reused
    block.fill(1.0)
    total += block[step]
    gpu_step()
# %% teardown
block = reused = None
# %% [markdown]
# ## 19. Busy processes on the cell's core
#
# - name: preempted
# - verdict: cpu_bound
# - cause: preempted
# - finds: preemption
# - share: 0.5
# %% setup
import os
import subprocess
import sys

allowed = os.sched_getaffinity(0)
core = min(allowed)
hog = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
os.sched_setaffinity(0, {core})
hogs = [subprocess.Popen([sys.executable, "-S", "-c", hog]) for _ in range(3)]
os.sched_setaffinity(0, allowed)
steps = 12
# %% planted
os.sched_setaffinity(0, {core})
total = 0
for step in range(steps):
    total += sum(value * value for value in range(200_000))  # <- here
    gpu_step()
os.sched_setaffinity(0, allowed)
# %% repaired
total = 0
for step in range(steps):
    total += sum(value * value for value in range(200_000))
    gpu_step()
# %% teardown
for hog in hogs:
    hog.kill()
    status = hog.wait()
