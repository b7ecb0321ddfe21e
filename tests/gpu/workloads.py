"""Cells of GPU work, each deterministic in the operations that it launches once it is warm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """One cell.

    Attributes:
        name: A short word for test ids.
        module: The framework that must be installed.
        setup: Run once, unprofiled.
        cell: The profiled cell; run once before, to be warm.
    """

    name: str
    module: str
    setup: str
    cell: str


WORKLOADS = (
    Workload(
        "torch_adds",
        "torch",
        "import torch\nx = torch.ones(64, 64, device='cuda')",
        "for step in range(2000):\n    y = torch.add(x, 1)\n",
    ),
    Workload(
        "torch_item",
        "torch",
        "import torch\nx = torch.ones(64, 64, device='cuda')",
        "total = 0.0\nfor step in range(300):\n    y = x * step\n    total += y.sum().item()\n",
    ),
    Workload(
        "torch_copies",
        "torch",
        "import torch\nhost = torch.ones(1 << 22)\npinned = host.pin_memory()\nd = torch.empty(1 << 22, device='cuda')",
        "for step in range(20):\n    d.copy_(host)\n    d.copy_(pinned, non_blocking=True)\n    back = d.cpu()\n",
    ),
    Workload(
        "torch_matmul",
        "torch",
        "import torch\na = torch.randn(8192, 8192, device='cuda', dtype=torch.bfloat16)",
        "for step in range(40):\n    b = a @ a\ntorch.cuda.synchronize()\n",
    ),
    Workload(
        "torch_backward",
        "torch",
        "import torch\nmodel = torch.nn.Sequential("
        "torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512)).cuda()\n"
        "x = torch.randn(64, 512, device='cuda')\nopt = torch.optim.SGD(model.parameters(), lr=0.01)",
        "for step in range(20):\n    opt.zero_grad(set_to_none=False)\n    loss = model(x).square().mean()\n"
        "    loss.backward()\n    opt.step()\ntorch.cuda.synchronize()\n",
    ),
    Workload(
        "torch_graph",
        "torch",
        "import torch\nx = torch.ones(64, 64, device='cuda')\ng = torch.cuda.CUDAGraph()\n"
        "with torch.cuda.graph(g):\n    y = x\n    for _ in range(10):\n        y = y + 1",
        "for step in range(100):\n    g.replay()\ntorch.cuda.synchronize()\n",
    ),
    Workload(
        "torch_streams",
        "torch",
        "import torch\nx = torch.randn(512, 512, device='cuda')\nside = torch.cuda.Stream()",
        "for step in range(50):\n    y = x @ x\n    event = torch.cuda.Event()\n    event.record()\n"
        "    with torch.cuda.stream(side):\n        side.wait_event(event)\n        z = y + 1\n"
        "torch.cuda.synchronize()\n",
    ),
    Workload(
        "torch_loader",
        "torch",
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = TensorDataset(torch.randn(512, 128))\n"
        "loader = DataLoader(data, batch_size=32, num_workers=2, persistent_workers=True)\n"
        "w = torch.randn(128, 128, device='cuda')",
        "for (batch,) in loader:\n    out = batch.to('cuda') @ w\ntorch.cuda.synchronize()\n",
    ),
    Workload(
        "torch_compile",
        "torch",
        "import torch\nx = torch.randn(1024, 1024, device='cuda')\n"
        "@torch.compile\ndef f(x):\n    return torch.sin(x) * 2 + torch.cos(x)",
        "for step in range(50):\n    y = f(x)\ntorch.cuda.synchronize()\n",
    ),
    Workload(
        "cupy_chain",
        "cupy",
        "import cupy\nx = cupy.ones((512, 512), dtype=cupy.float32)",
        "for step in range(100):\n    y = cupy.sqrt(x * 2 + 1)\ncupy.cuda.Device().synchronize()\n",
    ),
    Workload(
        "jax_loop",
        "jax",
        "import os\nos.environ['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'\nimport jax, jax.numpy as jnp\n"
        "x = jnp.ones((512, 512))\nf = jax.jit(lambda x: jnp.tanh(x @ x) + 1)",
        "for step in range(50):\n    y = f(x)\ny.block_until_ready()\n",
    ),
)
