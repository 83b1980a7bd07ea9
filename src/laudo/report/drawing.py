"""Figures as SVG that stands inside the page: marks, bars, shapes and lines, with the notes beside them.

Nothing here knows a measure, an arm or a language. Text stays text, in the page's own font.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, RULE = "#22303a", "#5c6a74", "#d9dfe3"
"""Of text and lines, as in `templates/style.css`: a figure without the page's styles has them too."""
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, which colour-blind readers can tell apart (https://jfly.uni-koeln.de/color/)."""
GREYS = ("#7b848b", "#a9b0b5")
"""For controls."""

WIDE_IN, HALF_IN, THIRD_IN, NARROW_IN = 9.6, 4.7, 3.1, 3.7
"""Widths of figures that stand alone, in twos, in threes, and alone on a narrow screen."""

_STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "laudo",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlepad": 8.0,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.color": RULE,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
}
_POINTS_PER_CHARACTER = 5.2
"""Width of a digit at 8.5 points, generous, so that columns of notes stay apart in any font."""


class Frame(NamedTuple):
    """What surrounds a figure.

    Attributes:
        title: above the figure, or along the axis of bars.
        alt: the text alternative.
        tick: writes a number on an axis.
    """

    title: str
    alt: str
    width_in: float
    tick: Callable[[float], str]


class Mark(NamedTuple):
    """A value with its 95 % interval; what is None is not drawn.

    Attributes:
        is_hollow: whether a reader should not rely on it.
        notes: written beside it, in columns.
    """

    name: str
    colour: str
    value: float | None
    low: float | None
    high: float | None
    is_hollow: bool = False
    notes: tuple[str, ...] = ()


class Violin(NamedTuple):
    """Values as a shape, with their mean; `note` is written beside it."""

    name: str
    colour: str
    values: Sequence[float]
    mean: float | None
    note: str


