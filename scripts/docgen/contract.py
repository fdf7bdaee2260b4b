"""docs/contract.md: the contract as a page to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from jarvis_daemon.protocol import messages, state
from jarvis_daemon.protocol.errors import ERRORS, EXIT_CODES
from scripts.docgen.source import cell, class_doc, field_docs, field_types

INTRODUCTION = """\
# The contract

Written by `scripts/generate-contract` from `jarvis_daemon/protocol`: change the code, not this page.
The same as a JSON Schema: [protocol.schema.json](protocol.schema.json).

The daemon listens on a unix socket for WebSocket connections without compression; frames hold one JSON-RPC 2.0
message each, as text. A frame to the daemon is at most {to_daemon} MiB, one to a client at most {to_client} MiB.
Binary frames begin with a stream's number (unsigned 32 bit, big endian). Unknown fields are ignored, missing ones
take their default, so an older and a newer version can talk. This daemon speaks protocol {versions}.

A session begins with `hello` within {hello:g} s. Then a client subscribes: each state topic answers with a
`snapshot` and goes on with `delta`s, each event topic with its past and then new `event`s.

* **Ids** look like `node:pve`, `guest:104`, `storage:pve/local`, `storage:externalhdd` (shared). A task's id is its
  UPID.
* **Times** are float Unix seconds and end in `_at`; uptime travels as `started_at`. Clients age facts by the
  daemon's clock, which `welcome.now` tells.
* **null is "not known"**, never zero.
* **Age** is told per source: an entity's `source` names an entry of `sources`; its own `freshness` is set only
  where it deviates.
* **Resume**: with the same `boot_id` and a `since` within the last {ring} deltas only what is newer is sent;
  events are resumed by number, across restarts of the daemon too.
* **Back-pressure**: deltas merge (the latest value wins); events queue, at most {queue:,}, then comes `lagged`
  and the client asks again.
* Fields marked *number* below may be delayed by `max_hz`; everything else is sent at once.
""".format(
    to_daemon=messages.MAX_FRAME_TO_DAEMON >> 20,
    to_client=messages.MAX_FRAME_TO_CLIENT >> 20,
    versions=" to ".join(str(n) for n in sorted({messages.PROTOCOL_MIN, messages.PROTOCOL_MAX})),
    hello=messages.HELLO_TIMEOUT_S,
    ring=messages.DELTA_RING,
    queue=messages.EVENT_QUEUE_MAX,
)


def render() -> str:
    """The page as Markdown."""
    return "\n".join([INTRODUCTION, *_calls(), *_notifications(), *_topics(), *_names(), *_errors()])


def _calls() -> Iterator[str]:
    yield "## Calls\n"
    for method, (params, result) in messages.CALLS.items():
        yield f"### `{method}`\n"
        if doc := class_doc(params):
            yield f"{doc}\n"
        yield from _fields("Parameters", params)
        if result is None:
            yield "Result: plain JSON.\n"
        elif result is messages.Ok:
            yield 'Result: `{"ok": true}`.\n'
        else:
            if doc := class_doc(result):
                yield f"Result: {doc}\n"
            yield from _fields("Result", result)


def _notifications() -> Iterator[str]:
    yield "## Notifications\n"
    for method, params in messages.NOTIFICATIONS.items():
        yield f"### `{method}`\n"
        if doc := class_doc(params):
            yield f"{doc}\n"
        yield from _fields("Parameters", params)


def _topics() -> Iterator[str]:
    yield "## State topics\n"
    yield f"Topics: {_codes(state.STATE_TOPICS)}. A topic holds collections of entities by id.\n"
    for name, (topic, kind) in state.COLLECTIONS.items():
        yield f"### `{topic}` / `{name}`: {kind.__name__}\n"
        if doc := class_doc(kind):
            yield f"{doc}\n"
        yield from _fields("Field", kind)
    yield "## Event topics\n"
    yield f"Topics: {_codes(state.EVENT_TOPICS)}.\n"
    yield f"{class_doc(state.FeedEvent)}\n"
    yield from _fields("Field", state.FeedEvent)


def _names() -> Iterator[str]:
    yield "## Named values\n"
    yield "| type | one of |\n|---|---|"
    for module in (messages, state):
        for name, value in vars(module).items():
            if get_origin(value) is Literal:
                yield f"| `{name}` | {_codes(get_args(value))} |"
    yield ""


def _codes(words: Iterable[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _fields(heading: str, struct: type[msgspec.Struct]) -> Iterator[str]:
    fields = msgspec.structs.fields(struct)
    if not fields:
        return
    docs: dict[str, str] = {}
    types: dict[str, str] = {}
    for base in reversed(struct.__mro__[: struct.__mro__.index(msgspec.Struct)]):
        docs |= field_docs(base)
        types |= field_types(base)
    metrics: frozenset[str] = getattr(struct, "METRICS", frozenset())
    yield f"| {heading} | type | default | |\n|---|---|---|---|"
    for field in fields:
        note = "*number*. " if field.name in metrics else ""
        yield (
            f"| `{field.encode_name}` | {cell(f'`{types[field.name]}`')} | {_default(field)} "
            f"| {cell(note + docs.get(field.name, ''))} |"
        )
    yield ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return f"`{_json(field.default)}`"
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
        return f"`{_json(value)}`" if not isinstance(value, msgspec.Struct) else ""
    return "required"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield (
        "An error has a `message` (what happened), a number, and in `data` a stable `code`, `why` and `next` (the "
        "next step).\n"
    )
    yield "| code | number | exit code of the CLI | next step where none is told |\n|---|---|---|---|"
    for code, row in ERRORS.items():
        yield f"| `{code}` | {row.number} | {row.exit_code} | {cell(row.next)} |"
    yield "\n## Exit codes of the CLI\n"
    yield "| code | meaning |\n|---|---|"
    for number, meaning in EXIT_CODES.items():
        yield f"| {number} | {cell(meaning)} |"
    yield ""
