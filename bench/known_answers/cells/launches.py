# %% [markdown]
# # What a cell gives the GPU, and when
# %% [markdown]
# ## 1. The GPU computes all the time
#
# Nothing can be repaired but the arithmetic itself: no word about idle time may be said.
#
# - name: matmul_loop
# - needs: torch
# - verdict: gpu_bound
# - never: launch-bound-small-kernels, sync-in-loop, pageable-copies, allocator-churn, data-loader-starved
# - never: pure-python-hot-loop
# %% setup
import torch

weights = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
inputs = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
steps = 400
# %% planted
for step in range(steps):
    product = weights @ inputs  # <- here
torch.cuda.synchronize()
# %% teardown
del weights, inputs, product
torch.cuda.empty_cache()
# %% [markdown]
# ## 2. Thousands of tiny operations
#
# Each operation needs less of the GPU than of the host, which cannot launch fast enough.
#
# - name: tiny_adds
# - needs: torch
# - verdict: cpu_bound
# - cause: framework
# - finds: launch-bound-small-kernels
# %% setup
import torch

small = torch.ones(256, device="cuda")
static = torch.ones(256, device="cuda")
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    moved = static
    for _ in range(2000):
        moved = torch.add(moved, 1.0)
steps = 50
# %% planted
for step in range(steps):
    value = small
    for part in range(2000):
        value = torch.add(value, 1.0)  # <- here
torch.cuda.synchronize()
# %% repaired
for step in range(steps):
    static.copy_(small)
    graph.replay()
torch.cuda.synchronize()
# %% teardown
del graph, moved, static
# %% [markdown]
# ## 3. A number is read back in each small step
#
# `.item()` waits for the GPU, whose queue is empty from then until the next step is launched.
#
# - name: item_each_step
# - needs: torch
# - verdict: cpu_bound
# - cause: sync_refill
# - finds: sync-in-loop
# %% setup
import torch

inputs = torch.randn(256, 256, device="cuda")
weights = torch.randn(256, 256, device="cuda")
steps = 6000
# %% planted
total = 0.0
for step in range(steps):
    loss = (inputs @ weights).square().mean()
    total += loss.item()  # <- here
# %% repaired
total = torch.zeros((), device="cuda")
for step in range(steps):
    loss = (inputs @ weights).square().mean()
    total += loss
answer = total.item()
# %% [markdown]
# ## 14. The allocator's cache is emptied in each step
#
# Every step allocates another size, which the emptied cache must get from the driver: allocating and freeing both wait.
#
# - name: empty_cache
# - needs: torch
# - verdict: cpu_bound
# - cause: allocator
# - finds: allocator-churn
# %% setup
import torch

steps = 1000
# %% planted
for step in range(steps):
    block = torch.empty((step % 40 + 1) << 22, device="cuda")  # <- here
    block.fill_(1.0)
    del block
    torch.cuda.empty_cache()  # <- here
torch.cuda.synchronize()
# %% repaired
for step in range(steps):
    block = torch.empty((step % 40 + 1) << 22, device="cuda")
    block.fill_(1.0)
    del block
torch.cuda.synchronize()
# %% teardown
torch.cuda.empty_cache()
# %% [markdown]
# ## 20. Work of the cell before
#
# The cell itself does nothing: it waits for what the cell before has queued.
#
# - name: carry_in
# - needs: torch
# - verdict: cpu_bound, unknown, balanced
# - finds: carry-in
# %% setup
import torch

weights = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
inputs = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
# %% before
for step in range(600):
    product = weights @ inputs
# %% planted
answer = sum(range(1000))
torch.cuda.synchronize()  # <- here
# %% before repaired
for step in range(600):
    product = weights @ inputs
torch.cuda.synchronize()
# %% repaired
answer = sum(range(1000))
torch.cuda.synchronize()
# %% teardown
del weights, inputs, product
torch.cuda.empty_cache()
# %% [markdown]
# ## 21. Half of the time on each side, in turn
#
# The host waits for the GPU before its own work, and the GPU for the host: neither is the bottleneck.
#
# - name: half_and_half
# - needs: torch
# - verdict: balanced
# %% setup
import time

import torch

weights = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
inputs = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)


def device_work():
    for _ in range(10):
        product = weights @ inputs


def host_work(seconds):
    total, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        for value in range(1000):
            total += value * value
    return total


# The host works by the clock, as long as the GPU does, at the clocks of a GPU that pauses: a processor that is quicker
# now and slower then would shift a count of rounds to one side.
steps, seconds = 30, 0.01
for _ in range(4):
    on_gpu = 0.0
    for step in range(steps):
        began = time.perf_counter()
        device_work()
        torch.cuda.synchronize()
        on_gpu += time.perf_counter() - began
        host_work(seconds)
    seconds = on_gpu / steps
# %% planted
for step in range(steps):
    device_work()
    torch.cuda.synchronize()
    total = host_work(seconds)  # <- here
# %% repaired
for step in range(steps):
    device_work()
    total = host_work(seconds)
    torch.cuda.synchronize()
# %% teardown
del weights, inputs
torch.cuda.empty_cache()
# %% [markdown]
# ## 25. Two streams that wait for each other
#
# Each kernel fills a small part of the GPU, and the two streams could share it; an event makes the second wait for the
# first.
#
# - name: streams_in_turn
# - needs: torch
# - verdict: gpu_bound
# - finds: stream-serialised
# - never: launch-bound-small-kernels, sync-in-loop, pure-python-hot-loop
# %% setup
import torch

first, second = torch.cuda.Stream(), torch.cuda.Stream()
cycles = 4_000_000  # of one thread that spins, in place of a kernel that needs few of the multiprocessors
steps = 100
# %% planted
for step in range(steps):
    with torch.cuda.stream(first):
        torch.cuda._sleep(cycles)  # <- here
        event = first.record_event()
    with torch.cuda.stream(second):
        second.wait_event(event)
        torch.cuda._sleep(cycles)  # <- here
        first.wait_event(second.record_event())
torch.cuda.synchronize()
# %% repaired
for step in range(steps):
    with torch.cuda.stream(first):
        torch.cuda._sleep(cycles)
    with torch.cuda.stream(second):
        torch.cuda._sleep(cycles)
torch.cuda.synchronize()
# %% [markdown]
# ## 26. The GPU's work is not captured
#
# The capture is switched off. What bounds the cell cannot be known then, and must not be guessed.
#
# - name: not_captured
# - needs: torch
# - options: --no-gpu
# - verdict: unknown
# - says: not captured
# %% setup
import torch

weights = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
inputs = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
steps = 200
# %% planted
for step in range(steps):
    product = weights @ inputs
torch.cuda.synchronize()
# %% teardown
del weights, inputs, product
torch.cuda.empty_cache()
# %% [markdown]
# ## 27. Gaps that do not matter
#
# Kernels of 1 ms, each waited for: the gaps of some 10 microseconds between them are one hundredth of the time, and to
# be silent about them is right.
#
# - name: small_gaps
# - needs: torch
# - verdict: gpu_bound
# - never: launch-bound-small-kernels, sync-in-loop, pageable-copies, allocator-churn, data-loader-starved
# - never: pure-python-hot-loop
# %% setup
import torch

weights = torch.randn(5120, 8192, device="cuda", dtype=torch.bfloat16)
inputs = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
steps = 400
# %% planted
for step in range(steps):
    product = weights @ inputs  # <- here
    torch.cuda.synchronize()
# %% teardown
del weights, inputs, product
torch.cuda.empty_cache()
