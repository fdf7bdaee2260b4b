"""Questions about tasks and backups. Tasks are state; which backups there are is asked of the storages."""

from __future__ import annotations

from typing import Any, Final

from jarvis_daemon.assistant.answers import period as periods
from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question
from jarvis_daemon.assistant.answers.guests import ident, lookup
from jarvis_daemon.assistant.answers.words import (
    DAY_S,
    ago,
    capital,
    count,
    counted,
    is_are,
    listing,
    moment,
    percent,
    safe,
    sentences,
    size,
)
from jarvis_daemon.cluster.conditions.tasks import CONSOLES, WORDS
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Guest, Incident, Task

KEPT_S: Final = DAY_S
"""A task that ended is known for about so long."""
ROWS: Final = 12


def described(asked: Asked, task: Task) -> str:
    """``Backup of plex``, ``Package update on pve``."""
    word = WORDS.get(task.type)
    if task.target.isdigit():
        guest = asked.view.guest(f"guest:{task.target}")
        name = asked.view.called(guest) if guest is not None else f"guest {task.target}"
        return f"{word} of {name}" if word else f"task {safe(task.type, 40)} of {name}"
    return f"{word or 'task ' + safe(task.type, 40)} on {safe(task.node, 80)}"


def _note(asked: Asked) -> str:
    age = asked.view.source_age("tasks")
    return (
        f"The list of tasks was {age}"
        if age.startswith("read")
        else "The list of tasks has not been read"
        if age
        else ""
    )


@question
async def tasks_running(asked: Asked) -> Answer:
    found = [t for t in asked.view.tasks if t.status == "running" and t.type not in CONSOLES]
    note = _note(asked)
    if not found:
        return Answer(
            sentences(["No task runs that I know of", note]) if note else "No task runs",
            grave=bool(note),
            ways=(sentences(["I know of no task that runs", note]),),
            asides=() if note else ("Even the fans are idling{sir}.",),
        )
    rows = [
        (
            f"{described(asked, t)}{', ' + percent(t.progress) if t.progress is not None else ''}, "
            f"for {span(asked.now - t.started_at)}"
        )
        for t in found
    ]
    return Answer(
        sentences(
            [f"{counted(len(found), 'task')} {'runs' if len(found) == 1 else 'run'}: {listing(rows, 4)}", note]
        ),
        tuple(f"{row}, by {safe(t.user, 60)}" for row, t in zip(rows, found, strict=True)),
        {"running": len(found)},
        grave=bool(note),
        tainted=True,
        ways=(sentences([f"{count(len(found), 'task')} under way: {listing(rows, 4)}", note]),),
    )


@question
async def tasks_failed(asked: Asked) -> Answer:
    found = [t for t in asked.view.tasks if t.status == "failed" and t.type not in CONSOLES]
    note = _note(asked)
    if not found:
        return Answer(
            sentences(["No task has failed in the last day", note]),
            grave=bool(note),
            ways=(sentences(["None has failed in the last day", note]),),
        )
    rows = [
        (
            f"{described(asked, t)} {moment(asked.now, t.ended_at or t.started_at)}: "
            f"{safe(t.exit_text or 'no reason given').rstrip('.')}"
        )
        for t in found
    ]
    return Answer(
        sentences([f"{counted(len(found), 'task')} failed in the last day: {listing(rows, 3)}", note]),
        tuple(rows[:ROWS]),
        {"failed": len(found)},
        grave=True,
        tainted=True,
        ways=(sentences([f"Failed in the last day: {listing(rows, 3)}", note]),),
    )


