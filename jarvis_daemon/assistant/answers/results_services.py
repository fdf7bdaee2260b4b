"""Results of reads about services, their journals, and what takes the space."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.results import (
    ROWS,
    Answer,
    Result,
    count,
    counted,
    formatter,
    listing,
    log,
    safe,
    sentences,
    size,
)


@formatter("get_disk_usage")
def usage(result: Result) -> Answer:
    folders, files, about = result.rows("folders"), result.rows("files"), result.word("node")
    part = "" if result.data.get("complete") else "It took too long to see all, so there may be bigger ones"
    if not folders and not files:
        return Answer(
            sentences([f"Nothing big is to be found on {about}", part]),
            ways=(sentences([f"{about} has no big folders there", part]),),
        )
    top = folders[0] if folders else files[0]
    lines = [f"{safe(row['path'], 160)}: {size(row['size_bytes'])}" for row in (*folders[:10], *files[:10])]
    return Answer(
        sentences(
            [
                (
                    f"The biggest on {about} is {safe(top['path'], 160)}, {size(top['size_bytes'])}; "
                    f"{size(result.data.get('free_bytes'))} are free"
                ),
                part,
            ]
        ),
        tuple(lines),
        ways=(
            sentences(
                [
                    (
                        f"{safe(top['path'], 160)} takes the most on {about}: {size(top['size_bytes'])}; "
                        f"{size(result.data.get('free_bytes'))} are free"
                    ),
                    part,
                ]
            ),
        ),
    )


@formatter("get_biggest_volumes")
def volumes(result: Result) -> Answer:
    rows, about = result.rows("volumes"), result.word("storage")
    if not rows:
        return Answer(f"{about} holds nothing", ways=(f"There is nothing on {about}",))
    top = rows[0]
    lines = [
        (
            f"{safe(row['volid'], 120)}: "
            f"{size(row['size_bytes'])}{', of ' + safe(row['guest'], 80) if row.get('guest') else ''}"
        )
        for row in rows[:ROWS]
    ]
    total = int(result.data.get("total") or len(rows))
    return Answer(
        (
            f"The biggest on {about} is {safe(top['volid'], 120)}, {size(top['size_bytes'])}; "
            f"{count(total, 'volume')} take {size(result.data.get('total_bytes'))} in all"
        ),
        tuple(lines),
        ways=(
            (
                f"{safe(top['volid'], 120)} is the biggest of {count(total, 'volume')} on "
                f"{about}, {size(top['size_bytes'])}"
            ),
        ),
    )


@formatter("list_services")
def services(result: Result) -> Answer:
    rows = result.rows("services")
    bad = [row for row in rows if row.get("listed") and row.get("state") in {"failed", "inactive"}]
    unknown = [row for row in rows if row.get("listed") and row.get("state") == "unknown"]
    names = listing(f"{safe(row['service'], 60)} on {safe(row['node'], 60)}" for row in bad)
    ill = f"Not running: {names}" if bad else ""
    rest = f"Of {count(len(unknown), 'service')} the state is not known" if unknown else ""
    return Answer(
        sentences([f"{counted(len(rows), 'service')} {'is' if len(rows) == 1 else 'are'} listed", ill, rest]),
        tuple(
            f"{safe(row['service'], 60)} on {safe(row['node'], 60)}: {safe(row['state'], 30)}"
            for row in rows[: 2 * ROWS]
        ),
        grave=bool(bad or unknown),
        ways=(
            sentences(
                [f"There {'is' if len(rows) == 1 else 'are'} {count(len(rows), 'service')} listed", ill, rest]
            ),
        ),
    )


@formatter("get_service_status")
def service(result: Result) -> Answer:
    name, state = f"{result.word('service')} on {result.word('node')}", safe(result.data["active_state"], 40)
    if result.data.get("load_state") == "not-found":
        return Answer(f"There is no service {name}", ways=(f"{name} is not installed",))
    restarts = result.data.get("restarts")
    lines = [
        f"systemd: {state}, {result.word('sub_state')}, result {result.word('result')}",
        result.word("description", ""),
    ]
    lines += [f"Restarted by systemd {count(int(restarts), 'time')}"] if restarts else []
    if state == "active":
        return Answer(f"{name} is active", tuple(lines), ways=(f"{name} runs: systemd calls it active",))
    return Answer(
        f"{name} does not run: systemd calls it {state}",
        tuple(lines),
        grave=True,
        ways=(f"systemd calls {name} {state}",),
    )


@formatter("get_journal")
def journal(result: Result) -> Answer:
    return log(result, f"the journal of {result.word('service')} on {result.word('node')}")
