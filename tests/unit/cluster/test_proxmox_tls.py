"""Trust: by CA, by fingerprint, any; a certificate that changes is told with both values and never accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.tls import normal_fingerprint, show_certificate
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings
from tests.unit.cluster.pve_peer import Peer, make_certificate, peer, reply


def settings(one: Peer, **changes: Any) -> ClusterSettings:
    values = {
        "endpoints": [one.url],
        "token_id": "jarvis@pve!daemon",
        "token_secret": pydantic.SecretStr("s3cret"),
        "call_timeout_s": 5.0,
    } | changes
    return ClusterSettings.model_validate(values)


async def ask(config: ClusterSettings, clock: ManualClock | None = None) -> Any:
    proxmox = Proxmox(config, clock=clock or ManualClock())
    try:
        return await proxmox.call("version")
    finally:
        await proxmox.close()


@pytest.fixture
def one(tmp_path: Path) -> Any:
    with peer(lambda request, stream: reply('{"data":{"version":"9.1.3"}}'), tmp_path) as running:
        yield running


async def untrusted(config: ClusterSettings) -> JarvisError:
    with pytest.raises(JarvisError) as caught:
        await ask(config)
    assert caught.value.code == "cluster_untrusted"
    return caught.value


async def test_a_listed_fingerprint_is_trusted(one: Peer) -> None:
    others = make_certificate("other").fingerprint
    lower = one.certificate.fingerprint.replace(":", "").lower()
    assert await ask(settings(one, tls="fingerprint", fingerprints=[others, lower])) == {"version": "9.1.3"}


async def test_another_fingerprint_is_refused_with_both_values_and_before_the_token_is_sent(one: Peer) -> None:
    other = make_certificate("other").fingerprint
    error = await untrusted(settings(one, tls="fingerprint", fingerprints=[other]))
    assert other in error.why
    assert one.certificate.fingerprint in error.why
    assert (error.data["expected"], error.data["seen"]) == (other, one.certificate.fingerprint)
    assert "pvenode cert info" in error.next
    assert one.requests == []


async def test_a_certificate_that_changes_is_refused_from_then_on(one: Peer) -> None:
    clock = ManualClock()
    before = one.certificate.fingerprint
    proxmox = Proxmox(settings(one, tls="fingerprint", fingerprints=[before]), clock=clock)
    one.handler = lambda request, stream: stream.sendall(reply()) or None  # closes: the next call connects anew
    await proxmox.call("version")
    one.show(make_certificate("changed"))
    asked = len(one.requests)
    for _ in range(3):
        await clock.advance(100)
        with pytest.raises(JarvisError) as caught:
            await proxmox.call("version")
        assert caught.value.code == "cluster_untrusted"
        assert before in caught.value.why
        assert make_certificate("changed").fingerprint in caught.value.why
    assert len(one.requests) == asked
    assert list(proxmox.endpoints_failed) == [one.url]
    await proxmox.close()


async def test_among_many_pinned_the_two_values_are_told_and_not_the_whole_list(one: Peer) -> None:
    """Where the endpoint was trusted before, its own certificate of then is the one that was expected."""
    before, after = one.certificate.fingerprint, make_certificate("changed").fingerprint
    others = [make_certificate(name).fingerprint for name in ("second", "third", "fourth")]
    clock = ManualClock()
    proxmox = Proxmox(settings(one, tls="fingerprint", fingerprints=[*others, before]), clock=clock)
    one.handler = lambda request, stream: stream.sendall(reply()) or None
    await proxmox.call("version")
    one.show(make_certificate("changed"))
    with pytest.raises(JarvisError) as caught:
        await proxmox.call("version")
    assert caught.value.why.startswith(f"seen {after}, expected {before} ")
    assert not any(other in caught.value.sentence() for other in others)
    await proxmox.close()
    error = await untrusted(settings(one, tls="fingerprint", fingerprints=others))
    assert error.why.startswith(f"seen {after}, expected one of the 3 in cluster.fingerprints")


async def test_a_changed_certificate_of_one_endpoint_leaves_the_others(one: Peer, tmp_path: Path) -> None:
    with peer(lambda request, stream: reply('{"data":{"version":"9"}}'), tmp_path, "second") as second:
        config = settings(
            one, endpoints=[one.url, second.url], tls="fingerprint", fingerprints=[second.certificate.fingerprint]
        )
        proxmox = Proxmox(config, clock=ManualClock())
        assert await proxmox.call("version") == {"version": "9"}
        assert "is not the one that is trusted" in proxmox.endpoints_failed[one.url]
        await proxmox.close()


async def test_pves_own_ca_is_trusted_by_file(one: Peer, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(one.certificate.pem)
    assert await ask(settings(one, ca_file=str(tmp_path / "ca.pem"))) == {"version": "9.1.3"}


async def test_a_ca_file_is_found_in_the_config_folder(one: Peer, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(one.certificate.pem)
    proxmox = Proxmox(settings(one, ca_file="ca.pem"), clock=ManualClock(), config_dir=tmp_path)
    assert await proxmox.call("version") == {"version": "9.1.3"}
    await proxmox.close()


async def test_an_unknown_ca_is_refused_and_the_certificate_shown_is_told(one: Peer) -> None:
    error = await untrusted(settings(one))
    assert "signed by a CA of this system" in error.why
    assert one.certificate.fingerprint in error.why
    assert one.requests == []


async def test_a_certificate_for_another_host_is_refused(one: Peer, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(one.certificate.pem)
    config = settings(one, ca_file=str(tmp_path / "ca.pem"), endpoints=[f"https://localhost:{one.port}"])
    assert "localhost" in (await untrusted(config)).why


async def test_insecure_trusts_anyone_and_warns_nobody(one: Peer) -> None:
    assert await ask(settings(one, tls="insecure")) == {"version": "9.1.3"}


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "fingerprint"},
        {"tls": "fingerprint", "fingerprints": ["AA:BB"]},
        {"ca_file": "/nowhere/ca.pem"},
        {"ca_file": __file__},
    ],
)
async def test_settings_that_cannot_hold_are_refused_at_once(one: Peer, changes: dict[str, Any]) -> None:
    with pytest.raises(JarvisError) as caught:
        Proxmox(settings(one, **changes), clock=ManualClock())
    assert caught.value.code == "config_invalid"


async def test_a_port_without_tls_is_unreachable_and_not_untrusted(tmp_path: Path) -> None:
    import asyncio

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = ClusterSettings.model_validate(
            {"endpoints": [f"https://127.0.0.1:{port}"], "token_id": "a@b!c", "tls": "insecure"}
        )
        with pytest.raises(JarvisError) as caught:
            await ask(config)
    assert caught.value.code == "cluster_unreachable"
    assert "TLS" in caught.value.why


def test_what_a_host_shows_can_be_looked_at_before_trusting(one: Peer) -> None:
    assert show_certificate("127.0.0.1", one.port, 5) == one.certificate.fingerprint
    one.close()
    assert show_certificate("127.0.0.1", one.port, 5) is None


def test_fingerprints_are_brought_into_one_form() -> None:
    assert normal_fingerprint("ab" * 32) == ":".join(["AB"] * 32)
    with pytest.raises(JarvisError, match="no SHA-256"):
        normal_fingerprint("ab" * 20)
