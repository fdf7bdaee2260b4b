"""Rules of the watching: the cluster, its endpoints, privileges, quorum, clocks, certificates, SSH."""

from __future__ import annotations

from jarvis_daemon.assistant.answers.words import listing, safe
from jarvis_daemon.assistant.explaining.case import Case
from jarvis_daemon.assistant.explaining.findings import Found, rule
from jarvis_daemon.incidents.lines import span

HOT_START_C = 70.0
BUSY = 0.8
STEEP = 0.2


@rule("cluster-unwatchable")
def unwatchable(case: Case, found: Found) -> None:
    problem = case.text("problem")
    failed = case.fact("endpoints_failed") or {}
    gone = (
        [f"{safe(url, 120)}: {safe(why, 200)}" for url, why in failed.items()] if isinstance(failed, dict) else []
    )
    found.cause(
        "The token was deleted, has expired, or its secret is another one",
        speaks_for=[problem] if case.says("token", "401", "authentication", "unauthorized") else [],
        against=[] if case.says("token", "401", "authentication") else ["What it says does not speak of the token"],
    )
    found.cause(
        "A node shows another certificate than the pinned one",
        speaks_for=[problem] if case.says("certificate", "fingerprint") else [],
        against=[] if case.says("certificate", "fingerprint") else ["No certificate is spoken of"],
    )
    found.cause(
        "No endpoint can be reached: the network between here and the nodes, or all of the nodes",
        speaks_for=gone[:4],
        against=[] if gone else ["No endpoint is told to fail"],
    )
    found.do("Check the way to the cluster, the token and the certificate", command="jarvis doctor")
    found.do(
        "Give the cluster a token anew, or pin its new certificate after looking at it", command="jarvis setup"
    )


@rule("endpoint-failing")
def endpoint(case: Case, found: Found) -> None:
    error, node = case.text("error"), case.host
    state = f"{case.node} is {node.status}" if node is not None else ""
    found.cause(
        "The endpoint shows another certificate: it was renewed, or somebody stands in between",
        speaks_for=[error] if case.says("certificate", "fingerprint") else [],
        against=[] if case.says("certificate", "fingerprint") else ["No certificate is spoken of"],
    )
    found.cause(
        "Its node is down or does not answer",
        speaks_for=[state] if node is not None and node.status != "online" else [],
        against=[state] if node is not None and node.status == "online" else [],
    )
    found.cause(
        "pveproxy on that node is overloaded or hangs",
        speaks_for=[
            s
            for s in (
                error if case.says("slow", "timed out", "answer", "within") else "",
                case.near("cpu-high", "memory-high"),
            )
            if s
        ],
    )
    found.cause(
        "The network between here and that node, or its address",
        speaks_for=[error] if case.says("refused", "route", "connect", "name") else [],
    )
    if case.node:
        found.do(f"Look at pveproxy on {case.node}", "get_service_status", node=case.node, service="pveproxy")
    found.do(
        "See what each endpoint answers, and pin a renewed certificate only after comparing it",
        command="jarvis doctor",
    )


@rule("permission-missing")
def permission(case: Case, found: Found) -> None:
    missing = case.fact("missing")
    told = listing(safe(one, 80) for one in missing) if isinstance(missing, list) else ""
    found.cause(
        "The token's role was changed, or was never given these privileges",
        speaks_for=[f"Missing: {told}"] if told else [],
    )
    found.cause("The token is privilege-separated and its user may do more than it may", speaks_for=[])
    found.do("See which privileges are needed, and the command that grants them", command="jarvis setup")


