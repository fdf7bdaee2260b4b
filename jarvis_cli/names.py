"""From what a person types to one entity; no match names the nearest, several are listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from jarvis_cli.group import nearest
from jarvis_cli.shapes import Entity, guest_key
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.health import State
from jarvis_daemon.protocol.text import clean


def guest(state: State, wanted: str) -> Entity:
    """A guest by vmid or name. Raises ``not_found`` or, for two of one name, ``ambiguous`` with the vmids."""
    found = list(state.get("guests", {}).values())
    by_vmid = [g for g in found if str(g.get("vmid")) == wanted]
    hits = by_vmid or _same_name(found, wanted)
    names = [str(g.get("name")) for g in found if g.get("name")]
    return _one(
        hits, "guest", wanted, names, "jarvis guest list",
        lambda g: f"{g.get('vmid')} ({g.get('kind')} on {g.get('node')})",
    )  # fmt: skip


def node(state: State, wanted: str) -> Entity:
    found = list(state.get("nodes", {}).values())
    names = [str(n.get("name")) for n in found]
    return _one(_same_name(found, wanted), "node", wanted, names, "jarvis node list", lambda n: str(n.get("id")))


def storage(state: State, wanted: str) -> Entity:
    """A storage as ``tank``, or ``pve/local`` where several nodes have one of that name."""
    found = list(state.get("storages", {}).values())
    exact = [s for s in found if wanted in {s.get("id"), str(s.get("id", "")).removeprefix("storage:")}]
    hits = exact or _same_name(found, wanted)
    names = sorted({str(s.get("name")) for s in found})
    return _one(
        hits, "storage", wanted, names, "jarvis storage list",
        lambda s: str(s.get("id", "")).removeprefix("storage:"),
    )  # fmt: skip


def task(tasks: Sequence[Entity], wanted: str) -> Entity:
    """A task by its UPID, a unique part of it, or ``last`` (``tasks`` has the newest first)."""
    newest = sorted(tasks, key=lambda t: -(t.get("started_at") or 0.0))
    if wanted == "last" and newest:
        return newest[0]
    hits = [t for t in newest if t.get("id") == wanted] or [t for t in newest if wanted in str(t.get("id"))]
    kinds = sorted({str(t.get("type")) for t in newest})
    return _one(hits, "task", wanted, kinds, "jarvis task list -o jsonl", lambda t: str(t.get("id")))


def incident(incidents: Iterable[Entity], wanted: str) -> Entity:
    found = list(incidents)
    wanted = wanted.lstrip("#")
    hits = [i for i in found if str(i.get("id")) == wanted]
    if not hits:  # an open one may be named by its target or condition
        hits = [
            i for i in found
            if i.get("status") == "open" and wanted in {i.get("target"), _bare(i.get("target")), i.get("condition")}
        ]  # fmt: skip
    known = [_bare(i.get("target")) for i in found if i.get("status") == "open"]
    return _one(hits, "incident", wanted, known, "jarvis incident list --all", lambda i: str(i.get("id")))


def target(state: State, wanted: str, *, kind: str = "") -> str:
    """The entity id of what a person names: an id (``service:Home/smbd``) as it is, else a guest by vmid or name, a
    node or a storage; ``HOST/NAME`` where the ``kind`` of it is known. Raises ``not_found`` with the nearest names,
    ``ambiguous`` with the ids."""
    if re.fullmatch("[a-z]+:.+", wanted):
        return wanted
    guests, nodes = list(state.get("guests", {}).values()), list(state.get("nodes", {}).values())
    storages = list(state.get("storages", {}).values())
    hits = [g for g in guests if str(g.get("vmid")) == wanted] or _same_name([*guests, *nodes], wanted)
    if not hits:
        exact = [s for s in storages if str(s.get("id", "")).removeprefix("storage:") == wanted]
        hits = exact or _same_name(storages, wanted)
    if len(hits) == 1:
        return str(hits[0]["id"])
    if not hits and kind and re.fullmatch("[^/]+/[^/]+", wanted):
        return f"{kind}:{wanted}"
    shown = clean(wanted, limit=60)
    if hits:
        raise JarvisError(
            "ambiguous", f"{len(hits)} targets are meant by {shown!r}",
            why=", ".join(str(entity["id"]) for entity in hits[:8]),
            next="Name one of them by that id.",
        )  # fmt: skip
    near = nearest(wanted, sorted({str(e.get("name")) for e in (*guests, *nodes, *storages) if e.get("name")}))
    why = f"did you mean {' or '.join(clean(name) for name in near)}?" if near else ""
    hint = f"service:{shown} or container:{shown}" if "/" in wanted else "service:NODE/UNIT or container:HOST/NAME"
    raise JarvisError(
        "not_found", f"There is no target {shown!r}", why=why,
        next=f"A guest, node or storage by its name; what runs on one as {hint}.",
    )  # fmt: skip


def _bare(entity_id: object) -> str:
    return str(entity_id or "").partition(":")[2] or str(entity_id or "")


def _same_name(found: Iterable[Entity], wanted: str) -> list[Entity]:
    found = list(found)
    exact = [e for e in found if e.get("name") == wanted]
    return exact or [e for e in found if str(e.get("name", "")).lower() == wanted.lower()]


def _one(
    hits: list[Entity], kind: str, wanted: str, known: Sequence[str], listing: str, label: Callable[[Entity], str],
) -> Entity:  # fmt: skip
    if len(hits) == 1:
        return hits[0]
    shown = clean(wanted, limit=60)
    if not hits:
        near = nearest(wanted, known)
        why = f"did you mean {' or '.join(clean(name) for name in near)}?" if near else ""
        if not known:
            why = f"no {kind} is known"
        raise JarvisError("not_found", f"There is no {kind} {shown!r}", why=why, next=f"`{listing}` shows all.")
    labels = [label(hit) for hit in hits]
    listed = ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
    raise JarvisError(
        "ambiguous", f"{len(hits)} {kind}s are meant by {shown!r}", why=listed,
        next=f"Name one of them, as `{listing.split(' -')[0].rsplit(' ', 1)[0]} show {labels[0].split(' ')[0]}`.",
    )  # fmt: skip


def on_node(entities: Iterable[Entity], name: str) -> list[Entity]:
    return sorted((e for e in entities if e.get("node") == name), key=guest_key)
