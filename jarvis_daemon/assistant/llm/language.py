"""Which language a question is in, by its script and its smallest words. Cheap; silent where it does not know."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

_SCRIPTS: Final = {
    "CYRILLIC": "ru", "GREEK": "el", "HEBREW": "he", "ARABIC": "ar", "DEVANAGARI": "hi", "THAI": "th",
    "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "ARMENIAN": "hy", "GEORGIAN": "ka",
}  # fmt: skip
_SMALL: Final = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the is are was what which how why when who of on in to my for and with has have does did can not it "
        "this that there please show me many much does's what's",
        "de": "der die das ist sind war was wie warum wann wer von auf im zu mein meine für und mit hat haben kann "
        "nicht es bitte zeig mir wieviel viele den dem ein eine einen läuft welche",
        "fr": "le la les est sont était quel quelle comment pourquoi quand qui de du des sur dans à mon ma pour et "
        "avec il elle pas ce cette combien montre moi un une",
        "es": "el la los las es son está están qué cuál cómo por cuándo quién de del en mi para y con no este esta "
        "cuánto cuántos muestra un una",
        "it": "il lo la gli le è sono era che quale come perché quando chi di del della su in mio per e con non "
        "questo questa quanto quanti mostra un una",
        "nl": "de het is zijn was wat welke hoe waarom wanneer wie van op in naar mijn voor en met heeft kan niet "
        "deze dit hoeveel laat zien een",
        "pt": "o os as é são está qual como por quando quem de do da em meu minha para e com não este esta quanto "
        "quantos mostre um uma",
        "pl": "jest są był co jaki jaka jak dlaczego kiedy kto z na w do mój moja dla i nie to ten ta ile czy",
        "sv": "är var vad vilken hur varför när vem av på i till min mitt för och med har kan inte det den många "
        "en ett visa",
    }.items()
}
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LOOK_AT: Final = 2000
"""Characters that are looked at: who pastes a log asks in its first or last line, and logs are English."""


def language(text: str) -> str | None:
    """A code such as ``de``; None where too little tells."""
    words = [word.lower() for word in _WORD.findall(text[:_LOOK_AT])]
    letters = Counter(_script(letter) for word in words for letter in word)
    other = {script: count for script, count in letters.items() if script in _SCRIPTS}
    if other and sum(other.values()) * 2 > sum(letters.values()):
        if other.keys() & {"HIRAGANA", "KATAKANA"}:
            return "ja"  # which writes Chinese signs too
        return _SCRIPTS[max(other, key=lambda script: other[script])]
    found = Counter({code: sum(word in small for word in words) for code, small in _SMALL.items()})
    (first, most), (_, next_most) = found.most_common(2)
    if most == 0 or (most == next_most and found["en"] == most):
        return "en" if found["en"] else None
    return first if most > next_most else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
