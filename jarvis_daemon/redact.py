"""Secrets out of text and plain data: for logs, the audit, memories, and everything that goes to a model.

What is known by its form (tokens of providers, private keys, user info in URLs), what stands behind a secret's name
(``password=``, ``"api_key":``), what this installation told us to know (``learn``), and long random words. Evidence
stays: UPIDs, hashes, UUIDs, MAC addresses, fingerprints, serial numbers and public keys are no secrets. A UUID is
one only behind a token's name, as Proxmox writes it. Twice redacted is as redacted once.
"""

from __future__ import annotations

import re
from typing import Any, Final

from jarvis_daemon.protocol.text import clean, clean_block

GONE: Final = "***"
WHOLE: Final = 200_000
"""Of a text that is cut short in the end so much is looked at."""
MIN_KNOWN: Final = 8
"""Shorter values are words; taking those out would garble what is written."""

_NAME: Final = (
    r"passw(?:or)?[dt]|passphrase|passwd|pwd|kennwort|mot de passe|contraseña|loginpas|psk|secret(?:[_-]?key)?"
    r"(?:[_-]base)?|ticket|token|cookie|authorization|credentials?|requirepass|masterauth"
    r"|(?:api|private|access|auth|encryption|signing|master|client|account|shared)[_-]?keys?"
    r"|(?<=[?&])(?:key|sig|signature)|wep_key\d?"
    r"|(?<![a-z])(?:creds|(?:db|my|root|user|admin|smtp|mysql|login)?pass|pw|t?otp)"
)
_PAIR: Final = r"[\w.-]{1,64}+\\{0,15}+[\"']?\s?[:=]"
"""Behind a comma or the like: another name and its value."""
_PROSE: Final = (
    r"(?!\*\*\*|(?:bearer|basic|token|digest)\s)(?!(?:none|nothing|null|true|false|yes|no|not|is|was|has|are|and|or|of|for|the"
    r"|to|in|on|at|by|with|from|expired|invalid|missing|required|denied|rejected|refused|wrong|empty|unset|mismatch"
    r"|failed|failure|error|incorrect|accepted|renewed|changed|unknown|file|files|authentication|permission|completed"
    r"|chauthtok)"
    rf"(?:[,;:.!?)\]}}&]*(?:[\s\"'\\]|</|$)|[,;&]{_PAIR}))"
)
"""What stands before a value that is a word of a sentence: "token: expired". "no-4711" is none."""
_PIECE: Final = r"[^\s\"',;&}\\]"
_BARE: Final = rf"{_PIECE}*+(?:(?:[,;&}}](?=[\w$!#%@*+-])|[\"'](?=\w)|\\(?=[^nrtu\"'\\\s]))(?!{_PAIR}){_PIECE}++)*+"
_NAMED: Final = re.compile(
    rf"(?P<head>(?:{_NAME})(?:\\{{0,15}}+[\"'])?+\s*+(?>=>|:=|->|[:=]|%3[ad]|&\#(?:61|x3d);)(?:%20)?+\s*+"
    rf"(?:(?P<slashes>\\{{1,15}}+)?+(?P<quote>[\"'])(?!\s*[,}}\]:]\s*(?:[\"'\\{{\[]|$)))?+"
    rf"(?>(?:(?:bearer|basic|token|digest)\s++)?)(?>(?:PVEAPIToken=[^!\s]{{1,200}}+![^=\s]{{1,200}}+=)?)){_PROSE}"
    rf"(?P<value>(?(slashes)(?:(?!(?<!\\)(?P=slashes)(?P=quote))[^\n])++|(?(quote)(?:[^\"'\\\n]++|\\.|(?!(?P=quote))"
    rf"[\"'])++|{_BARE})))",
    re.IGNORECASE,
)
"""A name and its value: in quotes, in quotes of a string in a string, or bare up to where another begins."""
_NAMED_APART: Final = re.compile(
    rf"(?P<head>(?P<slashes>\\{{0,15}}+)\"(?:name|key|variable)(?P=slashes)\"\s*:\s*(?P=slashes)\"[\w.-]{{0,64}}?(?:{_NAME})"
    r"[\w.-]{0,64}(?P=slashes)\"\s*,\s*(?P=slashes)\"(?:value|default)(?P=slashes)\"\s*:\s*(?P=slashes)\")"
    r"(?!\*\*\*)(?P<value>(?:(?!(?<!\\)(?P=slashes)\")[^\n])++)"
    rf"|(?P<tag><[\w:.-]{{0,64}}?(?:{_NAME})[\w.-]{{0,64}}(?:\s[^<>]{{0,100}})?>)(?!\*\*\*<){_PROSE}[^<>\s][^<]{{0,400}}+(?=</)"
    rf"|(?P<attr><[\w:.-]{{0,64}}?(?:{_NAME})\s+value\s*=\s*[\"'])(?!\*\*\*)[^\"'\n]++",
    re.IGNORECASE,
)
_MUST_MIX: Final = r"(?![\[(])(?=[^\s\"']*\d)(?=[^\s\"']*[a-z])(?!(?:sha|md)\d|base64|pam_|[a-z]\w*=)"
_OPTIONS: Final = re.compile(
    rf"(--(?:(?:ci)?passw(?:or)?d|pass|passphrase|secret|token|api-?key|auth-?key)(?:\s+|=|\]\s\[)[\"']?){_PROSE}"
    r"[^\s\"',}\]-][^\s\"',}\]]{3,}"
    r"|(\bbearer\s+)[a-z0-9._~+/=-]{12,}"
    r"|(\bbasic\s+)(?=[a-z0-9+/]*[0-9=])[a-z0-9+/]{8,}={0,2}"
    r"|([\s\[](?:-u|--user|--proxy-user)(?:\s+|=|\]\s\[|(?=[a-z]))[\"']?[^\s:\"'/\[\]=]{1,64}:)(?!\*\*\*"
    r"|(?:\d+|root|www-data|nobody|nogroup|users)(?:[\s\"'\]]|$))[^\s\"'\]]+"
    r"|(\bsshpass\s+-p\s*[\"']?)[^\s\"']+"
    rf"|(\b(?:requirepass|masterauth|r[ow]community6?|snmp community)\s+[\"']?|\bcommunity=[\"']?)"
    rf"{_PROSE}[^\s\"',;]{{3,}}"
    rf"|(\b(?:app[ -]?)?(?:password|passphrase|passwor?t|kennwort)\s+"
    rf"(?:(?:for|of)\s+(?:the\s+)?(?:user\s+)?[\w.@-]{{1,64}}\s*)?"
    rf"(?:(?:is|was|ist|(?:changed|set)\s+to|to)\s|[:=])\s*[\"']?)(?!\*\*\*){_PROSE}(?=[^\s\"']*[\d\W])[^\s\"',;]{{6,}}"
    rf"|(\b(?:password|passphrase|passwd|passwort|kennwort)\s+[\"']?)(?!\*\*\*){_PROSE}{_MUST_MIX}[^\s\"',;]{{6,}}",
    re.IGNORECASE,
)
_MYSQL: Final = re.compile(
    r"(\b(?:mysql|mariadb)[\w-]{0,12}\s(?:[^\n|;&]{0,200}?\s)?-p[\"']?)(?!\*\*\*)[^\s\"';&|-][^\s\"';&|]*",
    re.IGNORECASE,
)
_URL: Final = re.compile(
    r"(:(?:\\{0,7}/){2}[^/\s:@\"'<>]{0,200}:)(?!\d{1,5}/)[^\s\"'<>]{1,400}(?=@[\w.\[:\]-]{1,253}(?:[/?\s\"',;)\\]|$))"
    r"|(:(?:\\{0,7}/){2}[^/\s:@\"'<>]{0,200}:)[^\s/\"'<>]{1,400}(?=@)"
    r"|(:(?:\\{0,7}/){2})[A-Za-z0-9_.~%-]{16,}(?=@)"
    r"|(%3A%2F%2F[^\s%@/\"']{0,200}%3A)(?!\*\*\*)[^\s\"'<>]{1,400}?(?=%40)"
)
_FORMS: Final = re.compile(
    r"(?P<pem>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?!\*\*\*)"
    r"(?:.*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|.*\Z)"
    r"|(?P<pve>\b(?:PVEAPIToken=)?[\w.+-]{1,64}@[\w.-]{1,64}![\w.-]{1,64}=)[^\s\"',;}]+"
    r"|(?P<pbs>\bPBSAPIToken=[\w.+@!-]{1,140}:)[^\s\"',;}]+"
    r"|(?P<ticket>\bP(?:VE|BS|MG):[\w.+-]{1,64}@[\w.-]{1,64}:)[0-9A-F]{8}::[A-Za-z0-9+/=_-]+"
    r"|(?P<hook>(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks/\d{5,25})/)[\w/-]{8,}"
    r"|\b(?P<kind>sk-ant-|sk-(?:proj-|svcacct-|admin-|or-)?|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|npm_"
    r"|pypi-|hf_|[sr]k_(?:live|test)_|tskey-|dckr_pat_|AIza|ya29\.|AGE-SECRET-KEY-1|whsec_|dop_v1_|gsk_|tgp_v1_)"
    r"[A-Za-z0-9_-]{16,}"
    r"|\b(?P<aws>AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|(?P<crypt>\$(?:[1567y]|gy|2[abxy]|argon2(?:id|i|d))\$)[./A-Za-z0-9$,=+-]{12,}"
    r"|\b(?P<jwt>eyJ)[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?",
    re.DOTALL,
)
_GONE_WITH: Final = re.compile(r"(?:(?:bearer|basic|token|digest)\s+)?(?:[^\s=]+=)?\*\*\*", re.IGNORECASE)
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
    "$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$2", "$argon2",
)  # fmt: skip
_NAME_HINTS: Final = (
    "pass", "pwd", "psk", "secret", "ticket", "token", "cookie", "author", "credential", "key", "loginpas",
    "pw", "otp", "kennwort", "contrase", "masterauth", "creds", "sig",
)  # fmt: skip
_OPTION_HINTS: Final = (
    "--", "-u", "bearer", "basic", "passw", "passphrase", "sshpass", "kennwort", "mysql", "mariadb", "requirepass",
    "masterauth", "community",
)  # fmt: skip
_SECRET_NAMES: Final = re.compile(
    r"passw(or)?[dt]|passphrase|kennwort|(^|_)pwd$|(^|_)psk$|secret|ticket|token$|cookie$|authorization|credential"
    r"|(api|private|access|auth|encryption|signing|master|client)[_-]?keys?$|^pin$",
    re.IGNORECASE,
)
_TEXT_NAMES: Final = re.compile(r"(^|[_-])(pass|pw|t?otp|auth|tokens|community)$", re.IGNORECASE)
"""Names of secrets where a text stands under them; a number or an object is something else."""
_NAMES_A_VALUE: Final = frozenset({"name", "key", "variable"})
_VALUES: Final = frozenset({"value", "default"})
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
    if "://" in text or ":\\" in text or "%2F" in text:
        text = _URL.sub(_kept, text)
    if len(text) >= 19:
        text = _MAIL.sub(_app_password, text)
    low = text.lower()
    if any(hint in low for hint in _NAME_HINTS):
        text = _NAMED.sub(_value, _NAMED_APART.sub(_apart, text))
    if any(hint in low for hint in _OPTION_HINTS):
        text = _MYSQL.sub(_kept, _OPTIONS.sub(_kept, text))
    if len(text) < 24:
        return text
    return _LONG.sub(_random, _BOT.sub(_kept, text))


