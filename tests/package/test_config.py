"""`inferscope config` through the Python entry, and the schema of the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest


def config(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inferscope", "config", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "XDG_CONFIG_HOME": str(cwd / "home"), **environment},
    )


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {setting["name"]: setting for setting in json.loads(done.stdout)["settings"]}


def write(cwd: Path, text: str) -> Path:
    path = cwd / "home" / "inferscope" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_show_tells_where_values_come_from(tmp_path: Path) -> None:
    path = write(tmp_path, "hz = 101\n[history]\nbytes = '5 MiB'\n")
    done = config("show", "--format", "json", cwd=tmp_path, INFERSCOPE_QUIET="yes")
    assert (done.returncode, done.stderr) == (0, "")
    found = shown(done)
    assert found["hz"]["value"] == 101
    assert found["hz"]["origin"] == {"kind": "user file", "where": f"{path}, line 1"}
    assert (found["history.bytes"]["value"], found["history.bytes"]["text"]) == (5 << 20, "5 MiB")
    assert found["quiet"]["origin"] == {"kind": "environment", "where": "INFERSCOPE_QUIET"}
    assert found["ebpf"]["origin"] == {"kind": "default", "where": ""}
    table = config("show", cwd=tmp_path, INFERSCOPE_QUIET="yes").stdout
    assert any(line.split() == ["quiet", "true", "INFERSCOPE_QUIET"] for line in table.splitlines())


def test_what_is_wrong_exits_with_two(tmp_path: Path) -> None:
    path = write(tmp_path, "hz = 101\nhzz = 5\n")
    done = config("show", "--format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f'inferscope: {path}, line 2: there is no setting "hzz"\nhint: did you mean hz?\n'
    assert shown(done)["hz"]["value"] == 101


def test_path_is_where_the_file_is_read_from(tmp_path: Path) -> None:
    assert config("path", cwd=tmp_path).stdout == f"{write(tmp_path, '')}\n"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = config("schema", cwd=tmp_path_factory.mktemp("schema"))
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_schema_is_a_schema_that_its_defaults_fulfil(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)

    def defaults(table: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for key, one in table["properties"].items():
            if "properties" in one:
                found[key] = defaults(one)
            elif "default" in one:
                found[key] = one["default"]
        return found

    jsonschema.validate(defaults(schema), schema)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hz = 5",
        "hz = 0",
        "hz = 'x'",
        "hzz = 5",
        "quiet = true",
        "quiet = 1",
        "gpu_budget = 1",
        "gpu_budget = 1.5",
        "multi_gpu = 'allow'",
        "multi_gpu = 'alow'",
        "idle_exit = 0.5",
        "idle_exit = '1h30m'",
        "idle_exit = 'soon'",
        "idle_exit = -1",
        "history.runs = 3",
        "history.run = 3",
        "history = 3",
        "history.bytes = '1.5 GiB'",
        "history.bytes = '5 parsecs'",
        "history.bytes = 1000",
        "history.path = '~/runs'",
        "history.path = ''",
    ],
)
def test_the_schema_and_the_command_agree(schema: dict[str, Any], tmp_path: Path, text: str) -> None:
    import tomllib  # not in the oldest Python, on which these tests do not run

    write(tmp_path, text + "\n")
    valid = jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(text))
    assert config("show", cwd=tmp_path).returncode == (0 if valid else 2)


def test_rules_are_listed(tmp_path: Path) -> None:
    rule = "[[rules]]\nname = 'mine'\nwhen = '''\nwall_ns >\n  5'''\nadvice = 'Do.'\n"
    path = write(tmp_path, rule)
    found = json.loads(config("show", "--format", "json", cwd=tmp_path).stdout)["rules"]
    origin = {"kind": "user file", "where": f"{path}, line 1"}
    assert found == [
        {"name": "mine", "when": "wall_ns > 5", "severity": "low", "title": "", "advice": "Do.", "origin": origin}
    ]
    table = config("show", cwd=tmp_path).stdout.splitlines()
    assert any(line.split()[:3] == ["mine", "low", "wall_ns"] and line.endswith("line 1") for line in table)
    schema = json.loads(config("schema", cwd=tmp_path).stdout)
    jsonschema.validate({"rules": [{"name": "mine", "when": "true", "advice": "Do."}]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"rules": [{"name": "mine", "when": "true"}]}, schema)


def test_a_rule_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "[[rules]]\nname = 'mine'\nwhen = 'wall_ms > 5'\nadvice = 'Do.'\n")
    done = config("show", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f'inferscope: {path}, line 1: rule "mine": unknown name wall_ms (column 1)\n'
