"""Runs the table of judging functions over a picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from jarvis_daemon.cluster.conditions import (
    backups,
    containers,
    disks,
    guests,
    load,
    machines,
    storages,
    tasks,
    watching,
)
from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Memory, Round
from jarvis_daemon.protocol.state import Incident
from jarvis_daemon.settings import ConditionSettings

_log = logging.getLogger("jarvis.cluster")
JudgeFunction = Callable[[Picture, Round, ConditionSettings], None]

JUDGES: Final[dict[str, JudgeFunction]] = {
    "cluster-unwatchable": watching.unwatchable,
    "endpoint-failing": watching.endpoints,
    "permission-missing": watching.permissions,
    "quorum-lost": watching.quorum,
    "node-unreachable": machines.unreachable,
    "clock-skew": machines.clock_skew,
    "certificate-expiring": machines.certificates,
    "service-down": machines.services,
    "sensors-failing": machines.sensors,
    "memory-high": load.memory,
    "cpu-high": load.cpu,
    "temperature-high": load.temperature,
    "storage-high": storages.storages,
    "disk-failing": disks.disks,
    "docker-container-unhealthy": containers.containers,
    "guest-crashed": guests.crashed,
    "guest-out-of-memory": guests.out_of_memory,
    "task-stuck": tasks.stuck,
    "task-failed": tasks.failed,
    "backup-failed": backups.failed,
    "backup-missing": backups.missing,
    "replication-failed": backups.replication,
}


class Judge:
    """The conditions of one cluster, with their memory."""

    def __init__(self, settings: ConditionSettings) -> None:
        self.settings = settings
        self.memory = Memory()

    def seed(self, open_incidents: Iterable[Incident]) -> None:
        """Take over what was open when the daemon last ended, so that hysteresis goes on from there."""
        for incident in open_incidents:
            self.memory.severities[incident.condition, incident.target] = incident.severity
            guests.seed(self.memory, incident)
            tasks.seed(self.memory, incident)

    def judge(self, picture: Picture) -> Round:
        """One round."""
        found = Round(self.memory, self.settings.grace_s)
        for condition, function in JUDGES.items():
            try:
                function(picture, found, self.settings)
            except Exception:  # one blind judge must not blind the others
                _log.exception("the condition %s could not be judged", condition)
                found.drop(condition)
        found.finish()
        return found
