# %% [markdown]
# # CuPy and JAX
#
# JAX would take most of the GPU's memory at its first use.
# %% shared
import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# %% [markdown]
# ## 22. A chain of small CuPy operations
#
# Each operation is a kernel of its own on a small array.
#
# - name: cupy_chain
# - needs: cupy
# - verdict: cpu_bound
# - cause: framework
# - finds: launch-bound-small-kernels
# %% setup
import cupy

values = cupy.ones(1024, dtype=cupy.float32)


@cupy.fuse()
def fused(x):
    return cupy.sqrt(x * 2 + 1)


steps = 40
# %% planted
for step in range(steps):
    for part in range(1000):
        answer = cupy.sqrt(values * 2 + 1)  # <- here
cupy.cuda.Device().synchronize()
# %% repaired
for step in range(steps):
    for part in range(1000):
        answer = fused(values)
cupy.cuda.Device().synchronize()
# %% [markdown]
# ## 23. JAX without jit
#
# - name: jax_without_jit
# - needs: jax
# - verdict: cpu_bound
# - cause: framework
# - finds: launch-bound-small-kernels
# %% setup
import jax
import jax.numpy as jnp

weights = jnp.ones((128, 128)) / 128
inputs = jnp.ones((128, 128))
compiled = jax.jit(lambda x: jnp.tanh(x @ weights + 1))
steps = 50
# %% planted
answer = inputs
for step in range(steps):
    for part in range(200):
        answer = jnp.tanh(answer @ weights + 1)  # <- here
answer.block_until_ready()
# %% repaired
answer = inputs
for step in range(steps):
    for part in range(200):
        answer = compiled(answer)
answer.block_until_ready()
# %% [markdown]
# ## 24. A new shape in each step
#
# A function under `jit` is compiled again for each shape that it has not seen.
#
# - name: jax_new_shapes
# - needs: jax
# - verdict: cpu_bound
# - cause: compile
# - finds: compile-in-cell, recompilation
# %% setup
import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def predict(x):
    return jnp.tanh(jnp.sin(x) @ jnp.outer(x, x)).sum()


size = 1000
steps = 15
# %% planted
for step in range(steps):
    size += 1
    answer = predict(np.ones(size, np.float32))  # <- here
answer.block_until_ready()
# %% repaired
for step in range(steps):
    padded = np.zeros(2048, np.float32)
    padded[:size] = 1.0
    answer = predict(padded)
answer.block_until_ready()
