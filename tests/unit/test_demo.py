"""What the simulated homelab tells of itself, and what a person has set beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.demo import furnish
from jarvis_daemon.settings import DemoSettings, Settings
from jarvis_daemon.simulator.homelab import Homelab
from jarvis_daemon.simulator.inventory import load

DEMO = DemoSettings(disks_interval_s=7.0, docker_interval_s=9.0)


@pytest.fixture
async def told(tmp_path: Path) -> dict[str, Any]:
    """Of a homelab that serves."""
    async with Homelab(load(), tmp_path / "sim") as lab:
        return lab.sim_json()


async def test_the_homelab_says_what_is_watched_and_what_is_protected(told: dict[str, Any]) -> None:
    settings = Settings()
    furnish(settings, told, DEMO)
    assert settings.tools.protected == ["opnsense"]
    assert settings.docker.hosts == {"management": "/var/run/docker.sock"}
    assert settings.conditions.services["Home"] == ["llama-server", "smbd", "nfs-server"]
    assert settings.cluster is not None
    assert settings.cluster.simulated
    assert (settings.cluster.disks_interval_s, settings.docker.interval_s) == (7.0, 9.0)


async def test_what_a_person_has_set_stays(told: dict[str, Any]) -> None:
    settings = Settings.model_validate({
        "tools": {"protected": ["tag:infra"]}, "conditions": {"services": {"pve": ["smbd"]}},
        "docker": {"hosts": {"plex": "/run/podman.sock"}},
    })  # fmt: skip
    furnish(settings, told, DEMO)
    assert settings.tools.protected == ["tag:infra"]
    assert settings.conditions.services == {"pve": ["smbd"]}
    assert settings.docker.hosts == {"plex": "/run/podman.sock"}