class Line(NamedTuple):
    """Points in the order of x; a strong line is thick and shows them."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    is_strong: bool


def for_each_screen(draw: Callable[[Frame], Markup], frame: Frame) -> Markup:
    """Draws a figure for wide screens and paper, and for narrow screens; the styles show one of the two."""
    narrow = draw(frame._replace(width_in=NARROW_IN))
    figures = Markup('<div class="wide">{}</div><div class="narrow">{}</div>')
    return figures.format(draw(frame), narrow)


# --- figures -----------------------------------------------------------------------------------------------


def forest(marks: Sequence[Mark], frame: Frame) -> Markup:
    """Draws a row for each mark, with its interval, around a line at 0.

    Names and notes stand left and right of the rows, on a narrow figure above them.
    """
    is_narrow = frame.width_in == NARROW_IN
    row_in = 0.6 if is_narrow else 0.27
    with _drawing(frame, height_in=0.75 + row_in * len(marks)) as (axes, svg):
        axes.axvline(0, color=MUTED, linewidth=1)
        for row, mark in enumerate(marks):
            if mark.low is not None and mark.high is not None:
                axes.hlines(row, mark.low, mark.high, color=mark.colour, linewidth=1.6)
            if mark.value is not None:
                axes.plot(
                    mark.value, row, "o", color=mark.colour, markerfacecolor=_filling(mark), markersize=6
                )
        if is_narrow:
            _write_above(axes, marks)
        else:
            _name_rows(axes, [mark.name for mark in marks])
            _write_notes(axes, [mark.notes for mark in marks], align="right")
        axes.margins(x=0.08)
        axes.set_title(frame.title)
    return svg.markup


def bars(groups: Mapping[str, Sequence[Mark]], frame: Frame) -> Markup:
    """Draws a group of bars for each name; every group has the same marks in the same order."""
    bars_per_group = max(len(marks) for marks in groups.values())
    height_in = 0.9 + len(groups) * (0.16 + 0.135 * bars_per_group)
    with _drawing(frame, height_in=height_in) as (axes, svg):
        for place, marks in enumerate(groups.values()):
            for number, mark in enumerate(marks):
                from_middle = number - (bars_per_group - 1) / 2
                _bar(axes, place + from_middle * 0.8 / bars_per_group, mark, height=0.64 / bars_per_group)
        _name_rows(axes, list(groups))
        is_narrow = frame.width_in == NARROW_IN
        axes.set(xlim=_limits(groups), xlabel=textwrap.fill(frame.title, 24) if is_narrow else frame.title)
        _add_legend_above(axes, next(iter(groups.values())), is_narrow=is_narrow)
    return svg.markup


def _limits(groups: Mapping[str, Sequence[Mark]]) -> tuple[float | None, float | None]:
    """From 0 to 1 if all values are, as of a ratio; else what matplotlib chooses."""
    values = [mark.value for marks in groups.values() for mark in marks if mark.value is not None]
    return (0, 1) if all(0 <= value <= 1 for value in values) else (None, None)


def _bar(axes: Axes, row: float, mark: Mark, *, height: float) -> None:
    if mark.value is not None:
        axes.barh(
            row,
            mark.value,
            height,
            facecolor=_filling(mark),
            edgecolor=mark.colour,
            linewidth=0.8,
            alpha=0.85,
        )
    if mark.low is not None and mark.high is not None and not mark.is_hollow:
        axes.hlines(row, mark.low, mark.high, color=INK, linewidth=0.9)


def violins(shapes: Sequence[Violin], frame: Frame) -> Markup:
    """Draws a shape for each row, with the middle half of its values and a dashed line at the mean."""
    import numpy as np

    with _drawing(frame, height_in=0.65 + 0.42 * len(shapes)) as (axes, svg):
        for row, shape in enumerate(shapes):
            if shape.values:
                _violin(axes, row, shape)
                axes.hlines(row, *np.percentile(shape.values, (25, 75)), color=shape.colour, linewidth=2.2)
            if shape.mean is not None:
                axes.vlines(shape.mean, row - 0.44, row + 0.44, color=INK, linewidth=1.1, linestyles="dashed")
        _name_rows(axes, [shape.name for shape in shapes])
        _write_notes(axes, [(shape.note,) for shape in shapes], align="left")
        axes.set_title(frame.title)
    return svg.markup


def _violin(axes: Axes, row: int, shape: Violin) -> None:
    parts: Any = axes.violinplot(
        [shape.values], positions=[row], orientation="horizontal", widths=0.82, showextrema=False
    )
    for body in parts["bodies"]:
        body.set(facecolor=shape.colour, edgecolor=shape.colour, alpha=0.35, linewidth=0.8)


def curves(lines: Sequence[Line], frame: Frame, *, axis: str) -> Markup:
    """Draws lines over one axis, which `axis` names."""
    with _drawing(frame, height_in=2.3) as (axes, svg):
        for line in lines:
            if line.points:
                axes.plot(*zip(*line.points, strict=True), label=line.name, color=line.colour, **_look(line))
        axes.yaxis.set_major_formatter(_formatter(frame))
        axes.tick_params(axis="y", labelcolor=MUTED)
        axes.grid(axis="y")
        axes.set(title=frame.title, xlabel=axis)
        axes.legend(frameon=False, handlelength=1.2)
    return svg.markup


def _look(line: Line) -> dict[str, Any]:
    if line.is_strong:
        return {"linewidth": 1.8, "marker": "o", "markersize": 3.5}
    return {"linewidth": 0.9}


# --- what they share ---------------------------------------------------------------------------------------


class _Svg:
    """The drawing as an element; empty until it is finished."""

    markup = Markup()


@contextmanager
def _drawing(frame: Frame, *, height_in: float) -> Iterator[tuple[Axes, _Svg]]:
    """Axes to draw on; after the block the second value holds the figure as an `<svg>` element."""
    import matplotlib
    from matplotlib.figure import Figure

    svg, buffer = _Svg(), io.StringIO()
    with matplotlib.rc_context(dict(_STYLE)):
        figure = Figure(figsize=(frame.width_in, height_in), layout="constrained")
        axes = figure.subplots()
        axes.xaxis.set_major_formatter(_formatter(frame))
        yield axes, svg
        # Without metadata there is neither a date nor an address in the file.
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    svg.markup = _inlined(buffer.getvalue(), frame.alt)


def _inlined(svg: str, alt: str) -> Markup:
    """The element alone, with its text alternative; its ids get a prefix, as a page holds several figures."""
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:6]
    element = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg[svg.index("<svg") :])
    return Markup(element.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1))


def _formatter(frame: Frame) -> Callable[[float, Any], str]:
    return lambda value, _: frame.tick(value)


def _filling(mark: Mark) -> str:
    return "white" if mark.is_hollow else mark.colour


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(axis="x")


def _write_above(axes: Axes, marks: Sequence[Mark]) -> None:
    """The name and the notes of each row in two lines above its mark, from the left edge of the axes."""
    axes.set_yticks([])
    axes.set_ylim(len(marks) - 0.75, -0.8)
    axes.grid(axis="x")
    for row, mark in enumerate(marks):
        axes.annotate(
            f"{mark.name}\n{'  '.join(mark.notes)}",
            (0, row),
            (0, 8),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="bottom",
            fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )


def _add_legend_above(axes: Axes, marks: Sequence[Mark], *, is_narrow: bool) -> None:
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=mark.colour, label=mark.name) for mark in marks],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=1 if is_narrow else min(len(marks), 4),
        frameon=False,
        handlelength=0.9,
        borderaxespad=0.3,
    )


def _write_notes(axes: Axes, notes: Sequence[Sequence[str]], *, align: Literal["left", "right"]) -> None:
    """Columns of text beside the rows, right of the axes."""
    left = 12.0
    for column in zip(*notes, strict=True):
        width = max(len(text) for text in column) * _POINTS_PER_CHARACTER
        for row, text in enumerate(column):
            axes.annotate(
                text,
                (1, row),
                (left + width if align == "right" else left, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=8.5,
            )
        left += width + 8