@rule("quorum-lost")
def quorum(case: Case, found: Found) -> None:
    down = [n.name for n in case.view.nodes if n.status == "offline"]
    online, total, needed = (case.number(key) for key in ("nodes_online", "nodes_total", "quorum_needed"))
    votes = (
        f"{online:.0f} of {total:.0f} nodes are in touch, {needed:.0f} are needed"
        if None not in (online, total, needed)
        else ""
    )
    found.cause(
        "Nodes are down, so that too few votes are left",
        speaks_for=[
            s
            for s in (
                f"Offline: {listing(safe(n, 80) for n in down)}" if down else "",
                votes,
                case.near("node-unreachable", same_node=False),
            )
            if s
        ],
        against=[] if down else ["No node is known to be off"],
    )
    found.cause(
        "The nodes run, but corosync's network between them is broken",
        speaks_for=["Nodes that are said to be offline still answer elsewhere"]
        if case.near("endpoint-failing", same_node=False)
        else [],
        against=[f"{listing(safe(n, 80) for n in down)} do not answer at all"] if down else [],
    )
    for name in down[:3]:
        found.do(f"Wake {safe(name, 80)}", "wake_node", node=name)
    found.do("See quorum and votes as the cluster tells them", "get_ha_status")
    found.do(
        (
            "Leave `pvecm expected` alone until you know that the missing nodes are off: "
            "two halves that both write destroy data"
        ),
        command="jarvis node list",
    )


@rule("clock-skew")
def clock(case: Case, found: Found) -> None:
    here = case.incident.target.startswith("cluster:")
    skew = case.number("skew_s")
    told = f"It is {span(abs(skew))} {'ahead' if skew > 0 else 'behind'}" if skew is not None else ""
    if here:
        found.cause(
            "The clock of the machine that Jarvis runs on is wrong",
            speaks_for=[told, "All nodes agree with each other"],
        )
        found.do("Set the time of this machine by NTP: `timedatectl set-ntp true`", command="jarvis doctor")
        return
    found.cause(
        "Its time service (chrony, systemd-timesyncd) does not run, or has no server",
        speaks_for=[told] if told else [],
    )
    host = case.host
    fresh = host is not None and host.started_at is not None and case.now - host.started_at < 3600
    found.cause(
        "It came up lately with a wrong hardware clock, and has not been corrected yet",
        speaks_for=[f"It has been up for {span(case.now - (host.started_at or 0))}"]
        if fresh and host is not None
        else [],
        against=[f"It has been up for {span(case.now - host.started_at)}"]
        if host is not None and host.started_at is not None and not fresh
        else [],
    )
    found.do("See whether its time service runs", "get_service_status", node=case.node, service="chrony")
    found.do("Read what it wrote", "get_journal", node=case.node, service="chrony")


@rule("certificate-expiring")
def certificate(case: Case, found: Found) -> None:
    at = case.number("expires_at")
    gone = at is not None and at <= case.now
    found.cause(
        "It has not been renewed by itself",
        speaks_for=[
            (f"It expired {case.ago(at)}" if gone else f"It holds for another {span(at - case.now)}")
            if at is not None
            else ""
        ],
    )
    found.cause(
        "An ACME order failed, or none is set up",
        speaks_for=[case.task(t)] if (t := case.ran("acmenewcert", "acmerenew")) else [],
    )
    found.cause("pve's own daily renewal (pvedaily, `pveupdate`) did not run", speaks_for=[])
    found.do("See whether the daily update runs", "get_service_status", node=case.node, service="pve-daily-update")
    found.do(
        (
            f"Renew it on {case.node}: `pvenode acme cert renew`, or `pvecm updatecerts` "
            "for PVE's own; then pin the new one"
        ),
        command="jarvis doctor",
    )


@rule("sensors-failing")
def sensors(case: Case, found: Found) -> None:
    error = case.text("error")
    found.cause(
        "sshd on the node does not run, or its port is closed",
        speaks_for=[error] if case.says("refused", "reset", "closed") else [],
    )
    found.cause(
        "The key is not accepted any more",
        speaks_for=[error] if case.says("permission", "denied", "auth", "key") else [],
    )
    found.cause(
        "The node shows another host key: it was installed anew, or somebody stands in between",
        speaks_for=[error] if case.says("host key", "known_hosts", "verification") else [],
    )
    found.cause(
        "It is too busy to answer",
        speaks_for=[
            s
            for s in (
                error if case.says("timed out", "within", "timeout") else "",
                case.near("cpu-high", "memory-high", "node-unreachable"),
            )
            if s
        ],
    )
    found.do("Test SSH to each node, and see which step fails", command="jarvis doctor")
    found.do(f"See sshd on {case.node} by the API, which does not need SSH", "list_services", node=case.node)
