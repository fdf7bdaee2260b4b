"""Storage replication: one job that a fault can break.

The inventory file names no replication job; the simulator adds this one, from a guest's node to the node
that carries the daemon, so that the API has something to tell and a fault something to break.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jarvis_daemon.simulator.world import World

EVERY_S: Final = 900.0
RETRY_S: Final = 60.0
REPLICATED: Final = "vaultwarden"


@dataclass
class Job:
    id: str
    vmid: int
    source: str
    target: str
    last_try: float
    last_sync: float
    duration_s: float = 2.7
    fail_count: int = 0
    error: str | None = None


class Replication:
    """Every job runs each quarter of an hour (real time), after a failure each minute."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.failing: dict[str, str] = {}
        """Jobs that fail, with the reason."""
        self.jobs: dict[str, Job] = {}
        guest = world.guest_named(REPLICATED)
        target = world.inventory.runs_on
        if guest is not None and guest.node != target:
            last = world.now - world.now % EVERY_S
            self.jobs[f"{guest.vmid}-0"] = Job(f"{guest.vmid}-0", guest.vmid, guest.node, target, last, last)
        for job in self.jobs.values():
            world.timeline.after_real(self.next_sync(job) - world.now, partial(self._due, job))

    def next_sync(self, job: Job) -> float:
        return job.last_try + (RETRY_S if job.fail_count else EVERY_S)

    def _due(self, job: Job) -> None:
        if job.id not in self.jobs:
            return
        self.run(job)
        self._world.timeline.after_real(RETRY_S if job.fail_count else EVERY_S, lambda: self._due(job))

    def forget(self, vmid: int) -> None:
        """The guest is gone, its jobs with it."""
        self.jobs = {key: job for key, job in self.jobs.items() if job.vmid != vmid}

    def run(self, job: Job) -> None:
        """One run of ``job``, now."""
        source, target = self._world.nodes[job.source], self._world.nodes[job.target]
        if not source.online or source.frozen:
            return
        reason = self.failing.get(job.id)
        if reason is None and not target.online:
            reason = f"command 'ssh {job.target}' failed: exit code 255"
        job.last_try = self._world.now
        if reason is None:
            job.last_sync, job.fail_count, job.error = self._world.now, 0, None
        else:
            job.fail_count, job.error = job.fail_count + 1, reason

    def config_rows(self) -> list[dict[str, Any]]:
        """``GET /cluster/replication``."""
        return [
            {"id": job.id, "type": "local", "guest": job.vmid, "jobnum": 0, "source": job.source,
             "target": job.target, "schedule": "*/15", "digest": "0" * 40}
            for job in self.jobs.values()
        ]  # fmt: skip

    def status_rows(self, node: str) -> list[dict[str, Any]]:
        """``GET /nodes/{n}/replication``: the jobs whose source is ``node``; ``error`` only after a failure."""
        return [self.status_row(job) for job in self.jobs.values() if job.source == node]

    def status_row(self, job: Job) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": job.id, "type": "local", "guest": job.vmid, "jobnum": 0, "source": job.source,
            "target": job.target, "schedule": "*/15", "last_sync": int(job.last_sync),
            "last_try": int(job.last_try), "next_sync": int(self.next_sync(job)), "duration": job.duration_s,
            "fail_count": job.fail_count, "vmtype": self._world.guests[job.vmid].spec.pve_type,
        }  # fmt: skip
        if job.error is not None:
            row["error"] = job.error
        return row
