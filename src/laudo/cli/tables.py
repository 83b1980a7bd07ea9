"""Tables of numbers on standard output: by Rich on a terminal, as aligned text in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A table to print.

    Attributes:
        columns: the titles, the first of which names the table.
        rows: a name and its numbers each, as text.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def show(table: Table) -> None:
    """Prints a table: the names to the left, the numbers to the right."""
    if sys.stdout.isatty():
        _print_on_terminal(table)
    else:
        print(as_text(table))


def as_text(table: Table) -> str:
    """Returns a table as text with aligned columns."""
    lines = [table.columns, *table.rows]
    first, *others = (max(len(cell) for cell in column) for column in zip(*lines, strict=True))
    return "\n".join(_line(line, first, others) for line in lines)


def _line(line: Sequence[str], first: int, others: Sequence[int]) -> str:
    name, *numbers = line
    cells = [name.ljust(first), *(cell.rjust(width) for cell, width in zip(numbers, others, strict=True))]
    return "  ".join(cells).rstrip()


def _print_on_terminal(table: Table) -> None:
    from rich import table as rich
    from rich.console import Console
    from rich.text import Text

    name, *numbers = table.columns
    shown = rich.Table(box=None, header_style="bold")
    shown.add_column(Text(name))
    for title in numbers:
        shown.add_column(title, justify="right")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console().print(shown)
