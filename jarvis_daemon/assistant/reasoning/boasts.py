"""Turns of speech by which a deed is claimed without its verb: "All set.", "Plex is back online.", "Restart done".

They are claims only where something was ordered: then the person takes them for an answer to his order. What a read
of the same turn has shown ("plex is running again") is a report and no claim. These are the common ones; that no
wording whatever hides what was not done is seen to by ``balance``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from jarvis_daemon.assistant.reasoning import acts

_UP: Final = frozenset({"start", "restart", "resume", "wake", "mend"})
_DOWN: Final = frozenset({"stop", "suspend"})
_NOUNS: Final = {
    "restart": "restart", "reboot": "restart", "start": "start", "stop": "stop", "shutdown": "stop",
    "backup": "backup", "snapshot": "snapshot", "migration": "migrate", "move": "migrate", "update": "update",
    "updates": "update", "upgrade": "update", "rollback": "rollback", "restore": "restore", "deletion": "delete",
    "cleanup": "clean", "tag": "tag", "tags": "tag", "repair": "mend", "fix": "mend",
}  # fmt: skip
_NOUN: Final = "|".join(_NOUNS)
_MY: Final = (
    r"\b(?:i|we|jarvis)(?:'ve|'d)?\s+(?:(?:have|has|had|just|now|already|successfully|also|then|hereby)\s+)*"
)
_OF: Final = r"(?:\s+(?:of|for|on)\s+(?:the\s+)?[\w.-]{1,64}(?:\s+on\s+[\w.-]{1,64})?)?"
_OVER: Final = (
    r"(?:successful(?:ly)?|success|succeeded|complete|completed|done|finished|issued|sent|made|taken|created|"
    r"applied|installed|set|added|through|fine|well|ran|carried\s+out|initiated|triggered|performed|executed|"
    r"under\s?way|in\s+progress|in\s+place|verified)"
)
_BE: Final = r"(?:(?:is|are|was|were|has|have|been|being|went|now|just|all|already)\s+)*"
_NAMED: Final = re.compile(
    rf"\b(?P<noun>{_NOUN})\b{_OF}\s*[:=-]?\s*{_BE}{_OVER}\b|\b(?P<there>{_NOUN})\b{_OF}\s+(?:now\s+)?exists"
    rf"|\b(?P<kept>backup|snapshot)\b{_OF}\s+(?:is|are)\s+(?:now\s+)?ready\b"
)
_MADE: Final = re.compile(
    rf"{_MY}(?:did|do|done|made|performed|triggered|initiated|issued|executed|carried\s+out|sent|gave|given"
    rf"|begun|began|"
    rf"started|scheduled|went\s+ahead\s+with|kicked\s+off|launched)\b[^.]{{0,60}}?\b(?P<noun>{_NOUN})\b"
    rf"|{_MY}did\s+(?P<did>{_NOUN})\b"
)
"""With the noun of what was ordered."""
_PLAIN: Final = re.compile(
    r"^\W*(?:(?:sir|and|so|there|certainly|very\s+well|right|ok|okay|good|yes|of\s+course)\W+)*(?:it's\s+"
    r"|that's\s+|it\s+is\s+|that\s+is\s+"
    r"|consider\s+it\s+|problem\s+|issue\s+|all\s+|you're\s+all\s+|you\s+are\s+all\s+|everything(?:'s|\s+is)"
    r"\s+(?:all\s+)?)?"
    r"(?:now\s+|all\s+)?(?:set|sorted(?:\s+out)?|handled|fixed(?:\s+now)?|solved|resolved|success|taken"
    r"\s+care\s+of|dealt\s+with|finished"
    r"|settled|verified|accomplished|fertig|erledigt|listo|hecho|fatto|gedaan|klaar|c'est\s+fait|voilà,?"
    r"\s+c'est\s+fait)"
    r"(?:,?\s+(?:sir|madam|now))?\W*$"
    rf"|{_MY}(?:handled|sorted|solved|fixed|dealt\s+with|did\s+it|did\s+so|saw\s+to|seen\s+to|done\s+(?:so|it"
    rf"|that|as|what)|"
    r"(?:carried\s+out|executed|performed|sent|issued|obeyed|fulfilled)\s+(?:it|that|the\s+(?:order|command"
    r"|request|action))|"
    r"(?:bounced|cycled|kicked|kickstarted|terminated|ended))\b"
    r"|\b(?:order|request|command|action|job|task|deed|service|operation)\s+(?:is|was|has\s+been|were)"
    r"\s+(?:now\s+)?(?:carried\s+out|done|executed|"
    r"completed?|fulfilled|accomplished|performed|sent|run|bounced)\b|\bcommand\s+ran\b"
    r"|\b(?:mission|task|job)\s+(?:accomplished|complete[d]?)|\bno\s+sooner\s+said|\b(?:has|have|been)\s+been"
    r"\s+seen\s+to"
    r"|\b(?:outcome|status|result|call\s+says)\W{1,5}(?:verified|done|success\w*|ok|completed?|\w+ed)\b"
    r"|:\s*verified\b|\bis\s+verified\b"
    r"|\b(?:neu\s?gestartet|wurde\s+(?:gestartet|gestoppt|erstellt|verschoben|angelegt)|(?:ist|läuft)\s+wieder|"
    r"(?:ai|a\s+été|est)\s+(?:redémarré|démarré|arrêté|relancé|déplacé|créé)e?|j'ai\s+(?:redémarré|démarré"
    r"|arrêté|relancé)|"
    r"(?:he|ha\s+sido|se\s+ha|fue)\s+(?:reiniciado|iniciado|detenido|apagado|movido|creado)|reinicié|è"
    r"\s+stato\s+riavviato|ho\s+riavviato|"
    r"is\s+(?:herstart|opnieuw\s+gestart))\b"
)
_LIVES: Final = re.compile(
    r"\b(?:is|are|'s|has|have|come|comes|came|runs?|will\s+be)\s+(?:now\s+|just\s+|up\s+and\s+)*(?:back|again"
    r"|up\s+again|running\s+again|"
    r"online\s+again|fresh\s+from)\b|\b(?:is|are|'s)\s+now\s+(?:up|online|running|on|alive|healthy|live)\b"
    r"|\bnow\s+runs\b"
    r"|\b(?:is|are)\s+(?:up|running|online|up\s+and\s+running)\s+(?:again|now)\b|\b(?:restarts|reboots|starts"
    r"|boots)(?:\s+now|\W*$)|\bis\s+(?:now\s+)?(?:rebooting|restarting|booting)\b"
    r"|\b(?:runs|works)\s+again\b"
)
_LIES: Final = re.compile(
    r"\b(?:is|are|'s)\s+(?:now\s+(?:off|down|stopped|halted)|(?:off|down)\s+now)\b|\b(?:stops|halts)\s+now\b"
)
_MOVED: Final = re.compile(
    r"\b(?:now\s+(?:runs|lives|sits)\s+on|(?:runs|lives|is)\s+(?:now\s+)?on\s+[\w.-]+\s+now|is\s+now\s+on)\b"
)
_LATER: Final = re.compile(
    r"\b(?:once|if|unless|until|when|whether|before|waits?|waiting|awaits?|approval|approve|confirm|should"
    r"|would|could|not|never|"
    r"no|nothing|none|cannot|can't|isn't|wasn't|hasn't|haven't|didn't|without|shall|may|might|to\s+be|you"
    r"\s+(?:have|did))\b"
)
_ONCE: Final = re.compile(r"\b(?:once|if|unless|until|approv\w+|a?waits?|confirm)\b")
_CLAUSES: Final = re.compile(r"[,;—–]\s|:\s(?=(?:i|we)\b)")
WORDS: Final = acts.many("""
back again now fresh online set sorted handled fixed solved resolved success successful successfully succeeded
complete completed finished done issued sent made taken created ready applied installed added through fine ran
carried initiated triggered performed executed underway place verified exists did gave given kicked scheduled
saw seen dealt went restarts reboots starts boots stops bounced cycled ended terminated accomplished sooner
begun settled care wieder gestartet neu erledigt fertig redémarré relancé démarré arrêté reiniciado reinicié
listo hecho riavviato fatto herstart j'ai
""")
"""One of these stands in every one of them; from there on a sentence waits for its end."""


def boasts(sentence: str, ordered: Collection[str], *, read: bool) -> bool:
    """Whether a sentence tells, in other words than its verb, that what was ordered is done. ``ordered``: acts;
    ``read``: something was read in this turn, so a state is what was seen."""
    if not ordered:
        return False
    plain = re.sub(r"[*_`\"“”|]", " ", sentence.casefold().replace("’", "'").replace("once again", "again"))
    later = _ONCE.search(plain) is not None
    return any(
        _clause(clause.strip(), frozenset(ordered), state=not read and not later)
        for clause in _CLAUSES.split(plain)
    )


def _clause(text: str, ordered: frozenset[str], *, state: bool) -> bool:
    if not text or (_LATER.search(text) and "no sooner" not in text):
        return False
    if _PLAIN.search(text):
        return True
    for pattern in (_NAMED, _MADE):
        for match in pattern.finditer(text):
            noun = next(found for found in match.groups() if found)
            if _NOUNS[noun] in ordered or (noun in {"restart", "reboot", "start"} and ordered & _UP):
                return True
    return state and bool(
        (ordered & _UP and _LIVES.search(text))
        or (ordered & _DOWN and _LIES.search(text))
        or ("migrate" in ordered and _MOVED.search(text))
    )
