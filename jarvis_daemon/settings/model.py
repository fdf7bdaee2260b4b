"""All settings, section by section."""

from __future__ import annotations

from jarvis_daemon.settings.assistant import AssistantSettings
from jarvis_daemon.settings.base import Section
from jarvis_daemon.settings.notify import NotifySettings
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
    McpSettings,
    RemediationSettings,
    ServerSettings,
    ToolSettings,
    UptimeSettings,
)


class Settings(Section):
    cluster: ClusterSettings | None = None
    conditions: ConditionSettings = ConditionSettings()
    feed: FeedSettings = FeedSettings()
    server: ServerSettings = ServerSettings()
    demo: DemoSettings = DemoSettings()
    tools: ToolSettings = ToolSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    front: FrontSettings = FrontSettings()
    mcp: McpSettings = McpSettings()
    docker: DockerSettings = DockerSettings()
    uptime: UptimeSettings = UptimeSettings()
    log: LogSettings = LogSettings()
    autonomy: AutonomySettings = AutonomySettings()
    remediation: RemediationSettings = RemediationSettings()
    notify: NotifySettings = NotifySettings()
    assistant: AssistantSettings = AssistantSettings()
