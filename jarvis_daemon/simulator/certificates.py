"""Keys and certificates: elliptic curves, so that a start costs milliseconds.

The SHA-256 fingerprint is written as PVE writes it: upper-case pairs with colons.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

VALID_DAYS: Final = 730


@dataclass(frozen=True)
class Certificate:
    """A node's certificate, self-signed, and the TLS context that serves it."""

    fingerprint: str
    subject: str
    not_before: int
    not_after: int
    pem: str
    context: ssl.SSLContext


def make_certificate(name: str, ip: str, now: float, folder: Path) -> Certificate:
    """A new key and certificate for node ``name``; ``folder`` holds the key for the moment of loading."""
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime.datetime.fromtimestamp(now - 86400, datetime.UTC).replace(microsecond=0)
    end = begin + datetime.timedelta(days=VALID_DAYS)
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "PVE Cluster Node"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Proxmox Virtual Environment"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.home.arpa"),
    ])  # fmt: skip
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(at)) for at in ("127.0.0.1", ip)]
    names += [x509.DNSName("localhost"), x509.DNSName(name)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f".tls-{name}.pem"
    path.touch(mode=0o600)
    try:
        path.write_bytes(private + pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(path)
    finally:
        path.unlink()
    return Certificate(
        fingerprint(certificate.public_bytes(serialization.Encoding.DER)),
        f"/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN={name}.home.arpa",
        int(begin.timestamp()), int(end.timestamp()), pem.decode(), context,
    )  # fmt: skip


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate as ``AA:BB:…``."""
    return hashlib.sha256(der).digest().hex(":").upper()


def make_ssh_key() -> tuple[bytes, str]:
    """An Ed25519 key: the private part in OpenSSH's format, the public line without comment."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()
