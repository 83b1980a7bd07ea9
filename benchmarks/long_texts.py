"""How long a megabyte of one repeated piece takes: to read its findings, and to divide it into sections.

python benchmarks/long_texts.py

An expression that goes back over the text, or text that is joined piece by piece, would take hours.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from laudo import findings, sections
from laudo.sections import reference

MEGABYTE = 1_000_000
WITHOUT_FINDINGS = ("não ", "(", "[]", "no ", "-\n", "12 ")
"""Pieces with which a number, a denial or a divided word could begin."""
BEGINNINGS = (
    "\n",
    ":",
    "*",
    " ",
    "A",
    "_",
    "-",
    "\n ",
    "\n \n",
    "\nA:",
    "\n**",
    "a\n",
    "1. a\n",
    "A-",
    "- ",
    "\n ADDENDUM: ",
)
"""Pieces with which a header, a paragraph or a list could begin."""


def megabyte(piece: str) -> str:
    """Returns a megabyte of a piece."""
    return piece * (MEGABYTE // len(piece))


def divide(text: str) -> None:
    """Does everything that `laudo.sections` does with a report."""
    for body in sections.target(sections.split(text, lang="pt")).values():
        sections.unwrap(body)
    reference.split(text)


def seconds(function: Callable[[str], object], text: str) -> float:
    """Returns how long a function takes."""
    start = time.perf_counter()
    function(text)
    return time.perf_counter() - start


def main() -> None:
    """Prints the longest time of each."""
    findings.read("Sem derrame.", lang="pt")  # loads the lexicon
    to_read = {
        piece: seconds(lambda text: findings.read(text, lang="pt"), megabyte(piece))
        for piece in WITHOUT_FINDINGS
    }
    to_divide = {piece: seconds(divide, f"\n FINDINGS: a\n{megabyte(piece)}") for piece in BEGINNINGS}
    for name, times in (("findings", to_read), ("sections", to_divide)):
        slowest = max(times, key=times.__getitem__)
        print(f"{name}: at most {times[slowest]:.2f} s for a megabyte, of {slowest!r}")


if __name__ == "__main__":
    main()
