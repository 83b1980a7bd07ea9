"""Words of messages that depend on a number."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun, in the plural but for 1: `1 report`, `1,200 reports`."""
    forms = {"study": "studies"}
    return f"{count:,} {noun if count == 1 else forms.get(noun, f'{noun}s')}"
