"""Intervals and tests by patient, the same way for means and for ratios.

A metric is two things: a row of sufficient statistics for each study, and an aggregate that turns
summed rows into one number. A mean has rows `(value, 1)` and the aggregate `mean`; micro-F1 has rows
`(tp, fp, fn)` and the aggregate `micro_f1`. A `Cohort` sums the rows by patient, because studies of
one patient are alike, and resamples patients, so a ratio is computed anew in every resample and never
averaged over reports. The draws are made once and shared by all metrics and arms.

    cohort = Cohort(patients)                                      # study_id -> patient
    cohort.interval(means(f1_of_study), aggregate=mean)
    cohort.difference(a=counts_of_lora, b=counts_of_zero_shot, aggregate=micro_f1)
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from laudo.errors import InputError

Array: TypeAlias = NDArray[np.float64]
Study = TypeVar("Study", bound=Hashable)
Rows: TypeAlias = Mapping[Any, Sequence[float]]
"""study_id, of whatever type -> sufficient statistics; a study that was not scored has no row."""
Aggregate: TypeAlias = Callable[[Array], Array]
"""Summed rows, shape (..., k), to values, shape (...); NaN where the number is not defined."""

LIMITS = (2.5, 97.5)
"""Percentiles of the resamples that bound an interval: 95 %."""


class Interval(NamedTuple):
    """A number, its 95 % interval over patients, and the studies it rests on; None is "not defined"."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Difference(NamedTuple):
    """`a - b` over the studies both arms have, its 95 % interval, and a two-sided p-value."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None


def mean(sums: Array) -> Array:
    """Divides the summed values by their number; rows are those of `means`."""
    return _ratio(sums[..., 0], sums[..., 1])


def micro_f1(sums: Array) -> Array:
    """Computes 2tp / (2tp + fp + fn); rows are (tp, fp, fn). Not defined where all three are 0."""
    tp, fp, fn = sums[..., 0], sums[..., 1], sums[..., 2]
    return _ratio(2 * tp, 2 * tp + fp + fn)


def means(values: Mapping[Study, float | None]) -> dict[Study, tuple[float, float]]:
    """Makes the rows of a mean; a study whose value is None or NaN is left out."""
    scored = {study: value for study, value in values.items() if value is not None}
    return {study: (value, 1.0) for study, value in scored.items() if not math.isnan(value)}


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of one declared family (Holm 1979), in the order given.

    The i-th smallest of m is multiplied by m - i + 1, never below a smaller one's result nor above 1.
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


class Cohort:
    """The patients behind a set of studies and the random draws over them.

    Args:
        patients: study_id -> patient, for every study that may be scored; its order does not matter.
        resamples: number of bootstrap resamples, and of randomisations of a test.
        seed: fixes the draws, given the same patients. Memory is 16 bytes per patient and resample.
    """

    def __init__(self, patients: Mapping[Any, Hashable], *, resamples: int = 2000, seed: int = 0) -> None:
        # Sorted, so that the numbers do not depend on the order in which rows were read.
        index = {patient: i for i, patient in enumerate(sorted(set(patients.values()), key=str))}
        self._patient_of = {study: index[patients[study]] for study in sorted(patients, key=str)}
        bootstrap, swap = np.random.default_rng(seed).spawn(2)
        self._drawn = _multiplicities(bootstrap, patients=len(index), resamples=resamples)
        self._swapped = swap.integers(0, 2, size=(resamples, len(index))).astype(np.float64)

    def interval(self, rows: Rows, *, aggregate: Aggregate) -> Interval:
        """Computes a metric with its percentile interval by a bootstrap over patients.

        Limits are None when fewer than two patients have a row: resampling one patient shows no
        spread, which is not the same as a spread of zero. Resamples in which the metric is not
        defined are left out of the percentiles.

        Raises:
            InputError: a row's study is not in the cohort.
        """
        if not rows:
            return Interval(None, None, None, 0)
        sums = self._sums(rows)
        value = _number(aggregate(sums.sum(axis=0)))
        if value is None or not self._has_spread(rows):
            return Interval(value, None, None, len(rows))
        return Interval(value, *_limits(aggregate(self._drawn @ sums)), len(rows))

    def difference(self, *, a: Rows, b: Rows, aggregate: Aggregate) -> Difference:
        """Computes `a - b` over the studies both arms have, paired by study.

        The interval resamples patients, the same for both arms. The p-value is that of a
        randomisation test: each patient's two arms are swapped or not by a fair coin, which for a
        mean is to flip the sign of the patient's summed difference; p = (c + 1) / (n + 1), where c
        counts the randomisations at least as far from 0 as what was observed, and those in which
        the metric is not defined. With few patients p cannot be small: 2 / 2 ** patients at best.

        Raises:
            InputError: a row's study is not in the cohort.
        """
        both = a.keys() & b.keys()
        if not both:
            return Difference(None, None, None, 0, None)
        sums_a, sums_b = (self._sums({study: rows[study] for study in both}) for rows in (a, b))
        total_a, total_b = sums_a.sum(axis=0), sums_b.sum(axis=0)
        value = _number(aggregate(total_a) - aggregate(total_b))
        if value is None or not self._has_spread(both):
            return Difference(value, None, None, len(both), None)
        resampled = aggregate(self._drawn @ sums_a) - aggregate(self._drawn @ sums_b)
        # A swapped patient's b - a goes into a's total and out of b's.
        moved = self._swapped @ (sums_b - sums_a)
        randomised = aggregate(total_a + moved) - aggregate(total_b - moved)
        return Difference(value, *_limits(resampled), len(both), _p_value(value, randomised))

    def _sums(self, rows: Rows) -> Array:
        """Sums the rows of each patient, shape (patients, k)."""
        unknown = sorted(str(study) for study in rows.keys() - self._patient_of.keys())
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(rows)} scored studies have no patient",
                where=", ".join(unknown[:3]),
                mend="score studies of the cohort only",
            )
        studies = [study for study in self._patient_of if study in rows]
        sums = np.zeros((self._swapped.shape[1], len(rows[studies[0]])))
        np.add.at(sums, [self._patient_of[study] for study in studies], [rows[study] for study in studies])
        return sums

    def _has_spread(self, studies: Iterable[Hashable]) -> bool:
        return len({self._patient_of[study] for study in studies}) > 1


def _multiplicities(rng: np.random.Generator, *, patients: int, resamples: int) -> Array:
    """Draws as many patients as there are, with replacement: how often each came, (resamples, patients)."""
    drawn = rng.integers(0, max(patients, 1), size=(resamples, patients))
    # One histogram for all resamples: each has its own range of `patients` bins.
    bins = drawn + patients * np.arange(resamples)[:, None]
    counts = np.bincount(bins.ravel(), minlength=resamples * patients)
    return counts.reshape(resamples, patients).astype(np.float64)


def _ratio(numerator: Array, denominator: Array) -> Array:
    ratio = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio


def _number(value: Array) -> float | None:
    return None if np.isnan(value) else float(value)


def _limits(resampled: Array) -> tuple[float | None, float | None]:
    defined = resampled[~np.isnan(resampled)]
    if not defined.size:
        return None, None
    low, high = np.percentile(defined, LIMITS)
    return float(low), float(high)


def _p_value(observed: float, randomised: Array) -> float:
    # The tolerance makes ties count although their sums were added in another order.
    tolerance = 1e-9 * max(1.0, abs(observed))
    nearer = int(np.count_nonzero(np.abs(randomised) < abs(observed) - tolerance))
    return (randomised.size - nearer + 1) / (randomised.size + 1)
