"""The options of `%%inferscope` that are settings. Code generated from sidecar/internal/config; DO NOT EDIT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Setting:
    """One setting that an option sets.

    Attributes:
        name: What the sidecar calls it.
        option: The long option without its dashes.
        short: The short option's letter; may be empty.
        kind: The type of its values.
        wants: What a value may be, for the sentence about a wrong one.
        low: The lowest number that is allowed.
        high: The highest.
        choices: The only texts that are allowed.
        default: The value unless a file, a variable or the option says otherwise, as text.
        help: Half a sentence for the help.
    """

    name: str
    option: str
    short: str
    kind: Literal["bool", "int", "float", "choice"]
    wants: str
    low: float
    high: float
    choices: tuple[str, ...]
    default: str
    help: str


# The defaults of the settings that act in this process.
HZ = 199
EBPF = True
GPU = True
FUNCTIONS = False
QUIET = False
LIVE = True
CHANGES = True
MULTI_GPU = "reject"
GPU_BUDGET = 0.05
FULL = False
CUPTI_FINALIZE = True

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="hz",
        option="hz",
        short="",
        kind="int",
        wants="a whole number from 1 to 10000",
        low=1,
        high=10000,
        choices=(),
        default="199",
        help="samples a second of each running thread",
    ),
    Setting(
        name="ebpf",
        option="ebpf",
        short="",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="true",
        help="use the kernel-side collector",
    ),
    Setting(
        name="gpu",
        option="gpu",
        short="",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="true",
        help="use the GPU collectors",
    ),
    Setting(
        name="functions",
        option="functions",
        short="",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="false",
        help="record calls of your own functions exactly",
    ),
    Setting(
        name="quiet",
        option="quiet",
        short="q",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="false",
        help="show no report; inferscope.last() has it",
    ),
    Setting(
        name="live",
        option="live",
        short="",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="true",
        help="show how a long cell goes on while it runs",
    ),
    Setting(
        name="changes",
        option="changes",
        short="",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="true",
        help="say what changed since the cell's run before",
    ),
    Setting(
        name="multi_gpu",
        option="multi-gpu",
        short="",
        kind="choice",
        wants="reject or allow",
        low=0,
        high=0,
        choices=("reject", "allow"),
        default="reject",
        help="what to do with a cell that uses several GPUs",
    ),
    Setting(
        name="gpu_budget",
        option="gpu-budget",
        short="",
        kind="float",
        wants="a number from 0.001 to 1",
        low=0.001,
        high=1,
        choices=(),
        default="0.05",
        help="how much longer the GPU's capture may make the cell, as a share",
    ),
    Setting(
        name="full",
        option="full",
        short="",
        kind="bool",
        wants="true or false",
        low=0,
        high=0,
        choices=(),
        default="false",
        help="capture all GPU work, whatever it costs",
    ),
)
