"""The figures of the results page, as SVG that stands inside it, and its words and numbers in Portuguese.

The first part knows what a metric or an arm is called; the second only draws marks, series and alternative
texts. Text stays text, in the page's own font.
"""

from __future__ import annotations

import hashlib
import html
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from laudo.findings import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from laudo.store import Row

MIN_POSITIVES = 10
"""A label's F1 that rests on fewer studies with the finding is drawn hollow and without interval."""

METRICS = {
    "label_f1": "F1 dos rótulos",
    "bertscore_pt_f1": "BERTScore português, F1",
    "bertscore_pt_precision": "BERTScore português, precisão",
    "bertscore_pt_recall": "BERTScore português, revocação",
    "bertscore_en_f1": "BERTScore inglês–português, F1",
    "bertscore_en_precision": "BERTScore inglês–português, precisão",
    "bertscore_en_recall": "BERTScore inglês–português, revocação",
}
CURVES = {"loss": "Perda", "entropy": "Entropia", "mean_token_accuracy": "Acurácia média por token"}
LABELS_PT = dict(zip(LABELS, (
    "Atelectasia", "Cardiomegalia", "Consolidação", "Edema", "Mediastino alargado", "Fratura", "Lesão pulmonar", "Opacidade pulmonar",
    "Sem achados", "Derrame pleural", "Outra alteração pleural", "Pneumonia", "Pneumotórax", "Dispositivos",
), strict=True))  # fmt: skip
_ARMS = {"zero_shot": "zero-shot", "few_shot": "few-shot", "lora": "LoRA"}

