"""Backups that failed or were never made, and replication that does not get through."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.cluster.conditions.tasks import describe, evidence_of, unmended
from jarvis_daemon.cluster.shapes import BackupJob, ReplicationJob
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.settings import ConditionSettings

FAILED_FOR_S: Final = 8 * 86400.0
"""A failed backup stays one until a good run; after so long ``backup-missing`` has taken over."""


def failed(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """The last run for this guest, or of this node's job, failed."""
    if not picture.is_fresh("tasks"):
        return
    found.cover("backup-failed")
    mine = unmended(found.memory, picture, "backup-failed", lambda t: t.type == "vzdump", FAILED_FOR_S)
    for target, task in mine.items():
        found.report(
            "backup-failed", target, "error", f"{describe(picture, task)} has failed",
            f"{task.exit_text}. `jarvis task show` has its log.", evidence=evidence_of(task),
            settled=f"{describe(picture, task)} has succeeded",
        )  # fmt: skip


def missing(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Guests of an enabled job without a good backup for ``backup_max_age_days``."""
    if picture.backups is None or not picture.is_fresh("backups") or picture.in_window:
        return
    found.cover("backup-missing")
    limit_s = settings.backup_max_age_days * 86400
    jobs = [(job, frozenset(job.vmids), frozenset(job.exclude)) for job in picture.backups.jobs if job.enabled]
    for guest in picture.guests.values():
        job = next((job for job, members, not_these in jobs if holds(job, guest, members, not_these)), None)
        if job is None or guest.template:
            continue
        last = picture.backups.last.get(guest.vmid)
        age = None if last is None else picture.now - last
        if age is not None and age <= limit_s:
            continue
        since = "None was found." if age is None else f"The last one is {span(age)} old."
        found.report(
            "backup-missing", guest.id, "warning", f"{guest.name or guest.id} has no recent backup",
            f"{since} It belongs to the job {job.id}.",
            evidence={"node": guest.node, "last_at": last, "job": job.id},
            settled=f"{guest.name or guest.id} is backed up again",
        )  # fmt: skip


def holds(job: BackupJob, guest: Guest, members: Set[int], exclude: Set[int]) -> bool:
    """Whether a backup job is meant to save ``guest``; the job's two lists come as sets."""
    if job.node is not None and job.node != guest.node:
        return False
    if job.all:
        return guest.vmid not in exclude
    if job.pool is not None:
        return guest.pool == job.pool and guest.vmid not in exclude
    return guest.vmid in members


def replication(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Failing now, as the guest's node tells."""
    if picture.replications is None or not picture.is_fresh("replication"):
        return
    found.cover("replication-failed")
    unread = {node for node in picture.replications if not picture.is_fresh("replication", node)}
    for target in found.active("replication-failed"):
        guest = picture.guests.get(target)
        if guest is None or guest.node in unread:
            found.skip("replication-failed", target)
    for job in [job for node, jobs in picture.replications.items() if node not in unread for job in jobs]:
        if not job.disabled and (job.fail_count or job.error):
            _report_replication(picture, found, job)


def _report_replication(picture: Picture, found: Round, job: ReplicationJob) -> None:
    guest_id = f"guest:{job.vmid}"
    name = picture.name_of(guest_id)
    ago = f" Last good run {span(picture.now - job.last_sync_at)} ago." if job.last_sync_at else ""
    found.report(
        "replication-failed", guest_id, "error", f"The replication of {name} fails",
        f"To {job.target}: {job.error or 'no reason given'}.{ago}",
        evidence={
            "node": job.source, "job": job.id, "to": job.target, "fail_count": job.fail_count,
            "error": job.error, "last_sync_at": job.last_sync_at,
        },
        settled=f"The replication of {name} works again",
    )  # fmt: skip
