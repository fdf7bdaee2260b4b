"""The report for others holds no secret: canaries in every place where one could lie."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.admin import main, write
from jarvis_daemon.admin.config import MASK, check, show
from jarvis_daemon.admin.doctor import doctor
from jarvis_daemon.admin.redact import redact
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places

CANARY = "canary-9f3b7c1d-of-the-token"
OTHER = "7d9f2c04-1111-4222-8333-abcdefabcdef"


@pytest.fixture
def configured(home: Path) -> Path:
    """A home with a cluster that nobody serves."""
    cluster: dict[str, Any] = {
        "endpoints": ["https://127.0.0.1:1"], "token_id": "jarvis@pve!daemon", "tls": "fingerprint",
        "fingerprints": ["AA" * 32], "ssh": {"enabled": False},
    }  # fmt: skip
    write.write({"cluster": cluster, "token_secret": CANARY})
    return home


def test_no_canary_gets_into_the_report(configured: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_API_KEY", "env-canary-aa77")
    log = base_places().log_file
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        json.dumps({"message": f"sent Authorization: PVEAPIToken=jarvis@pve!daemon={OTHER}"}) + "\n"
        + json.dumps({"message": f"spoke {CANARY} aloud"}) + "\n"
        + json.dumps({"message": "https://me:url-canary@box/ password='pw-canary-1'"}) + "\n"
        + "-----BEGIN OPENSSH PRIVATE KEY-----\nkey-canary\n-----END OPENSSH PRIVATE KEY-----\n"
    )  # fmt: skip
    report = tmp_path / "report.txt"
    client = {"checks": [], "terminal": {"TERM": "xterm", "LEAK": "env-canary-aa77"}}
    answer = doctor({"bundle": str(report), "client": client})
    text = report.read_text()
    assert answer["bundle"] == str(report)
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    for secret in (CANARY, OTHER, "env-canary", "url-canary", "pw-canary", "key-canary"):
        assert secret not in text, secret
    for wanted in ("=== checks ===", "=== log ===", "https://127.0.0.1:1", "aloud", "connection refused"):
        assert wanted in text


def test_a_report_that_cannot_be_written_says_so(home: Path) -> None:
    with pytest.raises(JarvisError, match="cannot be written"):
        doctor({"bundle": "/nowhere/at/all/report.txt"})


def test_redaction_takes_known_values_and_what_looks_like_one() -> None:
    said = redact(f"Bearer abc.def {OTHER} x-hunter22-y token: deadbeef99", {"hunter22"})
    assert said == "Bearer *** *** x-***-y token: ***"


def test_settings_are_shown_with_origins_and_without_secrets(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JARVIS_LOG__LEVEL", "debug")
    values = {value["key"]: value for value in show({})["values"]}
    assert values["cluster.token_secret"]["value"] == MASK
    assert values["log.level"] == {"key": "log.level", "value": "debug", "origin": "env JARVIS_LOG__LEVEL"}
    assert values["cluster.endpoints"]["origin"] == f"file {configured / 'config.toml'}"
    assert values["conditions.grace_s"]["origin"] == "default"
    assert CANARY not in json.dumps(show({}))
    assert any("Only one endpoint" in text for text in check({})["warnings"])


def test_doctor_tells_of_each_thing_that_is_wrong(configured: Path) -> None:
    (configured / "pve-token").chmod(0o644)
    checks = {c["id"]: c for c in doctor({})["checks"]}
    assert checks["config"]["status"] == "fail"
    assert "can be read by others" in checks["config"]["detail"]
    assert checks["secrets"]["status"] == "fail"
    (configured / "pve-token").chmod(0o600)
    checks = {c["id"]: c for c in doctor({})["checks"]}
    assert checks["endpoint"]["status"] == "fail"
    assert "connection refused" in checks["endpoint"]["detail"]
    assert checks["secrets"]["status"] == "ok"
    (configured / "config.toml").write_text("[cluster]\nendpoint = 'x'\n")
    checks = {c["id"]: c for c in doctor({})["checks"]}
    assert "did you mean `cluster.endpoints`?" in checks["config"]["detail"]
    assert "endpoint" not in checks


def test_every_answer_is_one_json_document(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import io
    import sys

    def ask(*words: str, given: str = "") -> tuple[int, Any]:
        sys.stdin = io.StringIO(given)
        try:
            code = main([*words, "--json"])
        finally:
            sys.stdin = sys.__stdin__
        return code, json.loads(capsys.readouterr().out)

    assert ask("config", "check")[0] == 0
    code, answer = ask("setup", "certificates", given='{"endpoints": ["https://127.0.0.1:1"]}')
    assert (code, answer["error"]["data"]["code"]) == (1, "cluster_unreachable")
    assert ask("setup", "certificates", given="{")[1]["error"]["data"]["code"] == "parse_error"
    assert ask("setup", "certificates", given="[]")[0] == 2
    assert ask("dance")[0] == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("https://127.0.0.1:1", "http://127.0.0.1:1", "is no usable endpoint"),
        ("AA" * 32, "AA:BB", "is no SHA-256 fingerprint"),
        ("[cluster.ssh]\n", '[cluster.ssh]\nhosts = { pve = "1.2.3.4:ssh" }\n', "1.2.3.4:ssh"),
    ],
)
def test_what_the_daemon_would_stumble_over_is_no_settings_in_order(
    configured: Path, old: str, new: str, said: str
) -> None:
    assert check({})["configured"] is True
    file = configured / "config.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(JarvisError, match=said) as caught:
        check({})
    assert caught.value.code == "config_invalid"
