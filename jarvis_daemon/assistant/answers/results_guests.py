"""Results of reads about guests, backups and Docker containers."""

from __future__ import annotations

from typing import Any, Final

from jarvis_daemon.assistant.answers.results import (
    ROWS,
    Answer,
    Result,
    Row,
    count,
    counted,
    formatter,
    listing,
    log,
    moment,
    percent,
    safe,
    sentences,
    size,
    unread,
)
from jarvis_daemon.incidents.lines import span

CONFIG_FIRST: Final = ("cores", "memory", "swap", "onboot", "ostype", "net0", "rootfs", "scsi0", "agent", "tags")


def _guest_row(row: Row) -> str:
    told = [
        f"{row.get('vmid')} {safe(row.get('name', ''), 80)}: "
        f"{safe(row.get('status', 'unknown'), 20)} on {safe(row.get('node', ''), 80)}"
    ]
    if row.get("status") == "running" and isinstance(row.get("cpu"), int | float):
        told.append(f"CPU {percent(float(row['cpu']))}")
    return ", ".join(told)


@formatter("get_vms", "get_containers")
def guests(result: Result) -> Answer:
    rows = result.rows("guests")
    word, plural = ("VM", "VMs") if result.tool == "get_vms" else ("container", "containers")
    rows = [row for row in rows if not row.get("template")]
    if not rows:
        return Answer(f"There is no such {word}", ways=(f"No {word} fits that",))
    run = sum(row.get("status") == "running" for row in rows)
    lost = sum(row.get("status") == "unknown" for row in rows)
    names = listing(safe(row.get("name", ""), 80) for row in rows)
    rest = f"; of {lost} nobody can say now" if lost else ""
    return Answer(
        f"{counted(len(rows), word, plural)}, of which {run} {'runs' if run == 1 else 'run'}{rest}: {names}",
        tuple(_guest_row(row) for row in rows[: 2 * ROWS]),
        grave=bool(lost),
        ways=(f"{run} of {count(len(rows), word, plural)} {'runs' if run == 1 else 'run'}{rest}: {names}",),
    )


@formatter("get_guest_config")
def config(result: Result) -> Answer:
    given: dict[str, Any] = dict(result.data["config"])
    order = [key for key in CONFIG_FIRST if key in given]
    rest = sorted(given.keys() - set(order) - {"digest"})
    told = []
    if "cores" in given:
        told.append(f"{safe(given['cores'], 20)} cores")
    if "memory" in given:
        told.append(f"{safe(given['memory'], 20)} MiB of memory")
    if "onboot" in given:
        told.append("starts at boot" if str(given["onboot"]) in {"1", "True"} else "does not start at boot")
    head = f"{result.about()} ({result.word('vmid')}) on {result.word('node')}"
    return Answer(
        f"{head}: {listing(told) or count(len(given), 'setting')}",
        tuple(f"{safe(key, 60)}: {safe(given[key], 300)}" for key in (*order, *rest))[: 2 * ROWS],
        ways=(f"The configuration of {head} says: {listing(told) or count(len(given), 'setting')}",),
    )


@formatter("get_guest_addresses")
def addresses(result: Result) -> Answer:
    if result.data.get("addresses") is None:
        why = result.word("why", "it does not tell")
        return Answer(
            f"The addresses of {result.about()} are not known: {why}",
            ways=(f"{result.about()} tells no addresses: {why}",),
        )
    rows = result.rows("addresses")
    if not rows:
        return Answer(
            f"{result.about()} has no address that others can reach",
            ways=(f"No address of {result.about()} is told",),
        )
    told = listing(safe(row["ip"], 60) for row in rows)
    return Answer(
        f"{result.about()} has {told}",
        tuple(f"{safe(row['interface'], 40)}: {safe(row['ip'], 60)}" for row in rows),
        ways=(f"{told} {'is the address' if len(rows) == 1 else 'are the addresses'} of {result.about()}",),
    )


@formatter("get_snapshots")
def snapshots(result: Result) -> Answer:
    rows = result.rows("snapshots")
    if not rows:
        return Answer(f"{result.about()} has no snapshots", ways=(f"There is no snapshot of {result.about()}",))
    last = rows[-1]
    when = f", {moment(result.view.now, float(last['at']))}" if last.get("at") else ""
    lines = [
        f"{safe(row['name'], 60)}{_made(result, row)} {safe(row.get('description', ''), 120)}".rstrip()
        for row in rows
    ]
    return Answer(
        f"{counted(len(rows), 'snapshot')} of {result.about()}; the newest is {safe(last['name'], 60)}{when}",
        tuple(lines[-ROWS:]),
        ways=(f"{result.about()} has {count(len(rows), 'snapshot')}, the newest {safe(last['name'], 60)}{when}",),
    )


