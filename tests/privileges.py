"""What a test needs of the machine and of the user who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def need_ebpf() -> None:
    """Skip where the kernel or the privileges for eBPF are absent, and nowhere else."""
    if os.geteuid() != 0:
        pytest.skip("eBPF needs root or capabilities; this user has none")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("this kernel has no BTF")
