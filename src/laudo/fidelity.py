"""Whether a translated section is faithful to its English source: small checks that each give a reason.

`examine` strips what a chatty model adds, then holds the text against its source; `verdict` weighs what
failed. A reason names a finding, a number or a side, never the report's own words, so it may be logged.

To add a check, write a function that gives the reason a pair fails, and name it in `_CHECKS`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple

from laudo import findings, sections
from laudo.findings import Fact

Verdict = Literal["accepted", "repaired", "flagged", "quarantined"]

LEARNT: frozenset[Verdict] = frozenset({"accepted", "repaired"})
"""The verdicts with which a translation may be trained on or shown as an exemplar."""

# A reader or a model would learn something false or incomplete of the patient: never trained on. These
# follow WMT21's critical errors (polarity, numbers, deletion); a broken `___` may hide a lost date or name.
CRITICAL = frozenset({"complete", "negation", "laterality", "numbers", "findings", "deid", "repetition"})

# What failed has been taken out without touching the report's own words. Whatever is in neither set leaves the
# meaning, as far as a rule can see, and the form or the wording to doubt: flagged, for a person to look at.
REPAIRED = frozenset({"preface", "markdown"})


class Result(NamedTuple):
    """One check of one section; `detail` says why it failed and is empty where it passed."""

    check: str
    passed: bool
    detail: str


class Examined(NamedTuple):
    """The translation after repair, and one result for each check."""

    text: str
    results: list[Result]


def examine(*, source: str, translation: str, stop: str) -> Examined:
    """Repairs a translated section and checks it against its English source.

    Args:
        stop: why the model stopped; anything but `end` is a text cut short.
    """
    pair = _Pair(source, translation, stop)
    reasons = {name: check(pair) for name, check in _CHECKS.items()}
    return Examined(pair.text, [Result(name, not why, why) for name, why in reasons.items()])


def verdict(results: Iterable[Result]) -> Verdict:
    """The verdict on a study from the results of all its sections; the gravest one counts."""
    failed = {result.check for result in results if not result.passed}
    if failed & CRITICAL:
        return "quarantined"
    if failed - REPAIRED:
        return "flagged"
    return "repaired" if failed else "accepted"


# --- repair --------------------------------------------------------------------------------------------------

# What a model writes around and on the text, and what remains of it. Runs of `_` are MIMIC's, never emphasis.
_MARKDOWN = (
    (re.compile(r"^[ \t]*(?:```.*|-{3,}|\*{3,})[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*[-*•][ \t]+", re.MULTILINE), ""),
    (re.compile(r"\*\*+"), ""),
    (re.compile(r"(?<![\w*])\*(\S[^*\n]*)\*"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
)
_PREFACE = re.compile(
    r"\A(?:\W*(?:"
    r"(?:claro|certamente|com certeza|sure|certainly|of course)\b[ \t]*[,.!:]"
    r"|(?:aqui est[áa]|seguem?|a seguir|eis|here is|here's|below is)\b"
    r"(?:[^\n:.]{0,80}?\b(?:tradu|transla|relat|laudo|report|texto)[^\n:.]{0,80})?(?: abaixo)?[ \t]*(?:[:\n]|\.(?=\s)|\Z)"
    r"|(?:tradução|translation|(?:texto|relatório|laudo) traduzido)\b[^\n:.]{0,60}:"
    r"))+\s*",
    re.IGNORECASE,
)
_POSTFACE = re.compile(
    r"(?:\n|(?<=[.!?:])[ \t])\s*[(\[]?"
    r"(?:(?:observaç(?:ão|ões)|obs|notas?|note)\b(?: d[eoa] \w+| importante)?\.?[ \t]*:|espero (?:que|ter)\b|se precisar\b).*\Z",
    re.IGNORECASE | re.DOTALL,
)
_SOURCE_NOTE = re.compile(r"\b(?:notes?|observations?|comments?|n\.?b\.?)[ \t]*:", re.IGNORECASE)


def _without_markdown(text: str, source: str) -> str:
    for pattern, kept in _MARKDOWN:
        if not pattern.search(source):
            text = pattern.sub(kept, text)
    return text.strip()


def _without_preface(text: str, source: str) -> str:
    body = _PREFACE.sub("", text)
    return (body if _SOURCE_NOTE.search(source) else _POSTFACE.sub("", body)).strip()


# --- what is compared ----------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W\d_]+")
_ITEM = re.compile(r"(?<!\S)\d{1,2}[.)]\s")
_STOP = re.compile(r"(?<!\bDr)(?<!\bDra)(?<!\bDrs)(?<!\bvs)[.!?]+(?=\s|\Z)|\n+", re.IGNORECASE)


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _sentences(text: str) -> list[str]:
    """The sentences; an item of a list begins one, whether or not it stands on a line of its own."""
    pieces = _STOP.split(_ITEM.sub("\n", sections.unwrap(text)))
    return [piece.strip() for piece in pieces if _WORD.search(piece)]


@dataclass(frozen=True)
class _Pair:
    """A section's English source and what the model made of it."""

    source: str
    raw: str
    stop: str

    @cached_property
    def unmarked(self) -> str:
        return _without_markdown(self.raw, self.source)

    @cached_property
    def text(self) -> str:
        """The translation as it is kept."""
        return _without_preface(self.unmarked, self.source)

    @cached_property
    def facts(self) -> tuple[dict[str, list[Fact]], dict[str, list[Fact]]]:
        """The facts of source and translation by finding, each in the order of the text."""
        return _by_finding(findings.read(self.source, lang="en")), _by_finding(
            findings.read(self.text, lang="pt")
        )


