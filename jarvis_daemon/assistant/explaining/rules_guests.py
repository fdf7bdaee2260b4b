"""Rules of guests, storages, disks, containers, tasks and backups."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.words import listing, percent, safe, size
from jarvis_daemon.assistant.explaining.case import Case
from jarvis_daemon.assistant.explaining.findings import Found, rule
from jarvis_daemon.incidents.lines import span

FULL = 0.95


@rule("guest-crashed")
def crashed(case: Case, found: Found) -> None:
    guest, share = case.guest, case.number("memory_share")
    if share is None:
        share = case.at_beginning("guest.memory")
    full = share is not None and share >= FULL
    found.cause(
        "It ran out of memory, and the kernel ended it",
        speaks_for=[
            s
            for s in (
                f"Its memory was {percent(share)} full before" if full and share is not None else "",
                case.near("guest-out-of-memory", "memory-high"),
            )
            if s
        ],
        against=[f"Its memory was {percent(share)} full before"] if share is not None and not full else [],
    )
    found.cause(
        "It shut itself down from within, or somebody inside did",
        speaks_for=["No task of PVE explains its end"],
        against=["Its memory was full, which explains it"] if full else [],
    )
    found.cause(
        "Its disk had no room left, or failed",
        speaks_for=[s for s in (case.near("storage-high", "disk-failing"),) if s],
        against=[]
        if case.other("storage-high", "disk-failing")
        else ["No storage and no disk of its node was in trouble then"],
    )
    found.cause(
        "Its process was killed on the node",
        speaks_for=[s for s in (case.near("node-unreachable", "cpu-high"),) if s],
        against=[] if case.other("node-unreachable", "cpu-high") else ["Nothing else was wrong with its node then"],
    )
    if guest is None:
        return
    if guest.status == "stopped":
        found.do(
            f"Start {case.name}", "start_vm" if guest.kind == "vm" else "start_container", guest=str(guest.vmid)
        )
    found.do("See what it was given: memory, disks, start at boot", "get_guest_config", guest=str(guest.vmid))
    if guest.node:
        found.do("See the tasks of its node around then", "get_recent_tasks", node=guest.node)


@rule("guest-out-of-memory")
def out_of_memory(case: Case, found: Found) -> None:
    guest = case.guest
    course = case.course("guest.memory", f"The memory of {case.name}")
    rise = case.risen("guest.memory")
    steady = rise is not None and abs(rise) < 0.02
    found.cause(
        "Something in it uses more and more: a leak, or more work than before",
        speaks_for=[course] if rise is not None and rise > 0.05 else [],
        against=[course] if steady else [],
    )
    found.cause(
        "It was given too little",
        speaks_for=[f"It has {size(guest.memory_total_bytes)}"]
        if guest is not None and guest.memory_total_bytes
        else [],
    )
    if guest is not None and guest.kind == "vm":
        found.cause(
            "What PVE shows of a VM is the size of its process, which stays near its limit for good",
            speaks_for=["It is a VM; only its balloon driver would tell more"]
            + ([course] if steady and course else []),
        )
    if guest is not None:
        found.do(
            f"Restart {case.name}, which frees what it holds; it does not serve meanwhile",
            "reboot_vm" if guest.kind == "vm" else "reboot_container",
            guest=str(guest.vmid),
        )
        found.do("See what it was given", "get_guest_config", guest=str(guest.vmid))


@rule("storage-high")
def storage(case: Case, found: Found) -> None:
    node, name = case.node, case.incident.target.removeprefix("storage:").rpartition("/")[2]
    is_node = case.incident.target.startswith("node:")
    points, now_share = case.series.get("used", ()), case.number("percent")
    grown = ""
    if len(points) >= 2:
        (first_at, first), (last_at, last) = points[0], points[-1]
        if last_at - first_at > 3600:
            grown = f"It went from {percent(first)} to {percent(last)} over {span(last_at - first_at)}"
    quick = len(points) >= 2 and points[-1][1] - points[0][1] > 0.05
    backups = case.ran("vzdump")
    found.cause(
        "Backups, images or disks pile up on it",
        speaks_for=[
            s for s in (grown if grown and not quick else "", f"{case.task(backups)} ran" if backups else "") if s
        ],
    )
    found.cause(
        "Something wrote a great deal in a short time",
        speaks_for=[grown] if quick and grown else [],
        against=[grown] if grown and not quick else [],
    )
    local = name == "local" or is_node
    found.cause(
        "Logs, the package cache, or what a broken backup left fill the node's own disk",
        speaks_for=[
            s
            for s in (
                f"{case.name} lies on the root file system of {node}" if local and node else "",
                case.near("backup-failed"),
            )
            if s
        ],
        against=[] if local else [f"{safe(name, 80)} is no part of a root file system"],
    )
    snapshots = case.ran("qmsnapshot", "vzsnapshot")
    found.cause("Snapshots hold what was deleted since", speaks_for=[case.task(snapshots)] if snapshots else [])
    if not is_node:
        found.do(
            "See what takes the most on it",
            "get_biggest_volumes",
            **({"storage": name, "node": node} if node else {"storage": name}),
        )
    if local and node:
        found.do("See the biggest folders of the node", "get_disk_usage", node=node)
        found.do("Remove what interrupted backups left, and nothing else", "clean_backup_leftovers", node=node)
        found.do("Empty the package cache", "clean_package_cache", node=node)
        found.do("Remove task logs older than 30 days", "clean_task_logs", node=node, older_than_days=30)
    if now_share is not None and now_share >= 99:
        found.do(
            "Guests that write to it stop when it is full: make room before anything else",
            command="jarvis storage list",
        )


@rule("disk-failing")
def disk(case: Case, found: Found) -> None:
    health, left = case.text("health"), case.number("wearout_pct")
    bad = health.upper().rstrip("!") not in {"PASSED", "OK", "", "UNKNOWN"}
    found.cause(
        "The disk dies",
        speaks_for=[f"SMART says {health.rstrip('!.')}"] if bad else [],
        against=[f"SMART says {health}"] if health and not bad else [],
    )
    found.cause(
        "Its flash is worn out",
        speaks_for=[f"{left:g} % of its life is left"] if left is not None and left <= 10 else [],
        against=[f"{left:g} % of its life is left"] if left is not None and left > 10 else [],
    )
    found.do(f"Look at all disks and pools of {case.node}", "get_disk_health", node=case.node)
    for guest in [g for g in case.view.guests if g.node == case.node and g.status == "running"][:3]:
        found.do(f"Back {safe(guest.name, 80)} up before anything else", "run_backup", guest=str(guest.vmid))
    found.do(f"Move the guests away before you change the disk {case.text('disk')}", "drain_node", node=case.node)


@rule("docker-container-unhealthy")
def container(case: Case, found: Found) -> None:
    host, name, health = case.text("host"), case.text("container"), case.text("health")
    loops = health == "restarting"
    found.cause(
        "What runs in it fails as it starts: a wrong setting, a volume or another service that is missing",
        speaks_for=[f"It restarts again and again: {case.text('status')}"] if loops else [],
        against=[] if loops else ["It stays up, and only its health check fails"],
    )
    found.cause(
        "It runs, but does not answer its health check",
        speaks_for=[f"Docker says: {case.text('status')}"] if not loops else [],
        against=["It does not stay up"] if loops else [],
    )
    found.cause(
        "Its host has no memory or no room left",
        speaks_for=[case.near("guest-out-of-memory", "memory-high", "storage-high")],
        against=[]
        if case.other("guest-out-of-memory", "memory-high", "storage-high")
        else ["Neither was short then"],
    )
    if host and name:
        found.do("Read its log", "get_docker_logs", node=host, container=name)
        found.do(f"Restart {name} on {host}", "restart_docker_container", node=host, container=name)


@rule("task-failed", "backup-failed")
def task(case: Case, found: Found) -> None:
    exit_text, backup = case.text("exit_text"), case.incident.condition == "backup-failed"
    room = case.says("no space", "full", "enospc", "quota", key="exit_text")
    found.cause(
        "There was no room where it wrote to",
        speaks_for=[s for s in (exit_text if room else "", case.near("storage-high", same_node=False)) if s],
        against=[]
        if room or case.other("storage-high", same_node=False)
        else ["No storage was nearly full then, and it does not say so"],
    )
    lock = case.says("lock", "locked", key="exit_text")
    found.cause(
        "The guest was locked, by another task or by one that was cut short",
        speaks_for=[exit_text] if lock else [],
        against=[] if lock else ["It does not speak of a lock"],
    )
    storage = case.says(
        "input/output",
        "stale",
        "mount",
        "nfs",
        "cifs",
        "storage",
        "not available",
        "not online",
        "timeout",
        "i/o",
        key="exit_text",
    )
    found.cause(
        "The storage or its network failed on the way",
        speaks_for=[
            s
            for s in (exit_text if storage else "", case.near("disk-failing", "node-unreachable", same_node=False))
            if s
        ],
        against=[] if storage else ["It does not speak of the storage"],
    )
    if case.says("snapshot", "agent", "freeze", key="exit_text"):
        found.cause("The snapshot could not be taken, or the guest agent did not answer", speaks_for=[exit_text])
    upid, guest = case.text("upid"), case.guest
    if upid:
        found.do("Read its log: the reason stands near its end", "get_task_log", upid=upid)
    if backup and guest is not None:
        found.do(f"Back {case.name} up now", "run_backup", guest=str(guest.vmid))
    if storage and case.node:
        found.do(f"See whether the mounts of {case.node} answer", "get_mount_health", node=case.node)
    if room:
        found.do("See how full the storages are", "get_storage")


@rule("task-stuck")
def stuck(case: Case, found: Found) -> None:
    type_, started = case.text("type"), case.number("started_at")
    age = f"It has been running for {span(case.now - started)}" if started is not None else ""
    found.cause(
        "It waits for a storage that does not answer",
        speaks_for=[
            s for s in (case.near("storage-high", "node-unreachable", "disk-failing", same_node=False),) if s
        ],
        against=[]
        if case.other("storage-high", "node-unreachable", "disk-failing", same_node=False)
        else ["No storage or node was in trouble then"],
    )
    found.cause(
        "It waits for a guest that does not shut down, freeze or answer",
        speaks_for=[f"It is a {type_}"] if type_ in {"vzdump", "qmshutdown", "vzshutdown", "qmreboot"} else [],
    )
    found.cause(
        "It is only slow: it has much to copy",
        speaks_for=[age] if type_ in {"vzdump", "qmigrate", "vzmigrate", "qmmove", "imgcopy"} and age else [],
        against=[f"A {type_} is short by nature"]
        if type_ and type_ not in {"vzdump", "qmigrate", "vzmigrate", "qmmove", "imgcopy", "qmclone", "vzclone"}
        else [],
    )
    upid = case.text("upid")
    if upid:
        found.do("Read its log: does its end still grow?", "get_task_log", upid=upid)
    if case.node:
        found.do(f"See whether the mounts of {case.node} answer", "get_mount_health", node=case.node)
    found.do("Stop it in PVE's own interface, where you have seen that it does nothing", command="jarvis task list")


@rule("backup-missing")
def backup_missing(case: Case, found: Found) -> None:
    guest, last, job = case.guest, case.number("last_at"), case.text("job")
    failed = case.other("backup-failed", same_node=False)
    found.cause(
        "Its runs fail",
        speaks_for=[case.told(failed)] if failed is not None else [],
        against=[] if failed else ["No failed backup is open"],
    )
    found.cause(
        f"The job {job} did not run: its node was off at the hour, or it was switched off for a while",
        speaks_for=[f"The last good one was made {case.ago(last)}"] if last is not None else [],
        against=["None was ever found, so it is more than a missed run"] if last is None else [],
    )
    found.cause(
        "It is new, and the job has not come round yet",
        speaks_for=["No backup of it was found at all"] if last is None else [],
        against=[f"The last one was made {case.ago(last)}"] if last is not None else [],
    )
    found.cause(
        "Its backups were pruned or lie on a storage that cannot be read",
        speaks_for=[case.near("storage-high", "node-unreachable", same_node=False)],
    )
    if guest is not None:
        found.do(f"Back {case.name} up now", "run_backup", guest=str(guest.vmid))
        found.do("See which backups there are", "get_backups", guest=str(guest.vmid))


@rule("replication-failed")
def replication(case: Case, found: Found) -> None:
    error, to = case.text("error"), case.text("to")
    target = case.view.node(to) if to else None
    away = target is not None and target.status != "online"
    found.cause(
        "The node that it goes to is not there",
        speaks_for=[f"{safe(to, 80)} is {target.status}"] if target is not None and away else [],
        against=[f"{safe(to, 80)} is online"] if target is not None and not away else [],
    )
    found.cause(
        "There is no room on either side",
        speaks_for=[
            s
            for s in (
                error if case.says("no space", "out of space", "quota") else "",
                case.near("storage-high", same_node=False),
            )
            if s
        ],
    )
    found.cause(
        "The two sides have no snapshot in common any more",
        speaks_for=[error] if case.says("snapshot", "incremental", "base") else [],
    )
    found.cause(
        "`zfs send` broke off: the network between the nodes, or a damaged dataset",
        speaks_for=[error] if case.says("zfs", "signal", "broken pipe", "ssh") else [],
    )
    found.do("See the tasks around it", "get_recent_tasks", **({"node": case.node} if case.node else {}))
    if to:
        found.do(f"Look at disks and pools of {safe(to, 80)}", "get_disk_health", node=to)
    guests = listing([case.name])
    found.do(
        f"Until it works again a move of {guests} to {safe(to, 80) or 'the other node'} copies all of it",
        command="jarvis task list",
    )
