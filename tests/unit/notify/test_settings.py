"""Settings of channels: where secrets may stand, and what a mistake is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places, base_places
from jarvis_daemon.settings import load

GOOD = """
[notify.email]
host = "mail.home.lan"
from_address = "jarvis@home.lan"
to = ["me@home.lan"]
"""


@pytest.fixture
def here(tmp_path: Path) -> Places:
    return base_places({"JARVIS_HOME": str(tmp_path)})


@pytest.mark.parametrize(("text", "key"), [
    (f'{GOOD}password = "hunter22"', "notify.email.password"),
    ('[notify.apprise.phone]\nurl = "ntfy://secret"', "notify.apprise.phone.url"),
])  # fmt: skip
def test_a_secret_in_the_file_is_refused(here: Places, text: str, key: str) -> None:
    here.config_file.write_text(text)
    with pytest.raises(JarvisError, match="holds a secret") as refused:
        load(here, {})
    assert key in refused.value.what
    assert "hunter22" not in refused.value.sentence()
    assert "mode 0600" in refused.value.next


def test_a_secret_from_the_environment_is_not_shown(here: Places) -> None:
    here.config_file.write_text(GOOD)
    loaded = load(here, {
        "JARVIS_NOTIFY__EMAIL__PASSWORD": "hunter22", "JARVIS_NOTIFY__APPRISE__PHONE__URL": "ntfy://s3cret/topic",
    })  # fmt: skip
    notify = loaded.settings.notify
    assert notify.email is not None
    assert notify.email.password is not None
    assert notify.email.password.get_secret_value() == "hunter22"
    url = notify.apprise["phone"].url
    assert url is not None
    assert url.get_secret_value() == "ntfy://s3cret/topic"
    assert "hunter22" not in repr(loaded.settings)
    assert "s3cret" not in repr(loaded.settings)
    assert loaded.origins["notify.email.password"] == "env JARVIS_NOTIFY__EMAIL__PASSWORD"


@pytest.mark.parametrize(("text", "why"), [
    (f"{GOOD}min_severty = \"error\"", "did you mean `notify.email.min_severity`"),
    (f"{GOOD}quiet = \"22:30\"", "pattern"),
    (f"{GOOD}quiet = \"25:00-07:00\"", "pattern"),
    ("[notify.email]\nhost = \"x\"", "Field required"),
    (GOOD.replace("me@home.lan", "me@home.lan\\nBcc: you@evil.example"), "pattern"),
    ("[notify.apprise.email]\nurl_file = \"x\"", "cannot be called email"),
    ("[notify.apprise.My-Phone]\nurl_file = \"x\"", "pattern"),
    ("[notify]\nreport_at = \"7 am\"", "pattern"),
])  # fmt: skip
def test_a_mistake_is_named(here: Places, text: str, why: str) -> None:
    here.config_file.write_text(text)
    with pytest.raises(JarvisError) as wrong:
        load(here, {})
    assert wrong.value.code == "config_invalid"
    assert why in wrong.value.sentence()