def _by_finding(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        grouped[fact.finding].append(fact)
    return dict(grouped)


def _unlike(pair: _Pair, of: Callable[[Fact], str | None]) -> list[str]:
    """The findings of which `of` says something in both texts, but not the same.

    Mention by mention where both have as many that say something, as a translation keeps their order; else
    the kinds of things said, as one language may name twice what the other names once.
    """
    source, translation = pair.facts
    unlike = []
    for finding in sorted(source.keys() & translation.keys()):
        a, b = ([value for fact in facts[finding] if (value := of(fact))] for facts in (source, translation))
        alike = a == b if len(a) == len(b) else set(a) == set(b)
        if a and b and not alike:
            unlike.append(finding)
    return unlike


def _named(what: str, names: Sequence[str]) -> str:
    return f"{what} {', '.join(names)}" if names else ""


def _only(source: Iterable[str], translation: Iterable[str]) -> str:
    """What one text has and the other has not, in words."""
    a, b = Counter(source), Counter(translation)
    groups = (("source", a - b), ("translation", b - a))
    return "; ".join(
        f"{', '.join(sorted(only.elements()))} only in the {where}" for where, only in groups if only
    )


# --- the checks: each gives the reason it failed, empty where it passed --------------------------------------


def _complete(pair: _Pair) -> str:
    if pair.stop != "end":
        return "cut short"
    if not pair.text:
        return "empty"
    return "an echo of the source" if _echoes(_words(pair.source), _words(pair.text)) else ""


def _echoes(source: Sequence[str], text: Sequence[str]) -> bool:
    """Whether nearly all words are the source's; a text of three words may be the same in both languages."""
    shared = (Counter(source) & Counter(text)).total()
    return len(source) > 3 and 2 * shared > 0.9 * (len(source) + len(text))


def _preface(pair: _Pair) -> str:
    return "words around the translation, taken out" if pair.text != pair.unmarked else ""


def _markdown(pair: _Pair) -> str:
    return "markdown, taken out" if pair.unmarked != pair.raw.strip() else ""


def _structure(pair: _Pair) -> str:
    before, after = len(_sentences(pair.source)), len(_sentences(pair.text))
    alike = before == 1 or abs(before - after) <= max(1, 0.15 * before)
    return "" if alike else f"{before} sentences in the source, {after} in the translation"


def _deid(pair: _Pair) -> str:
    before, after = (len(re.findall(r"_{3,}", text)) for text in (pair.source, pair.text))
    return "" if before == after else f"{before} blanks in the source, {after} in the translation"


# The last group is the first letter of the unit, which is all that tells centimetres from millimetres.
_NUMBER = re.compile(r"(\d+)(?:[.,](\d+))?(?:[\s-]?([cm])(?:m\b|ent[ií]m|ill?[ií]m))?", re.IGNORECASE)
# A language may write "6th" where the other writes "sixth"; "one" and "um" are left out, as they are articles.
_SPELLED = {
    "1": "first primeiro primeira", "2": "two second dois duas segundo segunda", "3": "three third três terceiro terceira",
    "4": "four fourth quatro quarto quarta", "5": "five fifth cinco quinto quinta", "6": "six sixth seis sexto sexta",
    "7": "seven seventh sete sétimo sétima", "8": "eight eighth oito oitavo oitava", "9": "nine ninth nove nono nona",
    "10": "ten tenth dez décimo décima", "11": "eleven eleventh onze", "12": "twelve twelfth doze",
}  # fmt: skip


def _numbers(pair: _Pair) -> str:
    source, translation = _numbers_of(pair.source), _numbers_of(pair.text)
    only_source = _unspelled(source - translation, pair.text)
    only_translation = _unspelled(translation - source, pair.source)
    return _only(only_source, only_translation)


def _numbers_of(text: str) -> Counter[str]:
    """The numbers with a decimal point and without final zeros; centimetres and millimetres with their unit."""
    return Counter(_number(*match.groups(default="")) for match in _NUMBER.finditer(text))


def _number(whole: str, decimals: str, unit: str) -> str:
    decimals = decimals.rstrip("0")
    return (
        (whole.lstrip("0") or "0")
        + (f".{decimals}" if decimals else "")
        + (f" {unit.lower()}m" if unit else "")
    )


def _unspelled(numbers: Counter[str], other: str) -> list[str]:
    """The numbers that the other text does not write out as a word."""
    words = set(_words(other))
    return [n for n in numbers.elements() if not words & set(_SPELLED.get(n, "").split())]


def _findings(pair: _Pair) -> str:
    source, translation = pair.facts
    return _only(list(source), list(translation))


# "No acute cardiopulmonary process", the commonest impression of all, denies no finding that has a name.
_ACUTE_EN = re.compile(r"\b(?:acute|active)\b", re.IGNORECASE)
_ACUTE_PT = re.compile(
    r"\b(?:process|altera|anormalidade|doença|achado|patologia)\w*\b[^,;]{0,40}\b(?:agud|ativ)[oa]s?\b",
    re.IGNORECASE,
)
_DENIAL_EN = re.compile(
    r"\b(?:no|not|nor|neither|without|negative|absen\w+|free|unlikely|excluded)\b", re.IGNORECASE
)
_DENIAL_PT = re.compile(
    r"\b(?:sem|não|nem|nenhum\w*|negativ\w+|ausen\w+|ausência|livres?|isent\w+|descart\w+|afast\w+|exclu\w+|improváve\w+)\b",
    re.IGNORECASE,
)


def _negation(pair: _Pair) -> str:
    unlike = _unlike(pair, lambda fact: str(fact.status == "absent"))
    acute_en = sum(_states(sentence, _ACUTE_EN, _DENIAL_EN) for sentence in _sentences(pair.source))
    acute_pt = sum(_states(sentence, _ACUTE_PT, _DENIAL_PT) for sentence in _sentences(pair.text))
    return _named(
        "stated in one text, denied in the other:", unlike + ["acute process"] * (acute_pt > acute_en)
    )


def _states(sentence: str, what: re.Pattern[str], denial: re.Pattern[str]) -> bool:
    return bool(what.search(sentence)) and not denial.search(sentence)


def _certainty(pair: _Pair) -> str:
    unlike = _unlike(pair, lambda fact: None if fact.status == "absent" else fact.status)
    return _named("certain in one text, uncertain in the other:", unlike)


def _change(pair: _Pair) -> str:
    # What is resolved is denied, and so a matter of negation.
    return _named(
        "another change over time:",
        _unlike(pair, lambda fact: None if fact.change == "resolved" else fact.change),
    )


# Sides that one language says and the other leaves to be understood: only the right lung has a middle lobe, and
# "left greater than right" is "maior à esquerda".
_UNDERSTOOD = re.compile(
    r"\bright[\s-]+middle[\s-]+lob\w+|\bRML\b|\blobo[\s]+médio\s+direito|\bthan\s+(?:on\s+)?(?:the\s+)?(?:left|right)\b"
    r"|\b(?:do\s+)?que\s+(?:[aoà]|n[ao]|d[ao]|o lado|do lado)?\s*(?:esquerd|direit)\w+",
    re.IGNORECASE,
)
_SIDE_WORDS = {
    "left": (re.compile(r"\bleft(?:wards?)?\b|(?-i:\bL(?:LL|UL|IJ)\b)", re.IGNORECASE), re.compile(r"\besquerd\w+|(?-i:\bL[IS]E\b)", re.IGNORECASE)),
    "right": (re.compile(r"\bright(?:wards?)?\b|(?-i:\bR(?:LL|UL|IJ)\b)", re.IGNORECASE), re.compile(r"\bdireit\w+|(?-i:\bL[IS]D\b)", re.IGNORECASE)),
}  # fmt: skip


def _laterality(pair: _Pair) -> str:
    source, translation = (_UNDERSTOOD.sub(" ", text) for text in (pair.source, pair.text))
    counts = [
        (side, len(en.findall(source)), len(pt.findall(translation)))
        for side, (en, pt) in _SIDE_WORDS.items()
    ]
    miscounted = [
        f"{side}: {before} in the source, {after} in the translation"
        for side, before, after in counts
        if before != after
    ]
    # Words may agree in number and stand with the wrong findings.
    swapped = _named("another side:", _unlike(pair, lambda fact: fact.side))
    return "; ".join(filter(None, [*miscounted, swapped]))


# How much more likely English must be, as a difference of log-probabilities: four Portuguese words may look
# English by 7, and of short English sentences one in fifty by less than 8 (sentences of the phantom).
_ENGLISH_BY = 8.0


@cache
def _ranker() -> Callable[[str], list[tuple[str, float]]]:
    """The languages of a sentence by log-probability: three, as among all languages short ones are often mistaken."""
    import py3langid

    py3langid.set_languages(["pt", "en", "es"])
    rank: Callable[[str], list[tuple[str, float]]] = py3langid.rank
    return rank


def _is_english(sentence: str) -> bool:
    (language, score), (_, second), *_ = _ranker()(sentence)
    return language == "en" and score - second > _ENGLISH_BY


def _language(pair: _Pair) -> str:
    # Only English counts: Portuguese in short sentences may look Spanish.
    long = [sentence for sentence in _sentences(pair.text) if len(_words(sentence)) >= 4]
    english = sum(map(_is_english, long))
    return f"{english} of {len(long)} sentences in English" if english else ""


def _repetition(pair: _Pair) -> str:
    before, after = _most_repeated(_words(pair.source)), _most_repeated(_words(pair.text))
    return f"the same six words {after} times" if after >= 3 and after > before else ""


def _most_repeated(words: Sequence[str]) -> int:
    """How often the commonest run of six words occurs."""
    runs = Counter(tuple(words[i : i + 6]) for i in range(len(words) - 5))
    return max(runs.values(), default=0)


def _forms(forms: Mapping[str, str]) -> list[tuple[str, re.Pattern[str]]]:
    return [(english, re.compile(rf"\b(?:{pattern})", re.IGNORECASE)) for english, pattern in forms.items()]


# European spellings or words, by what they mean. Forms that both countries write (pneumotórax) are not here.
_EUROPEAN = _forms({
    "fact": r"factos?\b", "control": r"controlos?\b", "screen": r"ecrãs?\b", "chronic": r"crónic", "anomalous": r"anómal",
    "oxygen": r"oxigéni", "projection": r"projecç", "direction": r"direcç", "action": r"acç(?:ão|ões)", "infection": r"infeç(?:ão|ões)",
    "aspect": r"aspetos?\b", "detect": r"detet(?:a|o|á)", "fracture": r"fractur", "current": r"actua(?:l|is)", "active": r"activ[oa]s?\b",
    "pneumonic": r"pneumónic", "costophrenic": r"costo[\s-]?frénic", "record": r"registos?\b", "ultrasound": r"ecografi",
})  # fmt: skip
_FALSE_FRIENDS = _forms({
    "effusion": r"efus(?:ão|ões)", "unremarkable": r"(?:não|in)[\s-]?notáve(?:l|is)", "clear": r"(?:pulmões|campos pulmonares) claros",
    "chest tube": r"tubos? (?:torácico|de tórax|de peito|no peito)", "chest": r"(?:raios?[\s-]x|radiografia) d[eo] peito", "PICC line": r"linhas? picc",
    "pacemaker": r"pacemaker", "blunting": r"embotamento",
})  # fmt: skip


def _brazilian(pair: _Pair) -> str:
    return _named("European form of:", _met(_EUROPEAN, pair.text))


def _terminology(pair: _Pair) -> str:
    return _named("false friend of:", _met(_FALSE_FRIENDS, pair.text))


def _met(forms: Sequence[tuple[str, re.Pattern[str]]], text: str) -> list[str]:
    return [english for english, pattern in forms if pattern.search(text)]


_CHECKS: dict[str, Callable[[_Pair], str]] = {
    "complete": _complete, "structure": _structure, "negation": _negation, "laterality": _laterality, "numbers": _numbers,
    "findings": _findings, "certainty": _certainty, "change": _change, "deid": _deid, "language": _language,
    "brazilian": _brazilian, "preface": _preface, "markdown": _markdown, "repetition": _repetition, "terminology": _terminology,
}  # fmt: skip
