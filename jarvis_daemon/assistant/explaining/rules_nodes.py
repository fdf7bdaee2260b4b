"""Rules of nodes: unreachable, short of memory, busy, hot; of their services."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.words import degrees, percent, safe, size
from jarvis_daemon.assistant.explaining.case import Case
from jarvis_daemon.assistant.explaining.findings import Found, rule

HOT_START_C = 70.0
BUSY = 0.8
STEEP = 0.2
ENDINGS = frozenset({"shutdown_node", "reboot_node", "drain_node"})
"""What puts a node out of reach when it was ordered."""


@rule("node-unreachable")
def unreachable(case: Case, found: Found) -> None:
    mute, node = case.fact("mute_since_at") is not None, case.node
    others = [i for i in case.others if i.condition == "node-unreachable" and i.target != case.incident.target]
    stopped = case.ran("stopall")
    order = next((e for e in case.events if e.data.get("tool") in ENDINGS and e.target == f"node:{node}"), None)
    found.cause(
        "The node was shut down or rebooted on purpose",
        speaks_for=[
            s
            for s in (
                f"{case.task(stopped)} ran" if stopped else "",
                f"{case.when(order.at)}: {safe(order.text)}" if order else "",
            )
            if s
        ],
        against=[] if stopped or order else ["No task and no order of mine stopped it"],
    )
    hot = case.at_beginning("temperature")
    found.cause(
        "The node lost its power or crashed",
        speaks_for=[
            s
            for s in (
                "The cluster calls it offline" if not mute else "",
                f"It was at {degrees(hot)} before" if hot is not None and hot > HOT_START_C else "",
            )
            if s
        ],
        against=["It is online by the cluster's word"] if mute else [],
    )
    found.cause(
        "Its network is gone while it runs on",
        speaks_for=[case.told(o) for o in others[:3]]
        + ([case.near("quorum-lost", same_node=False)] if case.near("quorum-lost", same_node=False) else []),
        against=["No other node was lost at the time"] if not others else [],
    )
    if mute:
        memory, cpu = case.at_beginning("memory"), case.at_beginning("cpu")
        found.cause(
            "It is overloaded, or a storage that it waits for hangs",
            speaks_for=[
                s
                for s in (
                    case.text("error"),
                    f"Its memory was {percent(memory)} full" if memory is not None and memory > BUSY else "",
                    f"Its CPU stood at {percent(cpu)}" if cpu is not None and cpu > BUSY else "",
                    case.near("storage-high", "memory-high", "cpu-high"),
                )
                if s
            ],
        )
        found.do(
            f"See whether its network mounts answer: a dead NFS or SMB server hangs pvestatd on {node}",
            "get_mount_health",
            node=node,
        )
    else:
        found.do(f"Wake {node} over the network", "wake_node", node=node)
        found.do(
            "See from which backups its guests could be made anew elsewhere; nothing is restored by it",
            "plan_restore",
            node=node,
        )
    found.do(
        "Before anything of it is started elsewhere, be sure that it is off: look at its power and its screen",
        command=f"jarvis node show {node}",
    )


@rule("memory-high")
def memory(case: Case, found: Found) -> None:
    guests = sorted(
        (g for g in case.view.guests if g.node == case.node and g.status == "running" and g.memory_used_bytes),
        key=lambda g: -(g.memory_used_bytes or 0),
    )
    host = case.host
    given = sum(g.memory_total_bytes or 0 for g in guests)
    total = host.memory_total_bytes if host is not None else None
    top = [
        f"{safe(g.name, 80)} uses {size(g.memory_used_bytes)} of {size(g.memory_total_bytes)}" for g in guests[:3]
    ]
    taken, used = (
        sum(g.memory_used_bytes or 0 for g in guests),
        host.memory_used_bytes if host is not None else None,
    )
    together = f"Its guests use {size(taken)} together, of {size(used)} in use" if used is not None else ""
    little = used is not None and taken < used / 2
    pool = next((s for s in case.view.storages if s.node == case.node and s.type == "zfspool"), None)
    zfs = (
        f"{safe(pool.name, 80)} is a ZFS pool there, and ZFS gives its cache back when it is wanted" if pool else ""
    )
    found.cause(
        "The guests on it take it",
        speaks_for=[] if little else [together, *top],
        against=[together] if little else [] if guests else ["No guest runs there that tells its memory"],
    )
    found.cause(
        "The node itself takes it: ZFS' cache, its own services, or guests that tell no figures",
        speaks_for=[together, zfs] if little else [],
        against=[] if little or not together else [together],
    )
    over = total is not None and given > total
    found.cause(
        "More memory was given to its guests than it has",
        speaks_for=[f"{size(given)} are given to running guests, the node has {size(total)}"] if over else [],
        against=[f"{size(given)} are given to running guests, the node has {size(total)}"]
        if total is not None and not over
        else [],
    )
    started = case.ran("qmstart", "vzstart", "startall", "qmigrate", "vzmigrate")
    rise = case.risen("memory")
    found.cause(
        "Something was started there or moved to it",
        speaks_for=[
            s
            for s in (
                case.task(started) if started else "",
                case.course("memory", f"The memory of {case.node}") if rise is not None and rise > STEEP else "",
            )
            if s
        ],
        against=[] if started else ["No guest was started or moved there in the time before"],
    )
    room = sorted(
        (
            n
            for n in case.view.nodes
            if n.status == "online"
            and n.name != case.node
            and n.memory_total_bytes
            and n.memory_used_bytes is not None
        ),
        key=lambda n: (n.memory_used_bytes or 0) / (n.memory_total_bytes or 1),
    )
    if guests and room:
        found.do(
            f"Move {safe(guests[0].name, 80)}, the biggest, to {safe(room[0].name, 80)}, which has the most room",
            "migrate_guest",
            guest=str(guests[0].vmid),
            node=room[0].name,
        )
    if guests:
        found.do("See what it was given", "get_guest_config", guest=str(guests[0].vmid))
    found.do(
        "See how it went over the last day",
        "get_metrics_history",
        ids=[f"node:{case.node}"],
        metrics=["memory"],
        span_s=86400.0,
        points=48,
    )


@rule("cpu-high")
def cpu(case: Case, found: Found) -> None:
    guests = sorted(
        (g for g in case.view.guests if g.node == case.node and g.status == "running" and g.cpu is not None),
        key=lambda g: -(g.cpu or 0) * (g.cpu_count or 1),
    )
    busy = [g for g in guests if (g.cpu or 0) > BUSY]
    found.cause(
        "A guest on it is busy without a pause",
        speaks_for=[f"{safe(g.name, 80)} uses {percent(g.cpu or 0)} of its CPUs" for g in busy[:3]],
        against=[] if busy else ["No guest on it uses most of its CPUs now"],
    )
    backup, scrub = (
        case.ran("vzdump"),
        case.ran("aptupdate", "qmigrate", "vzmigrate", "qmmove", "imgcopy", "download"),
    )
    found.cause(
        "A backup runs, which compresses",
        speaks_for=[case.task(backup)] if backup else [],
        against=[] if backup else ["No backup ran there at the time"],
    )
    found.cause(
        "Another task keeps it busy",
        speaks_for=[case.task(scrub)] if scrub else [],
        against=[] if scrub else ["No other long task is known there"],
    )
    host = case.host
    waiting = host is not None and (host.iowait or 0) > 0.2
    found.cause(
        "It waits for its disks, which counts as load",
        speaks_for=[f"{percent(host.iowait or 0)} of its time is waiting for input and output"]
        if host is not None and waiting
        else [],
        against=[f"Only {percent(host.iowait)} of its time is waiting for input and output"]
        if host is not None and host.iowait is not None and not waiting
        else [],
    )
    found.do(f"See the load of {case.node} now", "get_node_status", node=case.node)
    if busy:
        other = [n for n in case.view.nodes if n.status == "online" and n.name != case.node and n.cpu is not None]
        other.sort(key=lambda n: n.cpu or 0)
        if other:
            found.do(
                f"Move {safe(busy[0].name, 80)} to {safe(other[0].name, 80)}, which is the least busy",
                "migrate_guest",
                guest=str(busy[0].vmid),
                node=other[0].name,
            )


@rule("temperature-high")
def temperature(case: Case, found: Found) -> None:
    load, rise, celsius = case.at_beginning("cpu"), case.risen("temperature"), case.number("celsius")
    busy = load is not None and load > 0.6
    found.cause(
        "It works hard",
        speaks_for=[
            s
            for s in (
                f"Its CPU stood at {percent(load)} when it began" if busy and load is not None else "",
                case.near("cpu-high"),
            )
            if s
        ],
        against=[f"Its CPU stood at {percent(load)} when it began"] if load is not None and not busy else [],
    )
    found.cause(
        "A fan fails, or its air is blocked by dust",
        speaks_for=[
            s
            for s in (
                f"It got hot at a load of {percent(load)}" if load is not None and not busy else "",
                case.course("temperature", case.name) if rise is not None and rise > 15 else "",
            )
            if s
        ],
        against=[f"Its load of {percent(load)} may explain it"] if busy and load is not None else [],
    )
    hot = [n for n in case.view.nodes if n.name != case.node and (n.temperature_c or 0) > HOT_START_C]
    found.cause(
        "The room is warm",
        speaks_for=[f"{safe(n.name, 80)} is at {degrees(n.temperature_c or 0)} too" for n in hot[:3]],
        against=[] if hot else ["No other node is hot"],
    )
    found.do("See all its sensors", "get_node_temperature", node=case.node)
    busiest = max(
        (g for g in case.view.guests if g.node == case.node and g.status == "running" and g.cpu),
        key=lambda g: (g.cpu or 0) * (g.cpu_count or 1),
        default=None,
    )
    cool = min(
        (
            n
            for n in case.view.nodes
            if n.status == "online" and n.name != case.node and n.temperature_c is not None
        ),
        key=lambda n: n.temperature_c or 0,
        default=None,
    )
    if busiest is not None and cool is not None and busy:
        found.do(
            f"Take work from it: move {safe(busiest.name, 80)} to {safe(cool.name, 80)}, the coolest",
            "migrate_guest",
            guest=str(busiest.vmid),
            node=cool.name,
        )
    if celsius is not None and celsius > 90:
        found.do("If it does not cool down, empty it before it throttles or stops", "drain_node", node=case.node)


@rule("service-down")
def service(case: Case, found: Found) -> None:
    unit, state, node = case.text("unit"), case.text("state"), case.node
    asked = next((e for e in case.events if e.kind.startswith("tool.") and unit and unit in e.text), None)
    found.cause(
        "It crashed",
        speaks_for=[f"systemd calls it {state}"] if state == "failed" else [],
        against=[f"systemd calls it {state}, not failed"] if state and state != "failed" else [],
    )
    found.cause(
        "Somebody stopped it",
        speaks_for=[
            s
            for s in (
                f"systemd calls it {state}" if state == "inactive" else "",
                f"{case.when(asked.at)}: {safe(asked.text)}" if asked else "",
            )
            if s
        ],
        against=[f"systemd calls it {state}"] if state == "failed" else [],
    )
    host = case.host
    fresh = host is not None and host.started_at is not None and abs(case.began - host.started_at) < 900
    found.cause(
        "It did not come up after the node booted",
        speaks_for=[f"{node} booted {case.when(host.started_at or 0)}"] if fresh and host is not None else [],
        against=["The node did not boot around then"]
        if host is not None and host.started_at is not None and not fresh
        else [],
    )
    found.cause(
        "The node ran out of memory or room for it",
        speaks_for=[case.near("memory-high", "storage-high")],
        against=[] if case.other("memory-high", "storage-high") else ["Neither was short then"],
    )
    if unit:
        found.do(f"Read what {unit} wrote", "get_journal", node=node, service=unit)
        found.do(f"Restart {unit} on {node}", "restart_service", node=node, service=unit)