def _made(result: Result, row: Row) -> str:
    return f": {moment(result.view.now, float(row['at']))}" if row.get("at") else ""


@formatter("get_backups")
def backups(result: Result) -> Answer:
    rows, rest = result.rows("backups"), unread(result.pairs("not_asked"))
    if not rows:
        return Answer(
            sentences(["No backup is to be found", rest]),
            grave=True,
            ways=(sentences(["There is no backup that I can find", rest]),),
        )
    total, now, last = int(result.data.get("total") or len(rows)), result.view.now, rows[0]
    name = safe(last.get("guest") or last.get("vmid"), 80)
    when, where = moment(now, float(last["at"])), safe(last.get("storage", ""), 80)
    head = f"{counted(total, 'backup')}; the newest is of {name}, {when}, on {where}"
    lines = tuple(
        f"{moment(now, float(row['at']))}: {safe(row.get('guest') or row.get('vmid'), 80)}, "
        f"{size(row.get('size_bytes'))} on "
        f"{safe(row.get('storage', ''), 80)}{', failed its verification' if row.get('verified') is False else ''}"
        for row in rows[:ROWS]
    )
    return Answer(
        sentences([head, rest]),
        lines,
        grave=bool(rest),
        ways=(
            sentences(
                [
                    f"The newest backup is of {name}, {moment(now, float(last['at']))}; there are {total} in all",
                    rest,
                ]
            ),
        ),
    )


@formatter("list_docker_containers")
def docker(result: Result) -> Answer:
    rows, rest = result.rows("containers"), unread(result.pairs("unreachable"))
    if not rows:
        return Answer(
            sentences(["No Docker container is to be seen", rest]),
            grave=bool(rest),
            ways=(sentences(["I see no Docker container", rest]),),
        )
    run = [row for row in rows if row.get("state") == "running"]
    ill = [row for row in rows if "unhealthy" in str(row.get("status")) or row.get("state") == "restarting"]
    bad = f"Not well: {listing(safe(row['name'], 80) for row in ill)}" if ill else ""
    return Answer(
        sentences(
            [
                f"{len(run)} of {count(len(rows), 'Docker container')} {'runs' if len(run) == 1 else 'run'}",
                bad,
                rest,
            ]
        ),
        tuple(
            f"{safe(row['name'], 80)} on {safe(row['node'], 80)}: "
            f"{safe(row['status'], 80) or safe(row['state'], 40)}"
            for row in rows[: 2 * ROWS]
        ),
        grave=bool(ill or rest),
        ways=(
            sentences(
                [
                    f"{counted(len(rows), 'Docker container')}, of which {len(run)} "
                    f"{'runs' if len(run) == 1 else 'run'}",
                    bad,
                    rest,
                ]
            ),
        ),
    )


@formatter("get_docker_logs")
def docker_logs(result: Result) -> Answer:
    return log(result, f"the log of {safe(result.args.get('container', 'it'), 80)}")


@formatter("plan_restore")
def restore(result: Result) -> Answer:
    rows = result.rows("guests")
    can = [row for row in rows if row.get("command")]
    node, rest = result.word("node"), unread(result.pairs("not_asked"))
    if not rows:
        return Answer(
            sentences([f"{node} has no guests that would be missed", rest]),
            grave=True,
            ways=(sentences([f"Nothing lies on {node}", rest]),),
        )
    lines = []
    for row in rows[:ROWS]:
        old = f"backup {span(float(row['age_s']))} old" if row.get("age_s") is not None else "no backup"
        how = f"`{safe(row['command'], 300)}`" if row.get("command") else safe(row.get("why", ""), 200)
        lines.append(f"{row.get('vmid')} {safe(row.get('name', ''), 80)}: {old}; {how}")
    lines += result.texts("warnings")
    head = f"{len(can)} of {count(len(rows), 'guest')} of {node} could be made anew from a backup elsewhere"
    return Answer(
        sentences([head, "Nothing has been restored", rest]),
        tuple(lines),
        grave=True,
        ways=(
            sentences(
                [
                    f"Of the {count(len(rows), 'guest')} of {node}, {len(can)} could be made anew from a backup",
                    "Nothing has been restored",
                    rest,
                ]
            ),
        ),
    )
