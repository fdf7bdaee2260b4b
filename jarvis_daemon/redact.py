"""Secrets out of text and plain data: for logs, the audit, memories, and everything that goes to a model.

What is known by its form (tokens of providers, private keys, user info in URLs), what stands behind a secret's name
(``password=``, ``"api_key":``), what this installation told us to know (``learn``), and long random words. Evidence
stays: UPIDs, hashes, UUIDs, MAC addresses, fingerprints, serial numbers and public keys are no secrets. A UUID is
one only behind a token's name, as Proxmox writes it. Twice redacted is as redacted once.
"""

from __future__ import annotations

import re
from typing import Any, Final

GONE: Final = "***"
MIN_KNOWN: Final = 8
"""Shorter values are words; taking those out would garble what is written."""

_NAME: Final = (
    r"passw(?:or)?d|passphrase|passwd|pwd|loginpas|psk|secret|ticket|token|cookie|authorization|credentials?"
    r"|(?:api|private|access|auth|encryption|signing|master|client|account|shared)[_-]?key"
)
_PROSE: Final = (
    r"(?!\*\*\*|(?:bearer|basic|token|digest)\s)(?!(?:none|null|true|false|yes|no|not|is|was|has|are|and|or|of|for|the|to|in|on|at|by|with|from|expired"
    r"|invalid|missing|required|denied|rejected|refused|wrong|empty|unset|mismatch|failed|failure|error|incorrect"
    r"|accepted|renewed|changed|unknown|file|authentication|permission)\b)"
)
_VALUE: Final = r"(?:(?<=\")[^\"\n]+|(?<=')[^'\n]+|[^\s\"',;&}\\]{4,})"
_NAMED: Final = re.compile(
    rf"((?:{_NAME}|(?<![a-z])pass(?==))(?:\\?[\"'])?\s*(?:=>|:=|[:=])\s*(?:\\?[\"'])?(?:(?:bearer|basic|token|digest)\s+)?"
    rf"(?:PVEAPIToken=[^!\s]+![^=\s]+=)?){_PROSE}{_VALUE}"
    rf"|(--(?:passw(?:or)?d|passphrase|secret|token|api-?key|auth-?key)(?:\s+|=|\]\s\[)[\"']?){_PROSE}"
    r"[^\s\"',}\]-][^\s\"',}\]]{3,}"
    r"|(\bbearer\s+)[a-z0-9._~+/=-]{12,}"
    r"|(\bbasic\s+)(?=[a-z0-9+/]*[0-9=])[a-z0-9+/]{8,}={0,2}"
    r"|([\s\[]-u(?:\s+|\]\s\[)[\"']?[^\s:\"'/\[\]]{1,64}:)[^\s\"'\]]+"
    r"|(\bsshpass\s+-p\s*[\"']?)[^\s\"']+"
    r"|(\b(?:app[ -]?)?password\s+(?:is|was)\s+[\"']?)(?=\S*[\d\W])[^\s\"',;]{6,}",
    re.IGNORECASE,
)
_URL: Final = re.compile(
    r"(://[^/\s:@\"'<>]{0,200}:)(?!\d{1,5}/)[^\s\"'<>]{1,400}(?=@[\w.\[:\]-]{1,253}(?:[/?\s\"',;)]|$))"
    r"|(://[^/\s:@\"'<>]{0,200}:)[^\s/\"'<>]{1,400}(?=@)"
    r"|(://)[A-Za-z0-9_.~%-]{16,}(?=@)"
)
_FORMS: Final = re.compile(
    r"(?P<pem>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?!\*\*\*)"
    r"(?:.*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|.*\Z)"
    r"|(?P<pve>\b(?:PVEAPIToken=)?[\w.+-]{1,64}@[\w.-]{1,64}![\w.-]{1,64}=)[^\s\"',;}]+"
    r"|(?P<pbs>\bPBSAPIToken=[^:\s]{1,140}:)[^\s\"',;}]+"
    r"|(?P<ticket>\bP(?:VE|BS|MG):[\w.+-]{1,64}@[\w.-]{1,64}:)[0-9A-F]{8}::[A-Za-z0-9+/=_-]+"
    r"|(?P<hook>(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks/\d{5,25})/)[\w/-]{8,}"
    r"|\b(?P<kind>sk-ant-|sk-(?:proj-|svcacct-|admin-|or-)?|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|npm_"
    r"|pypi-|hf_|[sr]k_(?:live|test)_|tskey-|dckr_pat_|AIza|ya29\.|AGE-SECRET-KEY-1|whsec_|dop_v1_|gsk_|tgp_v1_)"
    r"[A-Za-z0-9_-]{16,}"
    r"|\b(?P<aws>AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\b(?P<jwt>eyJ)[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?",
    re.DOTALL,
)
_BOT: Final = re.compile(r"(\d{8,10}:)[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])")
_MAIL: Final = re.compile(
    r"((?:password|passwd|pwd)(?:\\?[\"'])?\s*(?:[:=]|is|was)\s*(?:\\?[\"'])?)(?:[a-z]{4} ){3}[a-z]{4}\b"
    r"|((?:^|[\"'=:(\[])[ \t]*)(?P<bare>(?:[a-z]{4} ){3}[a-z]{4})(?=[ \t]*(?:$|[\"',;)\]]))",
    re.MULTILINE | re.IGNORECASE,
)
_LONG: Final = re.compile(
    r"(?<![A-Za-z0-9+/=_-])(?<!SHA256:)(?<!sha256-)(?<!sha512-)(?<!sha384-)(?<!MD5:)[A-Za-z0-9+/_-]{24,}={0,2}"
)
_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_SECRET_OF_AWS: Final = re.compile(r"(?=(?:.*[a-z]){6})(?=(?:.*[A-Z]){6})[A-Za-z0-9+][A-Za-z0-9+/]{39}")
_PUBLIC_KEY: Final = re.compile(r"AAAA[BCE][0-9A-Za-z]")
_HINTS: Final = (
    "-----BEGIN", "!", "APIToken", "PVE:", "PBS:", "PMG:", "hooks.slack", "webhooks/", "sk-", "ghp_", "gho_",
    "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-", "npm_", "pypi-", "hf_", "k_live_", "k_test_",
    "tskey-", "dckr_pat_", "AIza", "ya29.", "AGE-", "whsec_", "dop_v1_", "gsk_", "tgp_v1_", "AKIA", "ASIA", "eyJ",
)  # fmt: skip
_NAME_HINTS: Final = (
    "pass", "pwd", "psk", "secret", "ticket", "token", "cookie", "author", "credential", "key", "loginpas",
    "bearer", "basic", "-u",
)  # fmt: skip
_SECRET_NAMES: Final = re.compile(
    r"passw(or)?d|passphrase|(^|_)pwd$|(^|_)psk$|secret|ticket|token$|cookie$|authorization|credential"
    r"|(api|private|access|auth|encryption|signing|master|client)[_-]?key$|^pin$",
    re.IGNORECASE,
)
_COMMON_TEXT: Final = """
able also area away back been best body book both call came case come data days disk does done down each else
even ever face fact file find five four free from full gets give goes good hand hard have head hear held help
here high home host hour house into just keep kept kind knew know last late left less life like line list live
logs long look made make many mind more most move much must name near need next nine node none once only open
over page part past plex port pull push read real rest room root runs safe said same seen show side slow stop
sure take talk task tell test than that them then they this time took turn unit used user very want week well
went were what when will with word work year your zero
"""
_COMMON: Final = frozenset(_COMMON_TEXT.split())
_known: re.Pattern[str] | None = None
_values: set[str] = set()


