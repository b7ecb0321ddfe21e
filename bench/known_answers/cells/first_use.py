# %% [markdown]
# # What is slow only once
#
# Restart the kernel before each of these.
# %% [markdown]
# ## 15. The first call of a compiled function
#
# - name: first_compile
# - needs: torch
# - fresh: yes
# - verdict: cpu_bound
# - cause: compile
# - finds: compile-in-cell
# %% setup
import os
import tempfile

os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()  # nothing compiled before may be found

import torch

inputs = torch.randn(1024, 1024, device="cuda")
product = inputs @ inputs


@torch.compile
def score(x):
    return (torch.sin(x) * 2 + torch.cos(x)).relu().sum(dim=1)


torch.cuda.synchronize()
# %% planted
scores = score(inputs)  # <- here
torch.cuda.synchronize()
# %% repaired
scores = score(inputs)
torch.cuda.synchronize()
# %% teardown
import shutil

shutil.rmtree(os.environ["TORCHINDUCTOR_CACHE_DIR"], ignore_errors=True)
# %% [markdown]
# ## 16. The first use of CUDA in the process
#
# - name: first_cuda
# - needs: torch
# - fresh: yes
# - verdict: cpu_bound
# - cause: warm_up
# - finds: gpu-warm-up
# %% setup
import torch

# %% planted
inputs = torch.ones(1 << 20, device="cuda")  # <- here
torch.cuda.synchronize()
# %% repaired
inputs = torch.ones(1 << 20, device="cuda")
torch.cuda.synchronize()