@question
async def last_task(asked: Asked) -> Answer:
    found = [t for t in asked.view.tasks if t.type not in CONSOLES]
    if not found:
        note = _note(asked)
        return Answer(
            sentences(["I know of no task", note]),
            grave=bool(note),
            ways=(sentences(["No task is known to me", note]),),
        )
    task = found[0]
    became = {
        "running": "it runs still",
        "ok": "it ended well",
        "warnings": "it ended with warnings",
        "failed": f"it failed: {safe(task.exit_text or 'no reason given').rstrip('.')}",
        "unknown": "what became of it is not known",
    }[task.status]
    text = (
        f"{capital(described(asked, task))}, {ago(asked.now, task.started_at)}, by {safe(task.user, 60)}; {became}"
    )
    return Answer(
        text,
        grave=task.status == "failed",
        tainted=True,
        lines=tuple(f"{moment(asked.now, t.started_at)}: {described(asked, t)}, {t.status}" for t in found[1:6]),
        ways=(
            (
                f"The last task: {described(asked, task)}, {ago(asked.now, task.started_at)}, "
                f"by {safe(task.user, 60)}; {became}"
            ),
        ),
    )


# --- backups ------------------------------------------------------------------------------------------------


async def _stored(asked: Asked, **args: Any) -> tuple[list[dict[str, Any]], dict[str, str], str]:
    """Backups as the storages tell them now, newest first; storages that could not be read; or why none were."""
    try:
        outcome = await asked.read("get_backups", **args)
    except JarvisError as error:
        return [], {}, error.sentence()
    if outcome.outcome != "done":
        return [], {}, safe(outcome.why or outcome.text).rstrip(".")
    return list(outcome.result.get("backups") or []), dict(outcome.result.get("not_asked") or {}), ""


def _unread(not_asked: dict[str, str]) -> str:
    names = listing(safe(name.removeprefix("storage:"), 80) for name in not_asked)
    return f"{names} could not be read, so what lies there is not known" if not_asked else ""


@question
async def last_backup(asked: Asked) -> Answer:
    guest = lookup(asked, "when it was backed up:")
    if isinstance(guest, Answer):
        return guest
    name, facts = asked.view.called(guest), {"guest": guest.name, "vmid": guest.vmid}
    found, not_asked, why = await _stored(asked, guest=str(guest.vmid), limit=20)
    if why:
        return Answer(
            f"When {name} was last backed up I cannot read: {why}",
            facts=facts,
            grave=True,
            ways=(f"The backups of {name} cannot be read: {why}",),
        )
    rest, failed = _unread(not_asked), _failed(asked, guest)
    good = [b for b in found if b.get("verified") is not False]
    if not good:
        bad = f"{counted(len(found), 'backup')} of it did not pass verification" if found else ""
        head = f"{name} has no backup that I can find" if not found else f"{name} has no good backup"
        return Answer(
            sentences([head, bad, rest, failed]),
            facts=facts,
            grave=True,
            tainted=True,
            ways=(sentences([f"No {'good ' if found else ''}backup of {name} is to be found", bad, rest, failed]),),
        )
    last = good[0]
    at, where = float(last["at"]), safe(last.get("storage", ""), 80)
    old = asked.now - at
    text = f"{name} was last backed up {moment(asked.now, at)}, {span(old)} ago, to {where}"
    lines = tuple(
        f"{moment(asked.now, float(b['at']))}: {size(b.get('size_bytes'))} on {safe(b.get('storage', ''), 80)}"
        for b in found[:6]
    )
    return Answer(
        sentences([text, rest, failed]),
        lines,
        {**facts, "at": at},
        grave=bool(failed or rest) or old > 8 * DAY_S,
        tainted=True,
        ways=(
            sentences(
                [
                    f"{span(old)} ago, {moment(asked.now, at)}: the last backup of {name} lies on {where}",
                    rest,
                    failed,
                ]
            ),
            sentences([f"The last backup of {name} is {span(old)} old and lies on {where}", rest, failed]),
        ),
    )


def _failed(asked: Asked, guest: Guest) -> str:
    found = next((i for i in asked.view.about(guest.id) if i.condition == "backup-failed"), None)
    return f"But {safe(found.title)}, {ago(asked.now, found.opened_at)}" if found is not None else ""


