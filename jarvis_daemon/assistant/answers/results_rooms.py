"""Results of reads of the incidents', the remediation's and the notify's room."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.results import (
    ROWS,
    Answer,
    Result,
    ago,
    count,
    counted,
    formatter,
    listing,
    moment,
    safe,
    sentences,
)
from jarvis_daemon.assistant.answers.view import GRAVE


@formatter("get_incidents")
def incidents(result: Result) -> Answer:
    rows, now = result.rows("incidents"), result.view.now
    if not rows:
        if result.args.get("status", "open") == "open" and not result.args.get("severity"):
            return Answer("No incident is open", ways=("None: no incident is open",))
        return Answer("There is no such incident", ways=("No incident fits that",))
    still = [row for row in rows if row.get("status") == "open"]
    told = listing((safe(row.get("title", ""), 120) for row in still or rows), 4)
    head = (
        f"{counted(len(rows), 'incident')}, {len(still)} of them open: {told}"
        if still
        else f"{counted(len(rows), 'incident')}, none of them open: {told}"
    )
    return Answer(
        head,
        tuple(
            (
                f"{row.get('id')} {safe(row.get('severity', ''), 20)}, {ago(now, float(row['opened_at']))}: "
                f"{safe(row.get('title', ''), 160)}"
            )
            for row in rows[:ROWS]
        ),
        grave=any(row.get("severity") in GRAVE for row in still),
        ways=(f"{len(still)} open of {count(len(rows), 'incident')}: {told}",),
    )


@formatter("get_feed")
def feed(result: Result) -> Answer:
    rows, now = result.rows("events"), result.view.now
    if not rows:
        return Answer("The feed is empty", ways=("There is nothing in the feed",))
    last = rows[-1]
    text = safe(last.get("text", ""), 400).rstrip(".")
    return Answer(
        f"The last of {count(len(rows), 'line')}, {ago(now, float(last['at']))}: {text}",
        tuple(f"{moment(now, float(row['at']))}: {safe(row.get('text', ''), 300)}" for row in rows[-ROWS:]),
        grave=last.get("severity") in GRAVE,
        ways=(f"{text}, {ago(now, float(last['at']))}: the last of {count(len(rows), 'line')}",),
    )


@formatter("get_repairs")
def repairs(result: Result) -> Answer:
    rows, now = result.rows("repairs"), result.view.now
    if not rows:
        return Answer(
            "There is no story of a repair from that time", ways=("Nothing was repaired or refused in that time",)
        )
    mended = sum(row.get("status") == "repaired" for row in rows)
    handed = sum(row.get("status") in {"escalated", "failed"} for row in rows)
    rest = f"; {count(handed, 'one', 'of them')} not mended" if handed else ""
    return Answer(
        f"{counted(len(rows), 'story', 'stories')}, {mended} of them mended{rest}",
        tuple(
            f"{moment(now, float(row['seen_at']))}: {safe(row.get('text') or row.get('seen', ''), 300)}"
            for row in rows[:ROWS]
        ),
        grave=bool(handed),
        ways=(f"{mended} mended of {count(len(rows), 'story', 'stories')}{rest}",),
    )


@formatter("list_runbooks")
def runbooks(result: Result) -> Answer:
    rows = result.rows("runbooks")
    trusted = sum(bool(row.get("trusted")) for row in rows)
    broken = [row for row in rows if row.get("problem")]
    rest = f"Not usable: {listing(safe(row.get('name', ''), 60) for row in broken)}" if broken else ""
    return Answer(
        sentences([f"{counted(len(rows), 'runbook')}, {trusted} of them trusted", rest]),
        tuple(f"{safe(row.get('name', ''), 60)}: {safe(row.get('about', ''), 160)}" for row in rows[: 2 * ROWS]),
        grave=bool(broken),
        ways=(
            sentences(
                [f"{trusted} of {count(len(rows), 'runbook')} {'is' if trusted == 1 else 'are'} trusted", rest]
            ),
        ),
    )


@formatter("test_runbook")
def tested(result: Result) -> Answer:
    row = result.data["tested"]
    doing = {
        "act": "it would act",
        "ask": "it would ask you",
        "hold": "it would wait",
        "refuse": "it would refuse",
        "recommend": "it would recommend",
        "report": "it would only look",
        "nothing": "it would do nothing",
    }
    name, target = safe(row.get("runbook", ""), 60), safe(row.get("target_name") or row.get("target", ""), 80)
    word = doing.get(str(row.get("decision")), "what it would do is not clear")
    steps = [safe(one, 200) for one in row.get("steps", [])]
    against = [
        safe(check.get("text", ""), 200)
        for check in (*row.get("when", []), *row.get("checks", []))
        if check.get("verdict") != "pass"
    ]
    why = safe(row.get("text", ""), 300).rstrip(".")
    return Answer(
        sentences(
            [
                f"{name} on {target}: {word}{', ' + why[:1].lower() + why[1:] if why else ''}",
                "Nothing has been touched",
            ]
        ),
        (*(f"step {n}: {one}" for n, one in enumerate(steps, start=1)), *(f"against: {one}" for one in against)),
        grave=True,
        ways=(sentences([f"On {target} {name} was only tried: {word}", "Nothing has been touched"]),),
    )


@formatter("get_notifications")
def notifications(result: Result) -> Answer:
    rows, now = result.rows("messages"), result.view.now
    if not rows:
        return Answer("No message has been sent so far", ways=("There are no messages",))
    waits = sum(row.get("status") == "queued" for row in rows)
    lost = sum(row.get("status") == "failed" for row in rows)
    rest = f", {waits} of them waiting, {lost} not delivered" if waits or lost else ""
    return Answer(
        f"{counted(len(rows), 'message')}{rest}; the newest: {safe(rows[0].get('subject', ''), 160)}",
        tuple(
            (
                f"{moment(now, float(row['created_at']))} {safe(row.get('channel', ''), 40)}: "
                f"{safe(row.get('subject', ''), 120)} ({safe(row.get('status', ''), 20)})"
            )
            for row in rows[:ROWS]
        ),
        grave=bool(lost),
        ways=(f"The newest of {count(len(rows), 'message')}{rest}: {safe(rows[0].get('subject', ''), 160)}",),
    )
