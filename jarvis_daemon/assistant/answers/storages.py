"""Questions about storages: how full, how much is left, which one."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.nodes import missing, unseen
from jarvis_daemon.assistant.answers.view import View, gravest
from jarvis_daemon.assistant.answers.words import count, is_are, listing, percent, safe, sentences, size
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import MetricsHistory
from jarvis_daemon.protocol.state import Storage

DAY_S = 86400.0
GROWN = 0.005
"""A change of less (share of its size) is none to speak of."""


def named(storage: Storage) -> str:
    """``tank on pve``; a shared one has no node."""
    return f"{safe(storage.name, 80)} on {safe(storage.node, 80)}" if storage.node else safe(storage.name, 80)


def share(storage: Storage) -> float | None:
    """Of its size in use, 0..1; None where it is not known, also of one that is not there now."""
    if storage.used_bytes is None or not storage.total_bytes:
        return None
    return storage.used_bytes / storage.total_bytes


def known_now(view: View, storage: Storage) -> bool:
    """Its size is of now: it is available, and what tells of it is fresh."""
    if storage.status != "available" or share(storage) is None or not view.fresh(storage):
        return False
    node = view.node(storage.node) if storage.node else None
    return node is None or (node.status == "online" and view.fresh(node))


def why_not(view: View, storage: Storage) -> str:
    node = view.node(storage.node) if storage.node else None
    if node is not None and node.status != "online":
        return f"{safe(node.name, 80)} is {node.status}"
    if storage.status != "available":
        return f"it is {'not available' if storage.status == 'inactive' else 'in an unknown state'}"
    old = view.old(storage)
    return old or "its size is not told"


@question
async def storage_usage(asked: Asked) -> Answer:
    found = asked.view.storage(asked.value("storage"))
    node = asked.view.node(asked.value("node")) if asked.value("node") is not None else None
    if node is not None:
        found = [s for s in found if node.name in {s.node, *s.nodes}]
    if not found:
        return unseen(asked, f"how full {asked.said('storage')} is") or missing(asked, "storage")
    if len(found) > 1:
        return _several(asked, found)
    storage, view = found[0], asked.view
    name, ill, facts = named(storage), view.about(storage.id), {"storage": storage.id}
    part = share(storage)
    if not known_now(view, storage) or part is None:
        last = f" When it was last seen it was {percent(part)} full" if part is not None else ""
        why = why_not(view, storage)
        return Answer(
            sentences([f"How full {name} is I do not know now: {why}", last]),
            facts=facts,
            grave=True,
            ways=(sentences([f"{name} tells nothing now: {why}", last]),),
        )
    free = (storage.total_bytes or 0) - (storage.used_bytes or 0)
    text = f"{name} is {percent(part)} full, with {size(free)} of {size(storage.total_bytes)} left"
    lines = [f"{storage.type or 'storage'}{', shared by ' + listing(storage.nodes) if storage.shared else ''}"]
    lines += await _growth(asked, storage, part)
    lines += [f"{safe(i.title)}: `jarvis incident show {i.id}`" for i in ill]
    return Answer(
        text,
        tuple(lines),
        facts,
        grave=gravest(ill),
        ways=(
            (
                f"{size(free)} {'are' if free >= 2 else 'is'} left on {name}: it is {percent(part)} "
                f"full, of {size(storage.total_bytes)}"
            ),
            f"{name}: {percent(part)} full, {size(free)} of {size(storage.total_bytes)} left",
        ),
        asides=("Room for a great many holiday pictures{sir}.",) if part < 0.3 and not ill else (),
    )


async def _growth(asked: Asked, storage: Storage, now: float) -> list[str]:
    """One line of how it has changed; nothing where no history is kept."""
    try:
        asking = MetricsHistory(ids=[storage.id], metrics=["used"], span_s=7 * DAY_S, points=168)
        told = await asked.ask("metrics.history", asking)
    except JarvisError:
        return []
    series = told.series.get(storage.id, {}).get("used")
    values = (
        []
        if series is None
        else [(series.start_at + i * series.step_s, v) for i, v in enumerate(series.values) if v is not None]
    )
    if not values or asked.now - values[0][0] < DAY_S:
        return []
    first_at, before = values[0]
    days, points = (asked.now - first_at) / DAY_S, 100 * (now - before)
    if abs(now - before) < GROWN:
        return [f"Unchanged over {days:.0f} d"]
    return [f"{points:+.1f} points over {days:.0f} d"]


def _several(asked: Asked, found: list[Storage]) -> Answer:
    told, silent = [], []
    for storage in found:
        part = share(storage)
        if known_now(asked.view, storage) and part is not None:
            told.append(f"{percent(part)} on {safe(storage.node, 80)}")
        else:
            silent.append(f"{safe(storage.node, 80)} ({why_not(asked.view, storage)})")
    name = safe(found[0].name, 80)
    head = f"{count(len(found), 'storage')} {is_are(len(found))} called {name}"
    rest = f"not known of {listing(silent)}" if silent else ""
    full = f"they are full by {listing(told)}" if told else ""
    return Answer(
        f"{head}: {'; '.join(part for part in [full, rest] if part)}",
        facts={"storage": name},
        grave=bool(silent),
        ways=(f"There are {len(found)} of the name {name}: {'; '.join(part for part in [full, rest] if part)}",),
    )


def _ranked(asked: Asked) -> tuple[list[tuple[Storage, float]], list[Storage]]:
    """Those that are known now, the fullest first; and the others."""
    rows = [(s, part) for s in asked.view.storages if known_now(asked.view, s) and (part := share(s)) is not None]
    known = {s.id for s, _ in rows}
    return sorted(rows, key=lambda one: -one[1]), [s for s in asked.view.storages if s.id not in known]


@question
async def fullest_storage(asked: Asked) -> Answer:
    return _extreme(asked, "fullest", 0)


@question
async def emptiest_storage(asked: Asked) -> Answer:
    return _extreme(asked, "emptiest", -1)


def _extreme(asked: Asked, word: str, index: int) -> Answer:
    if not asked.view.storages:
        return unseen(asked, f"which storage is the {word}") or Answer("I know of no storage", plain=True)
    rows, silent = _ranked(asked)
    rest = f"; of {listing((named(s) for s in silent), 4)} nothing of now is known" if silent else ""
    if not rows:
        return Answer(
            f"Which storage is the {word} I do not know: none tells its size now",
            grave=True,
            ways=(f"No storage tells its size now, so the {word} is not known",),
        )
    storage, part = rows[index]
    free = (storage.total_bytes or 0) - (storage.used_bytes or 0)
    ill = asked.view.about(storage.id)
    return Answer(
        f"{named(storage)} is the {word}, {percent(part)} full, with {size(free)} left{rest}",
        tuple(f"{named(s)}: {percent(p)} full" for s, p in (rows if index == 0 else rows[::-1])[1:5]),
        {"storage": storage.id, "share": part},
        grave=gravest(ill),
        ways=(
            f"The {word} storage is {named(storage)}: {percent(part)} full, {size(free)} left{rest}",
            f"That would be {named(storage)}, {percent(part)} full and {size(free)} left{rest}",
        ),
    )


@question
async def storages_all(asked: Asked) -> Answer:
    if not asked.view.storages:
        return unseen(asked, "how full the storages are") or Answer("I know of no storage", plain=True)
    rows, silent = _ranked(asked)
    told = listing((f"{named(s)} {percent(p)}" for s, p in rows), 6)
    rest = f"; of {listing((named(s) for s in silent), 4)} nothing of now is known" if silent else ""
    if not rows:
        return Answer(
            f"No storage tells its size now{rest}", grave=True, ways=("How full the storages are is not known now",)
        )
    ill = [i for i in asked.view.incidents if i.condition == "storage-high"]
    return Answer(
        f"The storages are full by: {told}{rest}",
        tuple(f"{named(s)}: {size(s.used_bytes)} of {size(s.total_bytes)}, {percent(p)}" for s, p in rows),
        {"count": len(rows)},
        grave=gravest(ill) or bool(silent),
        ways=(f"In use: {told}{rest}",),
    )
