"""Settings: ``config.toml``, then the environment (``JARVIS_CLUSTER__NAME``), then systemd credentials.

Every field has its docstring below it; ``jarvis config show --origin`` tells where each value came from.
An unknown key is an error that names the nearest known one. Secrets never stand in the file: a
``*_file`` names a file (0600, relative to the config folder), the environment or a credential gives it.
"""

from jarvis_daemon.settings.assistant import (
    AssistantSettings,
    CloudModelSettings,
    CostSettings,
    EmbeddedModelSettings,
    LocalModelSettings,
    MemorySettings,
    RouterSettings,
)
from jarvis_daemon.settings.base import Section
from jarvis_daemon.settings.loading import ENV_PREFIX, NOT_SETTINGS, Loaded, load
from jarvis_daemon.settings.model import Settings
from jarvis_daemon.settings.notify import AppriseSettings, EmailSettings, NotifySettings, RouteSettings
from jarvis_daemon.settings.sections import (
    ApprovalSettings,
    AutonomySettings,
    ClusterSettings,
    ConditionSettings,
    DemoSettings,
    DockerSettings,
    FeedSettings,
    FrontSettings,
    LogSettings,
    McpServerSettings,
    McpSettings,
    RemediationSettings,
    ServerSettings,
    SshSettings,
    ToolSettings,
    UptimeSettings,
    WakeSettings,
)

__all__ = [
    "ENV_PREFIX",
    "NOT_SETTINGS",
    "AppriseSettings",
    "ApprovalSettings",
    "AssistantSettings",
    "AutonomySettings",
    "CloudModelSettings",
    "ClusterSettings",
    "ConditionSettings",
    "CostSettings",
    "DemoSettings",
    "DockerSettings",
    "EmailSettings",
    "EmbeddedModelSettings",
    "FeedSettings",
    "FrontSettings",
    "Loaded",
    "LocalModelSettings",
    "LogSettings",
    "McpServerSettings",
    "McpSettings",
    "MemorySettings",
    "NotifySettings",
    "RemediationSettings",
    "RouteSettings",
    "RouterSettings",
    "Section",
    "ServerSettings",
    "Settings",
    "SshSettings",
    "ToolSettings",
    "UptimeSettings",
    "WakeSettings",
    "load",
]
