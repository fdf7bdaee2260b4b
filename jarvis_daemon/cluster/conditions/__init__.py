"""What counts as a fault: from the state of the cluster to observations for the incidents room.

``Judge.judge(picture)`` runs every function of ``JUDGES`` over one ``Picture`` and answers one ``Round``. The
functions read nothing else, keep what they need between rounds in ``Memory``, and follow one rule: **what is not
known is not judged**, so that missing data neither opens nor closes an incident.

========================== ============================================== =====================
condition                  when                                           gravity
========================== ============================================== =====================
cluster-unwatchable        bad token, changed certificate, nobody answers critical
endpoint-failing           one API endpoint fails while others answer     warning, error
permission-missing         the token lacks a privilege that watching needs warning
quorum-lost                not quorate, and a second endpoint agrees      critical
node-unreachable           offline, or online and mute                    error
memory-high                > 85 %, > 95 %                                 warning, critical
cpu-high                   > 95 % for five minutes                        warning
temperature-high           > 80 °C, > 92 °C                               warning, critical
clock-skew                 more than 5 s from this machine                warning
certificate-expiring       within 21 days, past                           warning, error
service-down               a listed unit does not run                     error
sensors-failing            no reading by SSH from a node that is online   warning
storage-high               > 90 %, > 95 %                                 error, critical
disk-failing               SMART says so; 5 % of its life left            error, warning
docker-container-unhealthy unhealthy, or restarts again and again         error
guest-crashed              stopped, and no task explains it               error
guest-out-of-memory        >= 98 % for a minute                           warning, error
task-failed, task-stuck    failed within a day; runs longer than 12 h     warning
backup-failed              the last run failed                            error
backup-missing             no good backup for 8 days                      warning
replication-failed         failing now                                    error
========================== ============================================== =====================

The thresholds are ``settings.ConditionSettings``.
"""

from jarvis_daemon.cluster.conditions.judge import JUDGES, Judge
from jarvis_daemon.cluster.conditions.picture import Backups, Muteness, Picture, Stop
from jarvis_daemon.cluster.conditions.round import Memory, Round

__all__ = ["JUDGES", "Backups", "Judge", "Memory", "Muteness", "Picture", "Round", "Stop"]