INK, MUTED, RULE = "#22303a", "#5c6a74", "#d9dfe3"
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, told apart by colour-blind readers too (https://jfly.uni-koeln.de/color/)."""
GREYS = ("#7b848b", "#a9b0b5")
"""For controls."""

_WIDE_IN, _HALF_IN, _THIRD_IN = 9.6, 4.7, 3.1


# --- words and numbers ---------------------------------------------------------------------------------------


def arm_name(arm: str) -> str:
    return _ARMS.get(arm, arm.replace("_", " "))


def number(value: float | None, digits: int = 3) -> str:
    """With decimal comma and a true minus sign; a dash where it is not known."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}".replace(".", ",")
    return text.lstrip("-") if not text.strip("-0,") else text.replace("-", "−")


def signed(value: float | None) -> str:
    """A difference: `+0,120`."""
    text = number(value)
    return f"+{text}" if value is not None and value > 0 and text.strip("0,") else text


def interval(low: float | None, high: float | None) -> str:
    """`[0,587; 0,640]`, a dash where either limit is not known."""
    return "–" if low is None or high is None else f"[{number(low)}; {number(high)}]"


def p_value(p: float | None) -> str:
    """Three digits, or `< 0,001`."""
    return "< 0,001" if p is not None and p < 0.001 else number(p)


def whole(count: int) -> str:
    """With a point between thousands."""
    return f"{count:,}".replace(",", ".")


# --- what is shown -------------------------------------------------------------------------------------------


def differences(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Forest plots by metric, the primary one first and wide; rows are those of `results.json`."""
    rows, made = list(rows), {}
    for metric in ("label_f1", "bertscore_pt_f1", "bertscore_en_f1"):
        marks = [_difference(row, long=metric == "label_f1") for row in rows if row["metric"] == metric]
        if marks:
            alt = f"Diferenças de {METRICS[metric]} entre braços: " + "; ".join(
                f"{m.name} {' '.join(m.notes)}" for m in marks
            )
            made[metric] = _forest(
                marks, title=METRICS[metric], alt=alt, width_in=_WIDE_IN if metric == "label_f1" else _HALF_IN
            )
    return made


def _difference(row: Mapping[str, Any], *, long: bool) -> Mark:
    """Hollow where the interval holds 0; the long form has interval and p-value written beside it."""
    value, low, high = row["value"], row["low"], row["high"]
    holds_zero = low is None or high is None or low <= 0 <= high
    notes = (signed(value), interval(low, high), f"p {p_value(row['p'])}") if long else (signed(value),)
    return Mark(
        f"{arm_name(row['a'])} − {arm_name(row['b'])}", INK, value, low, high, hollow=holds_zero, notes=notes
    )


def labels(
    by_arm: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    positives: Mapping[str, int],
    colours: Mapping[str, str],
) -> str:
    """F1 by label and arm, the commonest finding on top."""
    unknown = {"value": None, "low": None, "high": None}
    groups = {}
    for label, n in sorted(positives.items(), key=lambda item: -item[1]):
        rows = [(arm, by_label.get(label, unknown)) for arm, by_label in by_arm.items()]
        groups[f"{LABELS_PT[label]} ({whole(n)})"] = [
            Mark(arm_name(arm), colours[arm], row["value"], row["low"], row["high"], hollow=n < MIN_POSITIVES)
            for arm, row in rows
        ]
    alt = "F1 de cada rótulo por braço, com intervalos de 95 %; os números estão na tabela abaixo da figura."
    return _bars(
        groups, axis="F1 (entre parênteses, estudos de teste com o achado)", alt=alt, width_in=_WIDE_IN
    )


def training(rows: Iterable[Row], *, colour: str) -> dict[str, str]:
    """Curves over the steps, by metric; `colour` is that of the arm that was trained."""
    rows, made = list(rows), {}
    for metric, title in CURVES.items():
        parts = {
            word: series(rows, metric=metric, split=split)
            for split, word in (("train", "treino"), ("validate", "validação"))
        }
        ends = [
            f"{word}, de {number(points[0][1])} no passo {points[0][0]} a {number(points[-1][1])} no passo {points[-1][0]}"
            for word, points in parts.items()
            if points
        ]
        if ends:
            made[metric] = _curves(
                parts, title=title, colour=colour, alt=f"{title}: {'; '.join(ends)}.", width_in=_THIRD_IN
            )
    return made


def series(rows: Iterable[Row], *, metric: str, split: str) -> list[tuple[int, float]]:
    """Steps and values of one curve."""
    return sorted(
        (row["step"], row["value"])
        for row in rows
        if row["metric"] == metric and row["split"] == split and math.isfinite(row["value"])
    )


def spreads(
    scores: Mapping[str, Mapping[str, Mapping[int, float | None]]], *, colours: Mapping[str, str]
) -> dict[str, str]:
    """Distributions over studies by metric, F1 first; scores are by arm, metric and study."""
    made = {}
    for metric in sorted((m for m in METRICS if m != "label_f1"), key=lambda m: not m.endswith("_f1")):
        by_arm = [
            (arm_name(arm), colours[arm], [v for v in known.get(metric, {}).values() if v is not None])
            for arm, known in scores.items()
        ]
        means = [
            f"{name} {number(sum(values) / len(values))} em {len(values)} estudos"
            for name, _, values in by_arm
            if values
        ]
        if means:
            made[metric] = _violins(
                by_arm,
                title=METRICS[metric],
                alt=f"Distribuição por estudo de {METRICS[metric]}. Médias: {'; '.join(means)}.",
                width_in=_HALF_IN,
            )
    return made


# --- how it is drawn -----------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """A value to draw, with its 95 % interval; a None is left undrawn. `hollow`: not to be leaned on."""

    name: str
    colour: str
    value: float | None
    low: float | None
    high: float | None
    hollow: bool = False
    notes: tuple[str, ...] = ()


_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "laudo", "font.size": 9.0, "text.color": INK, "axes.labelcolor": MUTED, "axes.labelsize": 9.0,
    "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlecolor": INK, "axes.titlepad": 8.0,
    "axes.edgecolor": RULE, "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "xtick.color": MUTED, "ytick.color": RULE,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": INK, "xtick.major.size": 0, "ytick.major.size": 0, "axes.axisbelow": True, "grid.color": RULE, "grid.linewidth": 0.6,
}  # fmt: skip
_POINTS_A_CHARACTER = 5.2
"""Width of a digit at 8.5 points, generous, so that columns of notes keep apart in any font."""


def _forest(marks: Sequence[Mark], *, title: str, alt: str, width_in: float) -> str:
    with _drawing(width_in, 0.75 + 0.27 * len(marks), alt) as (axes, svg):
        axes.axvline(0, color=MUTED, linewidth=1)
        for row, mark in enumerate(marks):
            if mark.low is not None and mark.high is not None:
                axes.hlines(row, mark.low, mark.high, color=mark.colour, linewidth=1.6)
            if mark.value is not None:
                axes.plot(
                    mark.value,
                    row,
                    "o",
                    color=mark.colour,
                    markerfacecolor="white" if mark.hollow else mark.colour,
                    markersize=6,
                )
        _name_rows(axes, [mark.name for mark in marks])
        _write_notes(axes, [mark.notes for mark in marks])
        axes.margins(x=0.08)
        axes.set_title(title)
    return svg.getvalue()


def _bars(groups: Mapping[str, Sequence[Mark]], *, axis: str, alt: str, width_in: float) -> str:
    from matplotlib.patches import Patch

    rows = max(len(marks) for marks in groups.values())
    with _drawing(width_in, 0.9 + len(groups) * (0.16 + 0.135 * rows), alt) as (axes, svg):
        for place, marks in enumerate(groups.values()):
            for step, mark in enumerate(marks):
                _bar(axes, place + (step - (rows - 1) / 2) * 0.8 / rows, mark, height=0.64 / rows)
        _name_rows(axes, list(groups))
        axes.set(xlim=(0, 1), xlabel=axis)
        legend = [Patch(color=mark.colour, label=mark.name) for mark in next(iter(groups.values()))]
        axes.legend(
            handles=legend,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=min(len(legend), 4),
            frameon=False,
            handlelength=0.9,
            borderaxespad=0.3,
        )
    return svg.getvalue()


