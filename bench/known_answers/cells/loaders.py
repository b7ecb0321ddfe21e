# %% [markdown]
# # Data loaders
# %% shared
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset):
    """Items whose making takes some 20 ms of one CPU."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return self.items

    def __getitem__(self, index):
        picture = np.random.default_rng(index).standard_normal(1 << 20, dtype=np.float32)
        return torch.from_numpy(np.tanh(np.sort(picture[: 1 << 18])))


weights = torch.randn(512, 512, device="cuda")
# %% [markdown]
# ## 7. The data loader without workers
#
# Each batch is made in the cell's own thread while the GPU waits.
#
# - name: loader_without_workers
# - needs: torch
# - verdict: cpu_bound
# - cause: data_loading
# - finds: data-loader-starved
# %% setup
steps = 40
loader = DataLoader(Pictures(steps), batch_size=None, num_workers=0)
quick = DataLoader(Pictures(steps), batch_size=None, num_workers=4, persistent_workers=True)
# %% planted
for picture in loader:  # <- here
    answer = picture.cuda().view(512, 512) @ weights
torch.cuda.synchronize()
# %% repaired
for picture in quick:
    answer = picture.cuda().view(512, 512) @ weights
torch.cuda.synchronize()
# %% teardown
del loader, quick
# %% [markdown]
# ## 8. The data loader with one slow worker
#
# The worker makes a batch in the time in which the GPU would use many.
#
# - name: loader_with_one_worker
# - needs: torch
# - verdict: cpu_bound
# - cause: data_loading
# - finds: data-loader-starved
# %% setup
steps = 40
loader = DataLoader(Pictures(steps), batch_size=None, num_workers=1, persistent_workers=True)
quick = DataLoader(Pictures(steps), batch_size=None, num_workers=8, persistent_workers=True)
# %% planted
for picture in loader:  # <- here
    answer = picture.cuda().view(512, 512) @ weights
torch.cuda.synchronize()
# %% repaired
for picture in quick:
    answer = picture.cuda().view(512, 512) @ weights
torch.cuda.synchronize()
# %% teardown
del loader, quick
