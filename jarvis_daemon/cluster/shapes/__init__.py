"""Raw replies of PVE 7 to 9 as small structs; the only place that knows how PVE spells things.

* a single bad row is dropped and counted with its reason (``dropped``), never an exception for the whole reply
* a reply of the wrong outermost shape raises ``JarvisError("cluster_unreachable")``
* None is "not known", never zero; text is clean (``protocol.text``); sizes in bytes, times in Unix seconds

Sources: the published API schemas (right about inputs only) and real replies; the traps are tests in
``tests/unit/cluster/test_shapes*.py``.
"""

from jarvis_daemon.cluster.shapes.backups import (
    BackupJob,
    BackupVolume,
    ReplicationJob,
    parse_backup_jobs,
    parse_backup_volumes,
    parse_replication,
)
from jarvis_daemon.cluster.shapes.cluster import (
    HaReply,
    Member,
    Permissions,
    StatusReply,
    TokenRow,
    Version,
    parse_ha,
    parse_permissions,
    parse_status,
    parse_tokens,
    parse_version,
)
from jarvis_daemon.cluster.shapes.guests import (
    Address,
    GuestConfig,
    GuestStatusReply,
    Snapshot,
    parse_agent_addresses,
    parse_guest_config,
    parse_guest_status,
    parse_lxc_addresses,
    parse_snapshots,
)
from jarvis_daemon.cluster.shapes.nodes import (
    Certificate,
    DiskRow,
    NodeStatusReply,
    NodeStorageRow,
    ServiceRow,
    api_certificate,
    parse_certificates,
    parse_disks,
    parse_node_status,
    parse_node_storages,
    parse_services,
    parse_time,
)
from jarvis_daemon.cluster.shapes.resources import GuestRow, NodeRow, Resources, StorageRow, parse_resources
from jarvis_daemon.cluster.shapes.series import MetricPoint, parse_metrics_export, parse_rrd
from jarvis_daemon.cluster.shapes.tasks import (
    LogLine,
    Upid,
    parse_task_log,
    parse_task_status,
    parse_tasks,
    parse_upid,
    task_outcome,
)
from jarvis_daemon.cluster.shapes.values import Dropped

__all__ = [
    "Address", "BackupJob", "BackupVolume", "Certificate", "DiskRow", "Dropped", "GuestConfig",
    "GuestRow", "GuestStatusReply", "HaReply", "LogLine", "Member", "MetricPoint", "NodeRow", "NodeStatusReply",
    "NodeStorageRow", "Permissions", "ReplicationJob", "Resources", "ServiceRow", "Snapshot", "StatusReply",
    "StorageRow", "TokenRow", "Upid", "Version", "api_certificate", "parse_agent_addresses",
    "parse_backup_jobs", "parse_backup_volumes", "parse_certificates", "parse_disks", "parse_guest_config",
    "parse_guest_status", "parse_ha", "parse_lxc_addresses", "parse_metrics_export", "parse_node_status",
    "parse_node_storages", "parse_permissions", "parse_replication", "parse_resources", "parse_rrd",
    "parse_services", "parse_snapshots", "parse_status", "parse_task_log", "parse_task_status", "parse_tasks",
    "parse_time", "parse_tokens", "parse_upid", "parse_version", "task_outcome",
]  # fmt: skip
