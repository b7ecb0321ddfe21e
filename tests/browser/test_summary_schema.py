"""Every summary is valid against the schema that the project publishes."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest

SCHEMA = json.loads((Path(__file__).parents[2] / "report" / "summary" / "schema.json").read_text())


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_summary_is_valid(samples: Path) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    summaries = sorted(samples.glob("*.json"))
    assert len(summaries) >= 9
    for path in summaries:
        problems = [
            f"{path.name}: {e.json_path}: {e.message}" for e in validator.iter_errors(json.loads(path.read_text()))
        ]
        assert problems == []


@pytest.mark.parametrize(
    "path", [("wall_ns",), ("verdict", "class"), ("host", "states", "blocked_ns", "gil"), ("overhead",)]
)
def test_a_missing_key_is_refused(samples: Path, path: tuple[str, ...]) -> None:
    document = json.loads((samples / "typical.json").read_text())
    broken = copy.deepcopy(document)
    at = broken
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)
