"""Where things lie, and when the demo is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from jarvis_daemon.protocol import locate
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, base_places, check_socket_path, cluster_configured, places


def test_jarvis_home_relocates_everything_together(tmp_path: Path) -> None:
    here = base_places({"JARVIS_HOME": str(tmp_path)})
    every = (here.config_file, here.database, here.log_file, here.socket, here.simulator_socket, here.known_hosts)
    assert all(path.is_relative_to(tmp_path) for path in every)


def test_without_it_the_xdg_folders_count(tmp_path: Path) -> None:
    here = base_places({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "r")})
    assert here.config_file == tmp_path / ".config/jarvis/config.toml"
    assert here.database == tmp_path / ".local/share/jarvis/jarvis.db"
    assert here.socket == tmp_path / "r/jarvis/jarvisd.sock"


def test_no_cluster_means_the_demo_with_folders_of_its_own(tmp_path: Path) -> None:
    env = {"JARVIS_HOME": str(tmp_path)}
    demo = places(env)
    assert demo.demo
    assert demo.socket != base_places(env).socket
    assert demo.database == tmp_path / "data/demo/jarvis.db"
    assert demo.for_demo() is demo


def test_the_machines_installation_counts_where_one_has_none_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Places(tmp_path / "etc", tmp_path / "lib", tmp_path / "state", tmp_path / "run", system=True)
    monkeypatch.setattr(locate, "SYSTEM", machine)
    env = {"HOME": str(tmp_path / "me"), "XDG_RUNTIME_DIR": str(tmp_path / "r")}
    assert places(env).demo
    machine.config_dir.mkdir()
    assert places(env) is machine
    assert places(env | {"JARVIS_HOME": str(tmp_path)}).demo
    own = base_places(env).config_file
    own.parent.mkdir(parents=True)
    own.write_text("[cluster]\n")
    assert places(env) == base_places(env)
    assert base_places({"JARVIS_SYSTEM": "1"}) is machine


@pytest.mark.parametrize("content", ["[cluster]\nname = 'x'\n", "not toml at all [", "\xff\xfe"])
def test_a_configured_or_broken_file_is_never_the_demo(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.toml").write_bytes(content.encode("latin-1"))
    env = {"JARVIS_HOME": str(tmp_path)}
    assert cluster_configured(base_places(env), env)
    assert not places(env).demo


def test_a_file_without_a_cluster_is_the_demo(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[log]\nlevel = 'debug'\n")
    assert places({"JARVIS_HOME": str(tmp_path)}).demo


def test_the_environment_alone_configures_a_cluster(tmp_path: Path) -> None:
    assert not places({"JARVIS_HOME": str(tmp_path), "JARVIS_CLUSTER__ENDPOINTS": "https://a:8006"}).demo


def test_a_socket_path_the_kernel_cannot_hold_is_told() -> None:
    with pytest.raises(JarvisError, match="too long"):
        check_socket_path(Path("/" + "x" * 120))
