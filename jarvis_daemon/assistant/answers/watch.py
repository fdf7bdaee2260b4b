"""Questions about how much is done alone: autonomy, approvals that wait, the kill switch, runbooks, messages."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.asked import Asked, question, unread
from jarvis_daemon.assistant.answers.words import (
    ago,
    capital,
    count,
    counted,
    is_are,
    listing,
    moment,
    safe,
    sentences,
)
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import DailyReport, NotifyLog, RunbookList

LEVELS: Final = {
    0: "I observe",
    1: "I alert",
    2: "I recommend",
    3: "I act and report",
    4: "I act silently",
}


@question
async def autonomy_level(asked: Asked) -> Answer:
    state = asked.view.autonomy
    if state is None:
        return Answer(
            "My autonomy level is not known yet", grave=True, ways=("Which level holds I do not know yet",)
        )
    target = str(asked.value("guest") or asked.value("node") or "")
    condition = str(asked.value("condition") or "")
    if target and target in state.targets:
        own = state.targets[target]
        return Answer(
            f"For {asked.view.name(target)} it is L{own}: {LEVELS.get(own, '')}",
            ways=(f"L{own} for {asked.view.name(target)}: {LEVELS.get(own, '')}",),
        )
    if condition and condition in state.conditions:
        own = state.conditions[condition]
        return Answer(
            f"For {safe(condition, 60)} it is L{own}: {LEVELS.get(own, '')}",
            ways=(f"L{own} for {safe(condition, 60)}: {LEVELS.get(own, '')}",),
        )
    less = f"Chosen was L{state.level}: {safe(state.why)}" if state.effective != state.level else ""
    lines = [f"{safe(name, 60)}: L{level}" for name, level in sorted(state.conditions.items())]
    lines += [f"{asked.view.name(name)}: L{level}" for name, level in sorted(state.targets.items())]
    if state.since_at:
        lines.append(f"Set {moment(asked.now, state.since_at)}{' by ' + safe(state.by, 60) if state.by else ''}")
    told = LEVELS.get(state.effective, "")
    kill = (
        "The kill switch is engaged, so for now I act on nothing"
        if asked.view.kill is not None and asked.view.kill.engaged
        else ""
    )
    return Answer(
        sentences([f"L{state.effective}: {told}", less, kill]),
        tuple(lines),
        {"level": state.effective},
        grave=bool(less or kill),
        ways=(
            sentences([f"My autonomy is L{state.effective}, {told}", less, kill]),
            sentences([f"{capital(told)}: L{state.effective}", less, kill]),
        ),
    )


@question
async def waiting_approvals(asked: Asked) -> Answer:
    found = asked.view.approvals
    if not found:
        return Answer(
            "Nothing waits for your approval", ways=("No call waits for your word", "No approval is pending")
        )
    told = listing((safe(a.summary or a.tool) for a in found), 4)
    return Answer(
        f"{counted(len(found), 'call')} {'waits' if len(found) == 1 else 'wait'} for your word: {told}",
        tuple(
            f"`jarvis approve {safe(a.id, 40)}`: {safe(a.summary)} ({a.tier}, asked by {safe(a.asked_by, 60)}, "
            f"{span(a.expires_at - asked.now)} left)"
            for a in found
        ),
        {"approvals": len(found)},
        grave=True,
        tainted=True,
        ways=(f"Waiting for you: {told}",),
    )


@question
async def killswitch_state(asked: Asked) -> Answer:
    state = asked.view.kill
    if state is None:
        return Answer(
            "Whether the kill switch is engaged I cannot read, which counts as engaged: nothing acts",
            grave=True,
            ways=("The kill switch cannot be read, so nothing acts",),
        )
    if not state.engaged:
        return Answer(
            "The kill switch is not engaged", ways=("It is not engaged", "No, the kill switch is released")
        )
    by = f" by {safe(state.by, 60)}" if state.by else ""
    why = f": {safe(state.reason)}" if state.reason else ""
    since = f", since {moment(asked.now, state.since_at).removeprefix('at ')}" if state.since_at else ""
    return Answer(
        sentences(
            [f"The kill switch is engaged{since}{by}{why}", "Nothing acts until `jarvis unkill` releases it"]
        ),
        grave=True,
        ways=(sentences([f"It is engaged{since}{by}{why}, and nothing acts", "`jarvis unkill` releases it"]),),
    )


@question
async def runbooks(asked: Asked) -> Answer:
    try:
        found = (await asked.ask("runbook.list", RunbookList())).runbooks
    except JarvisError as error:
        return unread("Which runbooks there are", error)
    trusted = [r for r in found if r.trusted]
    broken = [r for r in found if r.problem]
    rest = f"{count(len(broken), 'one', 'of them')} cannot be used" if broken else ""
    return Answer(
        sentences(
            [f"{counted(len(found), 'runbook')}, of which {len(trusted)} {is_are(len(trusted))} trusted", rest]
        ),
        tuple(f"{safe(r.name, 60)}: {safe(r.about)}{'' if r.trusted else ' (not trusted)'}" for r in found),
        tainted=True,
        ways=(
            sentences(
                [f"I know {count(len(found), 'runbook')}; {len(trusted)} {is_are(len(trusted))} trusted", rest]
            ),
        ),
    )


@question
async def morning_report(asked: Asked) -> Answer:
    """`jarvis report`, in a few sentences; the whole of it on a screen."""
    try:
        told = await asked.ask("report.daily", DailyReport(hours=24.0))
    except JarvisError as error:
        return unread("The report", error)
    needs = told.sections.get("needs you", [])
    happened = told.sections.get("happened", [])
    head = (
        (
            f"{counted(len(needs), 'matter')} {'wants' if len(needs) == 1 else 'want'} you: "
            f"{listing((safe(line.partition(': `')[0], 200) for line in needs), 3)}"
        )
        if needs
        else "Nothing wants you"
    )
    blind = f"But I do not see the cluster: {asked.view.blind}" if asked.view.blind else ""
    lines = tuple(
        f"{title.capitalize()}: {safe(line, 600)}"
        for title, rows in told.sections.items()
        for line in rows
        if title != "needs you"
    )
    return Answer(
        sentences([head, *(happened[:1]), blind]),
        lines,
        grave=bool(needs or blind),
        tainted=True,
        ways=(sentences([f"My report: {head[:1].lower()}{head[1:]}", *(happened[:1]), blind]),),
    )


@question
async def messages_state(asked: Asked) -> Answer:
    """Whether messages get through."""
    try:
        found = (await asked.ask("notify.log", NotifyLog(limit=200))).messages
    except JarvisError as error:
        return unread("What became of messages", error)
    waits = [message for message in found if message.status == "queued"]
    lost = [message for message in found if message.status == "failed"]
    sent = [message for message in found if message.status == "sent"]
    if not found:
        return Answer("I have sent no messages so far", ways=("No message has been sent so far",))
    last = (
        f"The last one went out {ago(asked.now, max(one.sent_at or 0.0 for one in sent))}"
        if sent
        else "None has gone out"
    )
    parts = [
        f"{counted(len(waits), 'message')} {'waits' if len(waits) == 1 else 'wait'}"
        if waits
        else "No message waits"
    ]
    parts += [f"{counted(len(lost), 'message')} could not be delivered"] if lost else []
    return Answer(
        sentences([*parts, last]),
        tuple(
            f"{safe(one.channel, 60)}: {safe(one.subject)} ({safe(one.held or one.status)})"
            for one in (*lost, *waits)[:10]
        ),
        grave=bool(lost),
        tainted=True,
        ways=(sentences([last, *parts]),),
    )