def learn(*secrets: str | None) -> None:
    """Know these very values from now on, whatever they look like; shorter ones than ``MIN_KNOWN`` are words."""
    global _known
    _values.update(value for value in secrets if value and len(value) >= MIN_KNOWN)
    longest = sorted(_values, key=len, reverse=True)
    _known = re.compile("|".join(re.escape(value) for value in longest)) if longest else None


def redact(text: str) -> str:
    """Replace what is a secret, or looks like one, by ``***``; what told that it is one stays."""
    if _known is not None:
        text = _known.sub(GONE, text)
    if any(hint in text for hint in _HINTS):
        text = _FORMS.sub(_kept, text)
    if "://" in text:
        text = _URL.sub(_kept, text)
    if len(text) >= 19:
        text = _MAIL.sub(_app_password, text)
    low = text.lower()
    if any(hint in low for hint in _NAME_HINTS):
        text = _NAMED.sub(_kept, text)
    if len(text) < 24:
        return text
    return _LONG.sub(_random, _BOT.sub(_kept, text))


def redact_tree(value: Any) -> Any:
    """``redact`` in every string of plain data; what stands under a secret's name goes whole."""
    if isinstance(value, dict):
        return {k: GONE if _SECRET_NAMES.search(str(k)) else redact_tree(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def _kept(match: re.Match[str]) -> str:
    return f"{next((kept for kept in match.groups() if kept), '')}{GONE}"


def _app_password(match: re.Match[str]) -> str:
    """Four words of four letters: a password of Google's where a name says so, or where they are no words."""
    if match["bare"] is None:
        return f"{match[1]}{GONE}"
    words = match["bare"].lower().split()
    return match[0] if sum(word in _COMMON for word in words) > 1 else f"{match[2]}{GONE}"


def _random(match: re.Match[str]) -> str:
    """A long word of mixed letters and digits, in one piece, as nobody writes names."""
    word = match[0]
    if _PUBLIC_KEY.match(word):
        return word
    whole = word.rstrip("=")
    if len(whole) == 40 and _SECRET_OF_AWS.fullmatch(whole) and _mixed(whole, 1):
        return GONE
    run = max(_RUN.findall(word), key=len, default="")
    if len(run) >= 24 and _mixed(run, 3):
        return GONE
    spread = "_" not in whole[1:-1] or "-" not in whole[1:-1]
    return GONE if len(whole) >= 40 and spread and len(run) >= 16 and _mixed(run, 3) else word


def _mixed(word: str, least: int) -> bool:
    """At least so many of each of small letters, capitals and digits, and many different ones."""
    small = sum(c.islower() for c in word)
    large = sum(c.isupper() for c in word)
    digits = sum(c.isdigit() for c in word)
    return min(small, large, digits) >= least and len(set(word)) >= min(16, len(word) // 2)