def _bar(axes: Axes, row: float, mark: Mark, *, height: float) -> None:
    if mark.value is not None:
        axes.barh(
            row,
            mark.value,
            height,
            facecolor="white" if mark.hollow else mark.colour,
            edgecolor=mark.colour,
            linewidth=0.8,
            alpha=0.85,
        )
    if mark.low is not None and mark.high is not None and not mark.hollow:
        axes.hlines(row, mark.low, mark.high, color=INK, linewidth=0.9)


def _violins(
    by_name: Sequence[tuple[str, str, Sequence[float]]], *, title: str, alt: str, width_in: float
) -> str:
    """An exact 0 is an empty text: in the mean and counted beside it, but no shape could hold them and the rest."""
    import numpy as np

    with _drawing(width_in, 0.65 + 0.42 * len(by_name), alt) as (axes, svg):
        notes = []
        for row, (_, colour, values) in enumerate(by_name):
            mean, shown = float(np.mean(values)) if values else None, [v for v in values if v != 0]
            zeros = len(values) - len(shown)
            notes.append((number(mean) + (f" ({zeros} em 0)" if zeros else ""),))
            if shown:
                parts = axes.violinplot(
                    [shown], positions=[row], orientation="horizontal", widths=0.82, showextrema=False
                )
                for shape in parts["bodies"]:  # type: ignore[attr-defined]  # a list, whatever the stubs say
                    shape.set(facecolor=colour, edgecolor=colour, alpha=0.35, linewidth=0.8)
                axes.hlines(row, *np.percentile(shown, (25, 75)), color=colour, linewidth=2.2)
            if mean is not None:
                axes.vlines(mean, row - 0.44, row + 0.44, color=INK, linewidth=1.1, linestyles="dashed")
        _name_rows(axes, [name for name, _, _ in by_name])
        _write_notes(axes, notes, align="left")
        axes.set_title(title)
    return svg.getvalue()


def _curves(
    parts: Mapping[str, Sequence[tuple[int, float]]], *, title: str, colour: str, alt: str, width_in: float
) -> str:
    """The first part as a thin line, the last as a strong one with its points."""
    looks: tuple[dict[str, Any], ...] = (
        {"color": MUTED, "linewidth": 0.9},
        {"color": colour, "linewidth": 1.8, "marker": "o", "markersize": 3.5},
    )
    with _drawing(width_in, 2.3, alt) as (axes, svg):
        for (name, points), look in zip(parts.items(), looks, strict=True):
            if points:
                axes.plot(*zip(*points, strict=True), label=name, **look)
        axes.yaxis.set_major_formatter(_tick)
        axes.tick_params(axis="y", labelcolor=MUTED)
        axes.grid(axis="y")
        axes.set(title=title, xlabel="passo")
        axes.legend(frameon=False, handlelength=1.2)
    return svg.getvalue()


@contextmanager
def _drawing(width_in: float, height_in: float, alt: str) -> Iterator[tuple[Axes, io.StringIO]]:
    """Axes to draw on; when the block ends, the buffer holds the figure as an `<svg>` element."""
    import matplotlib
    from matplotlib.figure import Figure

    buffer, raw = io.StringIO(), io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        axes = figure.subplots()
        axes.xaxis.set_major_formatter(_tick)
        yield axes, buffer
        # Without metadata there is neither a date nor an address in the file.
        figure.savefig(
            raw, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    buffer.write(_inlined(raw.getvalue(), alt))


def _inlined(svg: str, alt: str) -> str:
    """The element alone, with its text alternative; its ids made its own, as a page holds several figures."""
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:6]
    element = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg[svg.index("<svg") :])
    return element.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)


def _tick(value: float, _: Any) -> str:
    return f"{value:.6g}".replace(".", ",").replace("-", "−")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(axis="x")


def _write_notes(axes: Axes, notes: Sequence[Sequence[str]], *, align: str = "right") -> None:
    """Columns of text beside the rows, right of the axes."""
    offset = 12.0
    for column in zip(*notes, strict=True):
        width = max(len(text) for text in column) * _POINTS_A_CHARACTER
        for row, text in enumerate(column):
            at = offset + width * (align == "right")
            axes.annotate(
                text,
                (1, row),
                (at, 0),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=8.5,
            )
        offset += width + 8
