"""docs/protocol.schema.json: a JSON Schema of every struct that travels."""

from __future__ import annotations

import json

import msgspec

from jarvis_daemon.protocol.errors import ERRORS
from jarvis_daemon.protocol.messages import CALLS, NOTIFICATIONS, PROTOCOL_MAX, PROTOCOL_MIN
from jarvis_daemon.protocol.state import COLLECTIONS


def render() -> str:
    """The schema as text: ``calls`` and ``notifications`` by method, ``collections`` by name, all by reference."""
    structs: list[type[msgspec.Struct]] = [kind for pair in CALLS.values() for kind in pair if kind is not None]
    structs += [*NOTIFICATIONS.values(), *(kind for _, kind in COLLECTIONS.values())]
    structs = list(dict.fromkeys(structs))
    references, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    by_struct = dict(zip(structs, references, strict=True))
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Jarvis contract",
        "x-protocol": [PROTOCOL_MIN, PROTOCOL_MAX],
        "x-calls": {
            method: {"params": by_struct[params], "result": by_struct[result] if result else {}}
            for method, (params, result) in CALLS.items()
        },
        "x-notifications": {method: by_struct[params] for method, params in NOTIFICATIONS.items()},
        "x-collections": {
            name: {"topic": topic, "entity": by_struct[kind]} for name, (topic, kind) in COLLECTIONS.items()
        },
        "x-errors": {code: row.number for code, row in ERRORS.items()},
        "$defs": dict(sorted(components.items())),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
