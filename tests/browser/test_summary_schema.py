"""Every summary is valid against the schema that the project publishes."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).parents[2] / "report" / "summary"
SCHEMA = json.loads((SCHEMAS / "schema.json").read_text())
COMPARISON = json.loads((SCHEMAS / "compare.schema.json").read_text())


def test_the_schemas_are_schemas() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator.check_schema(COMPARISON)


def test_the_idle_time_of_a_device_is_all_caused(samples: Path) -> None:
    document = json.loads((samples / "gpu_sync.json").read_text())
    idle, device = document["idle"], document["devices"][0]
    assert sum(cause["ns"] for cause in idle["causes"]) == idle["total_ns"] == device["cell_idle_ns"]
    assert [k for k in ("energy_j", "gpm", "pcie_sent_bytes") if k not in device["sensors"]] == []


def test_every_summary_is_valid(samples: Path) -> None:
    comparisons = set(samples.glob("compare_*.json"))
    summaries = set(samples.glob("*.json")) - comparisons
    assert len(summaries) >= 9
    assert len(comparisons) >= 9
    for schema, paths in ((SCHEMA, summaries), (COMPARISON, comparisons)):
        validator = jsonschema.Draft202012Validator(schema)
        problems = [
            f"{path.name}: {e.json_path}: {e.message}"
            for path in sorted(paths)
            for e in validator.iter_errors(json.loads(path.read_text()))
        ]
        assert problems == []


@pytest.mark.parametrize(
    "path",
    [
        ("wall_ns",),
        ("verdict", "class"),
        ("host", "states", "blocked_ns", "gil"),
        ("overhead",),
        ("devices", 0, "cell_idle_ns"),
        ("devices", 0, "sensors", "gpm", "tensor_active"),
        ("idle", "total_ns"),
    ],
)
def test_a_missing_key_is_refused(samples: Path, path: tuple[str | int, ...]) -> None:
    document = json.loads((samples / "gpu_sync.json").read_text())
    broken = copy.deepcopy(document)
    at = broken
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)
