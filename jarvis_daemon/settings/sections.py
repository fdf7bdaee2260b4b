"""Settings of the cluster's watch, the gate, what is served and what is repaired; a docstring under each field."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from jarvis_daemon.settings.base import BACKUP_WINDOW, Section


class SshSettings(Section):
    """How nodes are reached for temperatures and services; host keys are pinned in a file of ours."""

    enabled: bool = True
    """False: no SSH at all; temperatures then stay unknown."""
    user: str = "root"
    """The account on the nodes."""
    key_file: str | None = None
    """Private key; without one the agent and the usual files in ~/.ssh are tried."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """The port of sshd on the nodes."""
    hosts: dict[str, str] = {}
    """Node name to ``host`` or ``host:port``, where the address that PVE tells is not the one to use."""
    known_hosts_file: str | None = None
    """Pinned host keys; without one, ``known_hosts`` in the data folder, which `jarvis setup` fills."""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Deadline of one command on a node, connection included."""


class WakeSettings(Section):
    """How a sleeping node is woken where no living node of the cluster can do it."""

    macs: dict[str, Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")]] = {}
    """Node name to the address of its network card."""
    address: str = "255.255.255.255"
    """Where the magic packet goes: a broadcast address of the nodes' network."""
    port: Annotated[int, Field(ge=1, le=65535)] = 9
    """UDP port of the magic packet."""


class ClusterSettings(Section):
    """The Proxmox cluster to watch."""

    name: str = "homelab"
    """What the cluster is called on the screen and in ids."""
    endpoints: Annotated[list[str], Field(min_length=1)]
    """API addresses; any node serves the whole cluster, the next one is used when one fails."""
    token_id: str
    """``user@realm!tokenname`` of the API token."""
    token_secret_file: str | None = None
    """File with the token's secret, relative to the config folder."""
    token_secret: pydantic.SecretStr | None = None
    """Only by JARVIS_CLUSTER__TOKEN_SECRET or a systemd credential, never in the file."""
    tls: Literal["verify", "fingerprint", "insecure"] = "verify"
    """``verify`` by CA, ``fingerprint`` by the list below, ``insecure`` for a lab without value."""
    ca_file: str | None = None
    """PVE's own CA (/etc/pve/pve-root-ca.pem of a node), for ``verify``."""
    fingerprints: list[str] = []
    """SHA-256 fingerprints of the nodes' certificates, as `pvenode cert info` prints them."""
    runs_on: str | None = None
    """The node or guest that carries this daemon; unknown makes node-level writes forbidden."""
    simulated: bool = False
    """Set by the demo; then every connection must stay on loopback."""
    poll_interval_s: Annotated[float, Field(ge=0.2, le=300)] = 10.0
    """Rhythm of the two cluster-wide calls; PVE itself refreshes every 10 s."""
    node_interval_s: Annotated[float, Field(ge=0.2, le=3600)] = 60.0
    """Rhythm of the per-node status call."""
    sensors_interval_s: Annotated[float, Field(ge=0.2, le=3600)] = 30.0
    """Rhythm of the temperature reading by SSH."""
    disks_interval_s: Annotated[float, Field(ge=0.2, le=86400)] = 3600.0
    """Rhythm at which each node is asked for the health of its disks."""
    call_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    """Overall deadline of one API call."""
    ssh: SshSettings = SshSettings()
    wake: WakeSettings = WakeSettings()


class ConditionSettings(Section):
    """Thresholds of the conditions, shares in percent."""

    storage_warning_pct: Annotated[float, Field(gt=0, le=100)] = 90.0
    """A storage fuller than this is an error."""
    storage_critical_pct: Annotated[float, Field(gt=0, le=100)] = 95.0
    """A storage fuller than this is critical."""
    memory_warning_pct: Annotated[float, Field(gt=0, le=100)] = 85.0
    """A node with more memory in use than this is warned of."""
    memory_critical_pct: Annotated[float, Field(gt=0, le=100)] = 95.0
    """A node with more memory in use than this is critical."""
    cpu_warning_pct: Annotated[float, Field(gt=0, le=100)] = 95.0
    """A node busier than this, sustained, is warned of."""
    cpu_sustained_s: Annotated[float, Field(ge=0)] = 300.0
    """How long the CPU has to stay above."""
    temperature_warning_c: float = 80.0
    """A CPU warmer than this is warned of."""
    temperature_critical_c: float = 92.0
    """A CPU warmer than this is critical."""
    hysteresis_pct: Annotated[float, Field(ge=0, le=50)] = 5.0
    """How far below its threshold a value has to fall before the incident closes (points or °C)."""
    grace_s: Annotated[float, Field(ge=0)] = 60.0
    """From opening to announcing; a fault that heals within stays unannounced."""
    backup_max_age_days: Annotated[float, Field(gt=0)] = 8.0
    """A guest of a backup job without a good backup for longer is an incident."""
    task_stuck_hours: Annotated[float, Field(gt=0)] = 12.0
    """A task that runs longer is stuck."""
    certificate_warning_days: Annotated[float, Field(ge=0)] = 21.0
    """An API certificate that expires sooner is warned of."""
    disk_life_warning_pct: Annotated[float, Field(ge=0, le=100)] = 5.0
    """An SSD with no more of its life left is warned of."""
    clock_skew_warning_s: Annotated[float, Field(gt=0)] = 5.0
    """A node whose clock differs by more is warned of."""
    guest_memory_sustained_s: Annotated[float, Field(ge=0)] = 60.0
    """How long a guest has to use 98 % of its memory before it counts as out of memory."""
    services: dict[str, list[str]] = {}
    """Node name to the systemd units that must run there."""
    backup_windows: list[Annotated[str, Field(pattern=BACKUP_WINDOW)]] = []
    """``HH:MM-HH:MM`` local time, when load and locks are expected and nothing is reported of them."""


class FeedSettings(Section):
    """Regular lines of the feed."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 300.0
    """Rhythm of the heartbeat line."""
    storage_check_s: Annotated[float, Field(gt=0)] = 1800.0
    """Rhythm of the storage line."""
    retention_days: Annotated[float, Field(gt=0)] = 90.0
    """How long feed events and closed incidents are kept."""


class ServerSettings(Section):
    """The daemon's front door."""

    group: str | None = None
    """Unix group that may attach too (socket 0660), for a kiosk user."""


class ToolSettings(Section):
    """What the gate asks beyond the tiers."""

    protected: list[str] = []
    """Guests (vmid, name or ``tag:NAME``), nodes, services (``node/unit``): acts on them are one tier graver."""
    agents_run_yellow: bool = False
    """True: models, MCP clients and packages run YELLOW tools without an approval."""
    at_once: Annotated[int, Field(ge=1, le=32)] = 4
    """Writes that may run at the same time, of all tools together."""


class ApprovalSettings(Section):
    """How the operator proves to be the operator, where agents run on the same account."""

    pin: str | None = None
    """scrypt hash as `jarvis config pin` prints it; asked for at every approval and confirmation."""


class FrontSettings(Section):
    """The process with the only TCP port: MCP over HTTP at /mcp."""

    enabled: bool = False
    """True: the daemon starts it. Clients need the token that `jarvis mcp token` makes."""
    host: str = "127.0.0.1"
    """The address to listen at; beyond loopback the token travels in the clear, so put TLS in front of it."""
    port: Annotated[int, Field(ge=1, le=65535)] = 7722
    """The TCP port."""
    allowed_hosts: list[str] = []
    """``Host`` headers (``name:port``) that are answered beside those of loopback, for a reverse proxy."""
    allowed_origins: list[str] = []
    """``Origin`` headers (``https://name``) that are answered beside those of loopback."""


class DockerSettings(Section):
    """Where containers of Docker or Podman are looked after."""

    hosts: dict[str, str] = {}
    """Name of a node or guest, or `local` for this machine, to the path of the socket there, such as
    /var/run/docker.sock. Others than `local` are reached by SSH, as cluster.ssh says."""
    interval_s: Annotated[float, Field(ge=0.2, le=3600)] = 30.0
    """Rhythm at which each of them is asked how its containers are."""


class UptimeSettings(Section):
    """Watchers of the house's own services, whose findings are shown."""

    prometheus_url: Annotated[str | None, Field(pattern=r"^https?://[^\s]+$")] = None
    """A Prometheus; its metric ``up`` is read, and ``probe_success`` of the blackbox exporter."""
    kuma_url: Annotated[str | None, Field(pattern=r"^https?://[^\s]+/status/[A-Za-z0-9_-]+$")] = None
    """A public status page of an Uptime Kuma, such as http://kuma:3001/status/home."""


class McpServerSettings(Section):
    """Another MCP server whose tools Jarvis offers: by ``command`` or by ``url``."""

    enabled: bool = True
    """False: left out."""
    command: str | None = None
    """The program to start, by its path."""
    args: list[str] = []
    """Its arguments; no secrets, they can be seen by others."""
    env: dict[str, str] = {}
    """Its environment, beside the usual few variables."""
    env_files: dict[str, str] = {}
    """Variable to the file (0600, relative to the config folder) that holds its secret value."""
    url: str | None = None
    """The address of a server over HTTP."""
    token_file: str | None = None
    """File (0600) with the bearer token for ``url``."""
    tiers: dict[str, Literal["green", "yellow", "red", "black"]] = {}
    """Tool (its own name) to tier; what is not named is red."""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Longest wait for an answer."""


class McpSettings(Section):
    """Jarvis as a client of other MCP servers."""

    servers: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9]{0,19}$")], McpServerSettings] = {}
    """Name to server; its tools are called ``NAME_tool``."""


class DemoSettings(Section):
    """The simulated homelab that is watched where no cluster is configured."""

    poll_interval_s: Annotated[float, Field(ge=0.2, le=300)] = 5.0
    """Livelier than a real cluster's 10 s: a demo is there to be broken and watched."""
    node_interval_s: Annotated[float, Field(ge=0.2, le=3600)] = 20.0
    """Rhythm of the per-node status call."""
    sensors_interval_s: Annotated[float, Field(ge=0.2, le=3600)] = 10.0
    """Rhythm of the temperature reading."""
    disks_interval_s: Annotated[float, Field(ge=0.2, le=86400)] = 30.0
    """Rhythm at which each node is asked for the health of its disks; an hour on a real cluster."""
    docker_interval_s: Annotated[float, Field(ge=0.2, le=3600)] = 10.0
    """Rhythm at which the Docker hosts are asked how their containers are."""
    stat_interval_s: Annotated[float, Field(ge=0.1, le=300)] = 5.0
    """How often the simulated nodes measure themselves; a real pvestatd takes 10 s."""
    nodes: Annotated[int, Field(ge=1, le=64)] | None = None
    """Scale the homelab to so many nodes."""
    guests: Annotated[int, Field(ge=0, le=20000)] | None = None
    """Scale the homelab to so many guests."""
    speed: Annotated[float, Field(gt=0, le=1000)] | None = None
    """How fast tasks, loads and faults run; wall clocks stay real."""
    seed: int | None = None
    """The simulator's random numbers, for a run that can be repeated."""


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""


class AutonomySettings(Section):
    """How much is repaired without asking."""

    level: Annotated[int, Field(ge=0, le=4)] | None = None
    """L0 observe, L1 alert, L2 recommend, L3 act and report, L4 act silently. Where nothing is set: 2, and 3 where
    the homelab is simulated. What `jarvis autonomy set` chose goes before it."""


class RemediationSettings(Section):
    """Bounds of what runbooks may do by themselves; they can be made tighter, never wider."""

    enabled: bool = True
    """False: nothing is judged, nothing is repaired."""
    attempts: Annotated[int, Field(ge=1, le=3)] = 3
    """Attempts at one fault within a day; then it is a person's."""
    cool_down_factor: Annotated[float, Field(ge=1, le=24)] = 1.0
    """Times the cool-downs of 10, 30 and 60 minutes."""
    acts_per_hour: Annotated[int, Field(ge=0, le=6)] = 6
    """More repairs in an hour are asked for."""
    acts_per_day: Annotated[int, Field(ge=0, le=20)] = 20
    """More repairs in a day are asked for."""
    guests_at_once: Annotated[int, Field(ge=1, le=2)] = 2
    """Repairs of guests, services or containers at the same time; of a node it is always one, and alone."""
    ha_patience_s: Annotated[float, Field(ge=180, le=3600)] = 180.0
    """How long PVE's own HA is left alone with a lost node."""
    person_quiet_s: Annotated[float, Field(ge=300, le=86400)] = 600.0
    """For so long after somebody else's task on a target nothing is done to it."""