def redact_tree(value: Any) -> Any:
    """``redact`` in every string of plain data; what stands under a secret's name goes whole."""
    if isinstance(value, dict):
        apart = any(key in _NAMES_A_VALUE and _is_name(named) for key, named in value.items())
        return {
            redact(k) if isinstance(k, str) else k: GONE
            if _names_secret(k, item) or (apart and k in _VALUES) else redact_tree(item)
            for k, item in value.items()
        }  # fmt: skip
    if isinstance(value, list | tuple):
        if len(value) == 2 and isinstance(value[1], str) and _is_name(value[0]) and str(value[0]).isupper():
            return [value[0], GONE]
        return [redact_tree(item) for item in value]
    return redact(value) if isinstance(value, str) else value


def safe_line(text: str, *, limit: int = 400) -> str:
    """``clean`` and ``redact``, and only then cut: half a secret has lost the form by which it is known."""
    return clean(redact(clean(text, limit=WHOLE)), limit=limit)


def safe_block(text: str, *, limit: int = 20_000) -> str:
    """As ``safe_line``, but lines stay lines."""
    return clean_block(redact(clean_block(text, limit=WHOLE)), limit=limit)


def _is_name(value: Any) -> bool:
    """Whether a text is one word that names a secret: ``DB_PASSWORD``."""
    return isinstance(value, str) and len(value) < 80 and not re.search(r"\s", value) and (
        _SECRET_NAMES.search(value) is not None or _TEXT_NAMES.search(value) is not None
    )  # fmt: skip


def _names_secret(key: Any, value: Any) -> bool:
    name = str(key)
    return _SECRET_NAMES.search(name) is not None or (
        isinstance(value, str) and _TEXT_NAMES.search(name) is not None
    )  # fmt: skip


def _kept(match: re.Match[str]) -> str:
    return f"{next((kept for kept in match.groups() if kept), '')}{GONE}"


def _value(match: re.Match[str]) -> str:
    """A named value: gone, but where it is too short to be one, prose in quotes, or the next name of a list."""
    head, value = match["head"], match["value"]
    if match["quote"] is None and (len(value) < 4 or ("\n" in head and value.endswith(":"))):
        return match[0]
    return match[0] if value.endswith(GONE) and _GONE_WITH.fullmatch(value) else f"{head}{GONE}"


def _apart(match: re.Match[str]) -> str:
    return f"{match['head'] or match['tag'] or match['attr']}{GONE}"


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
