"""Settings: origin of each value, nearest names, secrets only where they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, base_places
from jarvis_daemon.redact import redact
from jarvis_daemon.settings import Section, Settings, load
from jarvis_daemon.settings.secret import secret

GOOD = """
[cluster]
endpoints = ["https://192.168.1.50:8006"]
token_id = "jarvis@pve!daemon"
token_secret_file = "pve-token"
"""


@pytest.fixture
def here(tmp_path: Path) -> Places:
    (tmp_path / "pve-token").write_text("s3cret\n")
    (tmp_path / "pve-token").chmod(0o600)
    return base_places({"JARVIS_HOME": str(tmp_path)})


def put(here: Places, text: str) -> None:
    here.config_file.write_text(text)


def test_values_and_where_they_came_from(here: Places) -> None:
    put(here, GOOD)
    environ = {"JARVIS_CLUSTER__NAME": "attic", "JARVIS_CLUSTER__POLL_INTERVAL_S": "20", "JARVIS_HOME": "x"}
    loaded = load(here, environ)
    cluster = loaded.settings.cluster
    assert cluster is not None
    assert (cluster.name, cluster.poll_interval_s) == ("attic", 20.0)
    assert cluster.token_secret is not None
    assert cluster.token_secret.get_secret_value() == "s3cret"
    assert loaded.origins["cluster.name"] == "env JARVIS_CLUSTER__NAME"
    assert loaded.origins["cluster.token_id"] == f"file {here.config_file}"
    assert loaded.origins["cluster.tls"] == "default"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("token_id", "tokenid"), "did you mean `cluster.token_id`"),
        ("[clustr]\n", "did you mean `cluster`"),
        (GOOD + "[cluster.ssh]\nkeyfile = 'x'\n", "did you mean `cluster.ssh.key_file`"),
        (GOOD + "tls = 'maybe'\n", "cluster.tls"),
        (GOOD + "poll_interval_s = 0\n", "poll_interval_s"),
        (GOOD.replace('["https://192.168.1.50:8006"]', "[]"), "cluster.endpoints"),
        ("[cluster\n", "is not TOML"),
        (GOOD + "token_secret = 'in the file'\n", "holds a secret"),
        (GOOD.replace("pve-token", "missing"), "not to be found"),
    ],
)
def test_mistakes_are_named_with_the_next_step(here: Places, text: str, says: str) -> None:
    put(here, text)
    with pytest.raises(JarvisError) as caught:
        load(here, {})
    assert caught.value.code == "config_invalid"
    assert says in caught.value.sentence()
    assert caught.value.next
    assert "s3cret" not in str(caught.value.to_wire())
    assert "in the file" not in str(caught.value.to_wire())


def test_a_secret_that_others_can_read_is_refused(here: Places) -> None:
    put(here, GOOD)
    (here.config_dir / "pve-token").chmod(0o644)
    with pytest.raises(JarvisError, match="read by others") as caught:
        load(here, {})
    assert "chmod 600" in caught.value.next


def test_the_secret_by_environment_or_credential(here: Places, tmp_path: Path) -> None:
    put(here, GOOD.replace('token_secret_file = "pve-token"\n', ""))
    loaded = load(here, {"JARVIS_CLUSTER__TOKEN_SECRET": "12345"})
    assert loaded.settings.cluster is not None
    assert loaded.settings.cluster.token_secret is not None
    assert loaded.settings.cluster.token_secret.get_secret_value() == "12345"
    assert "12345" not in repr(loaded.settings)
    loaded = load(here, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert loaded.origins["cluster.token_secret"] == "credential pve-token"


def test_lists_by_environment(here: Places) -> None:
    put(here, GOOD)
    for value in ('["https://a:1", "https://b:2"]', "https://a:1, https://b:2"):
        cluster = load(here, {"JARVIS_CLUSTER__ENDPOINTS": value}).settings.cluster
        assert cluster is not None
        assert cluster.endpoints == ["https://a:1", "https://b:2"]


def test_an_unknown_variable_with_our_prefix_is_an_error_too(here: Places) -> None:
    put(here, GOOD)
    with pytest.raises(JarvisError, match=r"cluster\.nam"):
        load(here, {"JARVIS_CLUSTER__NAM": "x"})


def test_every_field_is_explained() -> None:
    def sections(model: type[Section]) -> None:
        for name, field in model.model_fields.items():
            inner = [
                a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if isinstance(a, type)
            ]
            nested = [a for a in inner if issubclass(a, Section)]
            for section in nested:
                assert section.__doc__ or section.__name__ == "LogSettings"
                sections(section)
            if not nested:
                assert field.description or name == "user" or name == "enabled", f"{model.__name__}.{name}"

    sections(Settings)


def test_a_secret_that_was_read_is_redacted_whatever_it_looks_like(tmp_path: Path) -> None:
    places = base_places({"JARVIS_HOME": str(tmp_path)})
    places.config_dir.mkdir(parents=True, exist_ok=True)
    (places.config_dir / "word").write_text("correct horse battery")
    (places.config_dir / "word").chmod(0o600)
    assert secret(places, None, "word", "none", {}) == "correct horse battery"
    assert "horse" not in redact("they said correct horse battery to me")
