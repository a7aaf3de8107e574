"""What the documentation says, against the schemas."""

import json
from pathlib import Path

import jsonschema
import pytest

DOCS = Path(__file__).resolve().parents[4] / "docs"
SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text()) for path in (DOCS / "exec-protocol").glob("*.json")}
LINES = [
    json.loads(line.split("> ", 1)[1])
    for line in (DOCS / "exec-protocol.md").read_text().splitlines()
    if line.startswith(("program> ", "worker> "))
]


def valid(line):
    schema = SCHEMAS[line["type"]]
    return jsonschema.Draft202012Validator(schema).is_valid(line)


def test_every_line_has_a_schema_and_an_example():
    assert {line["type"] for line in LINES} == set(SCHEMAS)
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["type"])
def test_the_examples_are_valid(line):
    assert valid(line)


@pytest.mark.parametrize(
    ("change", "why"),
    [({"val_acc": 101}, "no percentage"), ({"val_acc": "NaN"}, "NaN"), ({"epoch": 0}, "before any training"),
     ({"checkpoint": ""}, "no name"), ({"train_loss": "much"}, "no number")],
)  # fmt: skip
def test_bad_observations_are_not(change, why):
    good = next(line for line in LINES if line["type"] == "observation")
    assert not valid({**good, **change}), why
