# %% [markdown]
# # Copies
# %% [markdown]
# ## 4. Copies from memory that is not pinned
#
# 256 MB are copied in each step, and the driver must move them through a pinned buffer of its own.
#
# - name: pageable_copy
# - needs: torch
# - verdict: memory_transfer_bound
# - cause: h2d_copy, pageable_copy
# - finds: pageable-copies
# %% setup
import torch

batches = [torch.ones(1 << 26) for _ in range(3)]
pinned = [batch.pin_memory() for batch in batches]
steps = 24
# %% planted
for step in range(steps):
    batch = batches[step % 3].to("cuda")  # <- here
    batch.mul_(0.5)
torch.cuda.synchronize()
# %% repaired
for step in range(steps):
    batch = pinned[step % 3].to("cuda", non_blocking=True)
    batch.mul_(0.5)
torch.cuda.synchronize()
# %% teardown
del batches, pinned, batch
torch.cuda.empty_cache()
# %% [markdown]
# ## 5. Copies from pinned memory
#
# The copy is as fast as the bus, and the kernel waits for it: only overlap would help, and pinning is no advice.
#
# - name: pinned_copy
# - needs: torch
# - verdict: memory_transfer_bound
# - cause: h2d_copy
# - finds: copies-in-turn
# - never: pageable-copies
# %% setup
import torch

pinned = torch.ones(16384, 8192, dtype=torch.bfloat16).pin_memory()
buffers = [torch.empty(16384, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2)]
weights = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
copies = torch.cuda.Stream()
copied = [torch.cuda.Event() for _ in range(2)]
used = [torch.cuda.Event() for _ in range(2)]
steps = 100
# %% planted
for step in range(steps):
    buffers[0].copy_(pinned, non_blocking=True)  # <- here
    product = buffers[0][:8192] @ weights
torch.cuda.synchronize()
# %% repaired
for step in range(steps):
    buffer = buffers[step % 2]
    with torch.cuda.stream(copies):
        copies.wait_event(used[step % 2])
        buffer.copy_(pinned, non_blocking=True)
        copied[step % 2].record()
    torch.cuda.current_stream().wait_event(copied[step % 2])
    product = buffer[:8192] @ weights
    used[step % 2].record()
torch.cuda.synchronize()
# %% teardown
pinned = buffers = buffer = weights = product = None
torch.cuda.empty_cache()
# %% [markdown]
# ## 6. A large result is brought back in each step
#
# - name: copy_back
# - needs: torch
# - verdict: memory_transfer_bound
# - cause: d2h_copy
# %% setup
import torch

result = torch.ones(1 << 26, device="cuda")
steps = 15
# %% planted
for step in range(steps):
    result.mul_(0.5)
    kept = result.cpu()  # <- here
# %% repaired
for step in range(steps):
    result.mul_(0.5)
    kept = result.clone()
torch.cuda.synchronize()
# %% teardown
del result, kept
torch.cuda.empty_cache()
