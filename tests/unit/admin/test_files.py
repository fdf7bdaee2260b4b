"""What setup writes: TOML that reads back, files for us alone, the old ones kept."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis_daemon import settings
from jarvis_daemon.admin import write
from jarvis_daemon.admin.token import commands, split_token_id
from jarvis_daemon.admin.toml import dumps
from jarvis_daemon.cluster.calls import TOKEN_PRIVILEGES
from jarvis_daemon.cluster.calls_write import ACT_PRIVILEGES, ACT_ROLE
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places

text = st.text(st.characters(codec="utf-8"), max_size=20)
scalar = text | st.integers(-(2**53), 2**53) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
tree = st.recursive(
    st.dictionaries(text, scalar | st.lists(scalar, max_size=3), max_size=4),
    lambda inner: st.dictionaries(text, scalar | inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(tree)
def test_what_is_written_reads_back(tree: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(tree)) == tree


CLUSTER = {
    "name": "homelab", "endpoints": ["https://192.168.1.50:8006"], "token_id": "jarvis@pve!daemon",
    "tls": "fingerprint", "fingerprints": ["AA" * 32], "ssh": {"enabled": False},
}  # fmt: skip


def put(**more: Any) -> dict[str, Any]:
    return write.write({"cluster": CLUSTER, "token_secret": "s3cr3t-of-the-token", "autonomy_level": 3} | more)


def test_settings_and_secret_are_for_us_alone(home: Path) -> None:
    written = put()
    assert written["kept"] == []
    for path in (written["config"], written["secret"]):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert "s3cr3t" not in Path(written["config"]).read_text()
    loaded = settings.load(base_places()).settings
    assert loaded.cluster is not None
    assert loaded.cluster.token_secret is not None
    assert loaded.cluster.token_secret.get_secret_value() == "s3cr3t-of-the-token"
    assert loaded.autonomy.level == 3


def test_a_second_setup_keeps_other_sections_and_copies_of_the_old_files(home: Path) -> None:
    put()
    config = home / "config.toml"
    old = config.read_text() + "\n[conditions]\nmemory_warning_pct = 70\n"
    config.write_text(old.replace("[cluster]\n", "[cluster]\npoll_interval_s = 20\nca_file = 'x'\n"))
    written = put(token_secret="another-secret")
    assert [Path(path).name for path in written["kept"]] == ["config.toml.old", "pve-token.old"]
    assert all(stat.S_IMODE(Path(path).stat().st_mode) == 0o600 for path in written["kept"])
    assert "memory_warning_pct = 70" in (home / "config.toml.old").read_text()
    loaded = settings.load(base_places()).settings
    assert loaded.conditions.memory_warning_pct == 70
    assert loaded.cluster is not None
    assert loaded.cluster.poll_interval_s == 20
    assert loaded.cluster.ca_file is None, "what concerns trust is asked anew"


@pytest.mark.parametrize(
    "given",
    [
        {"token_secret": " "},
        {"cluster": CLUSTER | {"endpoints": []}},
        {"cluster": CLUSTER | {"token_id": "root@pam"}},
        {"cluster": CLUSTER | {"tls": "maybe"}},
    ],
)
def test_nothing_is_written_when_something_is_wrong(home: Path, given: dict[str, Any]) -> None:
    with pytest.raises(JarvisError):
        put(**given)
    assert not (home / "config.toml").exists()
    assert not (home / "pve-token").exists()


def test_commands_grant_the_privileges_of_the_client_to_user_and_token() -> None:
    told = commands({"token_id": "watch@pam!jj"})
    assert set(told["privileges"]) == {p.name for p in TOKEN_PRIVILEGES if p.until is None}
    lines = "\n".join(told["commands"])
    assert '--privs "Sys.Audit VM.Audit Datastore.Audit VM.GuestAgent.Audit"' in lines
    assert "acl modify / --users watch@pam " in lines
    assert "acl modify / --tokens 'watch@pam!jj' " in lines
    acting = commands({"token_id": "watch@pam!jj"})["act"]
    assert set(acting["privileges"]) == {p.name for p in ACT_PRIVILEGES}
    assert acting["commands"][0].startswith(f'pveum role add {ACT_ROLE} --privs "VM.PowerMgmt ')
    assert acting["commands"][2] == f"pveum acl modify / --tokens 'watch@pam!jj' --roles {ACT_ROLE}"
    old = commands({"version": "8.4"})
    assert old["privileges"] == ["Sys.Audit", "VM.Audit", "Datastore.Audit"]


@pytest.mark.parametrize(
    "token_id", ["", "root@pam", "a!b", "a@pam!", "a b@pam!x", "a@pam!x; rm -rf /", "a'@pam!x"]
)
def test_what_is_no_token_id(token_id: str) -> None:
    with pytest.raises(JarvisError, match="is no token id"):
        split_token_id(token_id)