@question
async def without_backup(asked: Asked) -> Answer:
    """Guests of which no good backup is to be found; and by the incidents, those whose backup is too old."""
    found, not_asked, why = await _stored(asked, limit=500)
    if why:
        return Answer(
            f"Which guests have no backup I cannot read: {why}",
            grave=True,
            ways=(f"The backups cannot be read: {why}",),
        )
    if not asked.view.guests:
        return Answer("I know of no guest that could be backed up", grave=True, ways=("No guest is known to me",))
    have = {int(b.get("vmid") or 0) for b in found if b.get("verified") is not False}
    none = [g for g in asked.view.guests if g.vmid not in have]
    rest = _unread(not_asked)
    cut = f"Only the newest {len(found)} backups were looked at" if len(found) >= 500 else ""
    old = [
        asked.view.name(i.target)
        for i in asked.view.incidents
        if i.condition == "backup-missing" and i.evidence.get("last_at")
    ]
    late = f"Too old {is_are(len(old))} the last one{'s' if len(old) > 1 else ''} of {listing(old)}" if old else ""
    if not none:
        return Answer(
            sentences([f"Every guest has a backup: all {len(asked.view.guests)}", late, rest, cut]),
            grave=bool(late or rest),
            ways=(sentences([f"None: each of the {len(asked.view.guests)} guests has a backup", late, rest, cut]),),
            asides=() if late or rest else ("I sleep the better for it{sir}.",),
        )
    told = listing((ident(g) for g in none), 6)
    return Answer(
        sentences(
            [
                (
                    f"{counted(len(none), 'guest')} of {len(asked.view.guests)} "
                    f"{'has' if len(none) == 1 else 'have'} no backup: {told}"
                ),
                late,
                rest,
                cut,
            ]
        ),
        tuple(f"{ident(g)} on {safe(g.node, 80)}: `jarvis guest backup {g.vmid}`" for g in none[:20]),
        {"without": len(none)},
        grave=True,
        tainted=True,
        ways=(
            sentences(
                [
                    (
                        f"{len(none)} of {count(len(asked.view.guests), 'guest')} {is_are(len(none))} "
                        f"without a backup: {told}"
                    ),
                    late,
                    rest,
                    cut,
                ]
            ),
        ),
    )


@question
async def backups_state(asked: Asked) -> Answer:
    """How last night's backups went: by the tasks that are known, and the open incidents."""
    when = periods.lasting(asked.now, KEPT_S)
    runs = [t for t in asked.view.tasks if t.type == "vzdump" and when.holds(t.ended_at or t.started_at)]
    ill = [
        i for i in asked.view.incidents if i.condition in {"backup-failed", "backup-missing", "replication-failed"}
    ]
    going = [t for t in runs if t.status == "running"]
    bad = [t for t in runs if t.status == "failed"]
    good = [t for t in runs if t.status in {"ok", "warnings"}]
    note, faults = _note(asked), _faults(ill)
    if not runs:
        head = "No backup ran in the last day that I know of"
        return Answer(
            sentences([head, faults, note]),
            grave=bool(ill or note),
            tainted=bool(ill),
            ways=(sentences(["I know of no backup in the last day", faults, note]),),
        )
    lost = [t for t in runs if t.status == "unknown"]
    parts = [f"{len(good)} ended well"] if good else []
    parts += [f"{len(bad)} failed ({listing((described(asked, t) for t in bad), 3)})"] if bad else []
    parts += [f"{len(going)} {'runs' if len(going) == 1 else 'run'} still"] if going else []
    parts += [f"of {len(lost)} the end is not known"] if lost else []
    ran = f"{counted(len(runs), 'backup task')} in the last day"
    head = f"{ran}: {', '.join(parts)}"
    return Answer(
        sentences([head, faults, note]),
        tuple(
            f"{moment(asked.now, t.ended_at or t.started_at)}: {described(asked, t)}, {t.status}"
            for t in runs[:ROWS]
        ),
        {"good": len(good), "failed": len(bad)},
        grave=bool(bad or ill or note or lost),
        tainted=True,
        ways=(
            sentences([f"Of {count(len(runs), 'backup task')} of the last day {', '.join(parts)}", faults, note]),
        ),
    )


def _faults(ill: list[Incident]) -> str:
    return (
        (
            f"{counted(len(ill), 'fault')} of backups {is_are(len(ill))} open: "
            f"{listing((safe(i.title) for i in ill), 3)}"
        )
        if ill
        else ""
    )
