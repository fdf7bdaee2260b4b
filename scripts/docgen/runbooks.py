"""docs/runbook.schema.json: a JSON Schema of one runbook, for editors that check YAML while one types."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.conditions import JUDGES
from jarvis_daemon.remediation.runbook import Choice, Escalate, Runbook, Step, Verify, When
from scripts.docgen.source import field_docs

STRUCTS: Final = (Runbook, Step, Choice, When, Verify, Escalate)
COMPARED: Final = ("is", "one_of", "none_of", "at_least", "at_most", "known")


def render() -> str:
    """The schema as text."""
    (reference,), definitions = msgspec.json.schema_components([Runbook], ref_template="#/$defs/{name}")
    for struct in STRUCTS:
        _describe(definitions[struct.__name__], struct)
    definitions["When"]["oneOf"] = [{"required": [key]} for key in COMPARED]
    definitions["Runbook"]["properties"]["condition"]["examples"] = sorted(JUDGES)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Jarvis runbook",
        **reference,
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _describe(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """The docstrings of the fields, under the names that they have in a file."""
    docs = field_docs(struct)
    for field in msgspec.structs.fields(struct):
        if field.name in docs:
            schema["properties"][field.encode_name]["description"] = docs[field.name]
