"""Results of reads about the cluster, its nodes, storages, tasks and services."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.results import (
    ROWS,
    Answer,
    Result,
    Row,
    ago,
    capital,
    count,
    counted,
    degrees,
    formatter,
    listing,
    log,
    moment,
    percent,
    safe,
    sentences,
    size,
)


def _aged(result: Result) -> str:
    """Why what is told is not of now; empty while it is."""
    if result.data.get("freshness") == "fresh":
        return ""
    at = result.data.get("as_of_at")
    return "Nothing of now is known" if at is None else f"That is as of {ago(result.view.now, float(at))}"


def _share(row: Row, used: str, total: str) -> float | None:
    a, b = row.get(used), row.get(total)
    return float(a) / float(b) if isinstance(a, int | float) and isinstance(b, int | float) and b else None


@formatter("get_cluster_status")
def cluster(result: Result) -> Answer:
    nodes = result.rows("nodes")
    online = sum(node.get("status") == "online" for node in nodes)
    run, total, lost = (
        int(result.data.get(key) or 0) for key in ("guests_running", "guests_total", "guests_unknown")
    )
    quorate = result.data["cluster"].get("quorate")
    quorum = "" if quorate is None else "quorum holds" if quorate else "quorum is lost"
    rest = f", of {lost} nobody can say" if lost else ""
    head = (
        f"{online} of {count(len(nodes), 'node')} {'is' if online == 1 else 'are'} online, {run} of "
        f"{count(total, 'guest')} {'runs' if run == 1 else 'run'}{rest}"
    )
    return Answer(
        sentences([head, capital(quorum), _aged(result)]),
        tuple(f"{safe(n.get('name', ''), 80)}: {safe(n.get('status', ''), 20)}" for n in nodes),
        grave=online < len(nodes) or quorate is False or bool(lost or _aged(result)),
        ways=(sentences([capital(quorum) or head, head if quorum else "", _aged(result)]),),
    )


@formatter("get_node_status")
def node(result: Result) -> Answer:
    row: Row = result.data["node"]
    told = [f"CPU {percent(row['cpu'])}"] if row.get("cpu") is not None else []
    share = _share(row, "memory_used_bytes", "memory_total_bytes")
    told += [f"memory {percent(share)}"] if share is not None else []
    told += [degrees(row["temperature_c"])] if row.get("temperature_c") is not None else []
    status, name, guests = (
        safe(row.get("status", "unknown"), 20),
        safe(row.get("name", ""), 80),
        result.texts("guests"),
    )
    figures = f", {', '.join(told)}" if told and status == "online" else ""
    return Answer(
        sentences([f"{name} is {status}{figures}", _aged(result)]),
        tuple(guests[: 2 * ROWS]),
        grave=status != "online" or bool(_aged(result)),
        ways=(sentences([f"{name}: {status}{figures}", _aged(result)]),),
    )


@formatter("get_storage")
def storage(result: Result) -> Answer:
    rows = result.rows("storages")
    known = [
        (row, share)
        for row in rows
        if row.get("status") == "available" and (share := _share(row, "used_bytes", "total_bytes")) is not None
    ]
    known.sort(key=lambda one: -one[1])
    silent = len(rows) - len(known)
    rest = f"; of {silent} the size is not known" if silent else ""
    if not known:
        return Answer(
            sentences([f"No storage tells its size{rest}", _aged(result)]),
            grave=True,
            ways=(sentences(["No size is known", _aged(result)]),),
        )
    row, share = known[0]
    head = f"{counted(len(rows), 'storage')}; the fullest is {_place(row)}, {percent(share)} full{rest}"
    return Answer(
        sentences([head, _aged(result)]),
        tuple(f"{_place(r)}: {percent(s)} full, {size(r['total_bytes'])}" for r, s in known[: 2 * ROWS]),
        grave=bool(silent or _aged(result)),
        ways=(
            sentences(
                [
                    f"The fullest of {count(len(rows), 'storage')} is {_place(row)}, {percent(share)} full{rest}",
                    _aged(result),
                ]
            ),
        ),
    )


def _place(row: Row) -> str:
    on = f" on {safe(row['node'], 80)}" if row.get("node") else ""
    return f"{safe(row.get('name', ''), 80)}{on}"


@formatter("get_cluster_resources")
def resources(result: Result) -> Answer:
    rows = result.rows("resources")
    lost = sum(row.get("status") == "unknown" for row in rows)
    rest = f"; of {lost} the state is not known" if lost else ""
    return Answer(
        sentences([f"{counted(len(rows), 'resource')}{rest}", _aged(result)]),
        tuple(
            (
                f"{safe(row.get('name', ''), 80)}: "
                f"{safe(row.get('status', ''), 20)}{' on ' + safe(row['node'], 80) if row.get('node') else ''}"
            )
            for row in rows[: 2 * ROWS]
        ),
        grave=bool(lost or _aged(result)),
        ways=(sentences([f"The cluster lists {count(len(rows), 'resource')}{rest}", _aged(result)]),),
    )


@formatter("get_node_temperature")
def temperature(result: Result) -> Answer:
    rows = result.rows("temperatures")
    told = listing(
        (
            f"{safe(row['node'], 80)} {degrees(row['cpu_c']) if row.get('cpu_c') is not None else 'not known'}"
            for row in rows
        ),
        40,
    )
    old = "" if result.data.get("freshness") == "fresh" else "How old that is I do not know"
    lines = [
        f"{safe(row['node'], 80)}: {safe(name, 60)} {degrees(value)}"
        for row in rows
        for name, value in list(row.get("sensors", {}).items())[:8]
    ]
    return Answer(
        sentences([f"Temperatures: {told}", old]),
        tuple(lines[: 2 * ROWS]),
        grave=bool(old),
        ways=(sentences([f"The sensors say: {told}", old]),),
    )


@formatter("get_recent_tasks")
def tasks(result: Result) -> Answer:
    rows, now = result.rows("tasks"), result.view.now
    if not rows:
        return Answer(
            sentences(["No such task is known", _aged(result)]),
            ways=(sentences(["There is no such task that I know of", _aged(result)]),),
        )
    bad = sum(row.get("status") == "failed" for row in rows)
    run = sum(row.get("status") == "running" for row in rows)
    rest = "".join(f"; {number} {word}" for number, word in ((run, "running"), (bad, "failed")) if number)
    return Answer(
        sentences([f"{counted(len(rows), 'task')}{rest}", _aged(result)]),
        tuple(
            (
                f"{moment(now, float(row['started_at']))}: {_what(row)} "
                f"on {safe(row['node'], 80)}, {safe(row['status'], 20)}"
            )
            for row in rows[:ROWS]
        ),
        grave=bool(bad or _aged(result)),
        ways=(sentences([f"The list has {count(len(rows), 'task')}{rest}", _aged(result)]),),
    )


def _what(row: Row) -> str:
    return f"{safe(row['type'], 40)} {safe(row.get('target', ''), 40)}".strip()


@formatter("get_task_log")
def task_log(result: Result) -> Answer:
    return log(result, "the log of the task")


@formatter("get_ha_status")
def ha(result: Result) -> Answer:
    rows, quorate = result.rows("services"), result.data.get("quorate")
    quorum = (
        "Whether quorum holds is not known" if quorate is None else "Quorum holds" if quorate else "Quorum is lost"
    )
    bad = [row for row in rows if row.get("state") in {"error", "fence", "recovery", "unknown"}]
    ill = f"Not well: {listing(safe(row['name'], 80) for row in bad)}" if bad else ""
    return Answer(
        sentences([f"{quorum}; high availability manages {count(len(rows), 'guest')}", ill, _aged(result)]),
        tuple(
            f"{safe(row['name'], 80)} on {safe(row['node'], 80)}: {safe(row['state'], 40)}"
            for row in rows[: 2 * ROWS]
        ),
        grave=quorate is not True or bool(bad or _aged(result)),
        ways=(
            sentences(
                [
                    f"High availability manages {count(len(rows), 'guest')}; {quorum[:1].lower()}{quorum[1:]}",
                    ill,
                    _aged(result),
                ]
            ),
        ),
    )


@formatter("get_metrics_history")
def history(result: Result) -> Answer:
    lines = []
    for ident, metrics in result.data["series"].items():
        for metric, series in metrics.items():
            values = [v for v in series["values"] if v is not None]
            form = degrees if metric == "temperature" else percent
            if values:
                lines.append(
                    f"{result.view.name(ident)}, {safe(metric, 30)}: {form(values[-1])} at the end, "
                    f"between {form(min(values))} and {form(max(values))}"
                )
    if not lines:
        return Answer("Nothing is known of that time", ways=("No figures of that time are kept",))
    return Answer(lines[0], tuple(lines[1:ROWS]), ways=(f"{lines[0]}, as far as it is kept",))


@formatter("get_disk_health")
def disks(result: Result) -> Answer:
    rows, pools, worrying = result.rows("disks"), result.rows("pools"), result.texts("worrying")
    about = safe(result.args.get("node", "it"), 80)
    lines = [f"{safe(row['device'], 60)} {safe(row.get('model', ''), 60)}: {_wear(row)}" for row in rows]
    lines += [f"pool {safe(row['name'], 60)}: {safe(row.get('health', ''), 30)}" for row in pools]
    if worrying:
        return Answer(
            sentences(
                [
                    (
                        f"{counted(len(worrying), 'thing')} to look at on {about}: "
                        f"{listing((w.rstrip('.') for w in worrying), 4)}"
                    )
                ]
            ),
            tuple(lines),
            grave=True,
            ways=(f"The disks of {about} want a look: {listing((w.rstrip('.') for w in worrying), 4)}",),
        )
    if not rows and not pools:
        return Answer(f"{about} tells of no disks", grave=True, ways=(f"No disk of {about} is told of",))
    untold = [row for row in rows if str(row.get("health", "")).upper() in {"", "UNKNOWN"}]
    rest = f"; of {len(untold)} SMART says nothing" if untold else ""
    return Answer(
        f"Nothing worrying on {about}: {count(len(rows), 'disk')} and {count(len(pools), 'pool')} looked at{rest}",
        tuple(lines),
        ways=(
            (
                f"The {count(len(rows), 'disk')} and {count(len(pools), 'pool')} of {about} "
                f"show nothing worrying{rest}"
            ),
        ),
    )


def _wear(row: Row) -> str:
    health, left = safe(row.get("health", ""), 30), row.get("wearout_pct")
    return health if left is None else f"{health}, {left:g} % of its life left"


@formatter("get_updates_available")
def updates(result: Result) -> Answer:
    rows, about = result.rows("updates"), safe(result.args.get("node", "it"), 80)
    note = "By its own package lists, which were not refreshed for the question"
    if not rows:
        return Answer(f"{about} has no updates waiting", (note,), ways=(f"No updates wait on {about}",))
    safety, reboot = (
        int(result.data.get("security") or 0),
        "a new kernel is among them" if result.data.get("reboot_after") else "",
    )
    rest = "; ".join(part for part in (f"{safety} of them for security" if safety else "", reboot) if part)
    return Answer(
        (
            f"{counted(len(rows), 'update')} {'waits' if len(rows) == 1 else 'wait'} on "
            f"{about}{'; ' + rest if rest else ''}"
        ),
        (
            note,
            *(
                (
                    f"{safe(row['package'], 80)}: {safe(row.get('installed', ''), 60)} to "
                    f"{safe(row.get('available', ''), 60)}"
                )
                for row in rows[:ROWS]
            ),
        ),
        ways=(f"{about} has {count(len(rows), 'update')} waiting{'; ' + rest if rest else ''}",),
    )


@formatter("get_firewall_status")
def firewall(result: Result) -> Answer:
    rows, about = result.rows("rules"), safe(result.args.get("node", "it"), 80)
    state = (
        "is active"
        if result.data.get("active")
        else (
            "is not active: the cluster has it switched off"
            if not result.data.get("cluster_enabled")
            else "is not active: the node has it switched off"
        )
    )
    return Answer(
        f"The firewall of {about} {state}, with {count(len(rows), 'rule')}",
        tuple(
            (
                f"{row.get('position')} {safe(row.get('direction', ''), 10)} "
                f"{safe(row.get('action', ''), 20)}{'' if row.get('enabled') else ' (off)'} "
                f"{safe(row.get('text', ''), 120)}"
            ).rstrip()
            for row in rows[:ROWS]
        ),
        ways=(f"{about}: the firewall {state}, {count(len(rows), 'rule')}",),
    )


@formatter("get_mount_health")
def mounts(result: Result) -> Answer:
    rows, about = result.rows("mounts"), safe(result.args.get("node", "it"), 80)
    if not rows:
        return Answer(f"{about} has no NFS or SMB mounts", ways=(f"There are no network mounts on {about}",))
    dead = [row for row in rows if row.get("answers") is False]
    unasked = [row for row in rows if row.get("answers") is None]
    rest = f"; {count(len(unasked), 'mount')} could not be asked" if unasked else ""
    lines = tuple(
        (
            f"{safe(row['path'], 120)}: "
            f"{'answers' if row.get('answers') else safe(row.get('why', ''), 120) or 'does not answer'}"
        )
        for row in rows[:ROWS]
    )
    if dead:
        return Answer(
            (
                f"{counted(len(dead), 'mount')} of {about} {'does' if len(dead) == 1 else 'do'} not answer: "
                f"{listing(safe(row['path'], 120) for row in dead)}{rest}"
            ),
            lines,
            grave=True,
            ways=(
                (
                    f"On {about} {listing(safe(row['path'], 120) for row in dead)} "
                    f"{'does' if len(dead) == 1 else 'do'} not answer{rest}"
                ),
            ),
        )
    answering = len(rows) - len(unasked)
    return Answer(
        f"{counted(answering, 'mount')} of {about} {'answers' if answering == 1 else 'answer'}{rest}",
        lines,
        grave=bool(unasked),
        ways=(f"On {about} {count(answering, 'mount')} {'answers' if answering == 1 else 'answer'}{rest}",),
    )


@formatter("get_uptime_checks")
def uptime(result: Result) -> Answer:
    rows, failed = result.rows("checks"), result.pairs("unreachable")
    down = [row for row in rows if row.get("state") == "down"]
    unsure = [row for row in rows if row.get("state") not in {"up", "down"}]
    rest = sentences(
        [
            f"{counted(len(unsure), 'check')} {'is' if len(unsure) == 1 else 'are'} neither up nor down"
            if unsure
            else "",
            f"{listing(failed)} {'does' if len(failed) == 1 else 'do'} not answer" if failed else "",
        ]
    )
    lines = tuple(
        f"{safe(row['name'], 80)}: {safe(row['state'], 20)} {safe(row.get('detail', ''), 120)}".rstrip()
        for row in [*down, *unsure, *rows][:ROWS]
    )
    head = (
        f"{len(rows) - len(down) - len(unsure)} of {count(len(rows), 'check')} "
        f"{'is' if len(rows) - len(down) - len(unsure) == 1 else 'are'} up"
    )
    ill = f"Down: {listing(safe(row['name'], 80) for row in down)}" if down else ""
    return Answer(
        sentences([head, ill, rest]),
        lines,
        grave=bool(down or failed),
        ways=(sentences([ill or head, head if ill else "", rest]),),
    )
