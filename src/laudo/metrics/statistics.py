"""Intervals and tests by patient, in the same way for means and for ratios.

A measure is two things: the statistics of each study, and an aggregate that turns their sum into one
number. A mean has the statistics `(value, 1)` and the aggregate `mean`; micro-F1 has `(tp, fp, fn)` and
`micro_f1`. Studies of one patient are alike, so a `Cohort` sums the statistics by patient and resamples
patients; a ratio is computed anew in every resample and never averaged over reports. The draws are made
once and shared by all measures and arms.

    cohort = Cohort(patients)                                      # study_id -> patient
    cohort.interval(counts_of_lora, aggregate=micro_f1)            # study_id -> (tp, fp, fn)
    cohort.difference(a=counts_of_lora, b=counts_of_zero_shot, aggregate=micro_f1)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from laudo.errors import InputError

Array: TypeAlias = NDArray[np.float64]
Statistics: TypeAlias = Mapping[Any, Sequence[float]]
"""study_id, of whatever type -> what is summed over studies; a study that does not count is absent."""
Aggregate: TypeAlias = Callable[[Array], Array]
"""Summed statistics, shape (..., k), to values, shape (...); NaN where the number is not defined."""

PERCENTILES = (2.5, 97.5)
"""The percentiles of the resamples that bound an interval: 95 %."""


class Interval(NamedTuple):
    """A number, its 95 % interval over patients, and how many studies it is from; None is "not defined"."""

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
    """Divides the summed values by their number; statistics are those of `mean_statistics`."""
    return _ratio(sums[..., 0], sums[..., 1])


def micro_f1(sums: Array) -> Array:
    """Computes 2tp / (2tp + fp + fn); statistics are (tp, fp, fn). Not defined where all three are 0."""
    tp, fp, fn = sums[..., 0], sums[..., 1], sums[..., 2]
    return _ratio(2 * tp, 2 * tp + fp + fn)


def mean_statistics(value: float | None) -> tuple[float, float] | None:
    """Returns a study's statistics for `mean`; None if its value is None or NaN: it does not count then."""
    return None if value is None or math.isnan(value) else (value, 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of one declared family (Holm 1979), and returns them in the same order.

    The i-th smallest of m is multiplied by m - i + 1. It is never below the result of a smaller one, nor
    above 1.
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


class Cohort:
    """The patients behind a set of studies, and the random draws over them.

    Args:
        patients: study_id -> patient, for every study that may be scored; its order does not matter.
        resamples: number of bootstrap resamples, and of randomisations of a test.
        seed: fixes the draws, if the patients are the same. Memory is 16 bytes per patient and resample.
    """

    def __init__(self, patients: Mapping[Any, Hashable], *, resamples: int = 2000, seed: int = 0) -> None:
        # Sorted, so that the numbers do not depend on the order in which rows were fetched.
        index = {patient: i for i, patient in enumerate(sorted(set(patients.values()), key=str))}
        self._patient_of = {study: index[patients[study]] for study in sorted(patients, key=str)}
        bootstrap, swap = np.random.default_rng(seed).spawn(2)
        # How often each resample has each patient, and whom each randomisation swaps: (resamples, patients).
        self._multiplicities = _multiplicities(bootstrap, patients=len(index), resamples=resamples)
        self._swaps = swap.integers(0, 2, size=(resamples, len(index))).astype(np.float64)

    def interval(self, statistics: Statistics, *, aggregate: Aggregate) -> Interval:
        """Computes a measure with its percentile interval by a bootstrap over patients.

        Limits are None if fewer than two patients have a study that counts: resampling one patient shows
        no spread, which is not the same as a spread of zero. Resamples in which the measure is not
        defined are left out of the percentiles.

        Raises:
            InputError: a study is not in the cohort.
        """
        if not statistics:
            return Interval(None, None, None, 0)
        sums = self._sums_by_patient(statistics)
        value = _none_if_nan(aggregate(sums.sum(axis=0)))
        if value is None or not self._has_two_patients(statistics):
            return Interval(value, None, None, len(statistics))
        low, high = _percentiles(aggregate(self._multiplicities @ sums))
        return Interval(value, low, high, len(statistics))

    def difference(self, *, a: Statistics, b: Statistics, aggregate: Aggregate) -> Difference:
        """Computes `a - b` over the studies both arms have, paired by study.

        The interval resamples patients, the same for both arms. The p-value is that of a randomisation
        test: each patient's two arms are swapped or not by a fair coin, which for a mean is to flip the
        sign of the patient's summed difference; p = (c + 1) / (n + 1), where c counts the randomisations
        at least as far from 0 as what was observed, and those in which the measure is not defined. With
        few patients p cannot be small: 2 / 2 ** patients at best.

        Raises:
            InputError: a study is not in the cohort.
        """
        both = a.keys() & b.keys()
        if not both:
            return Difference(None, None, None, 0, None)
        sums_a = self._sums_by_patient({study: a[study] for study in both})
        sums_b = self._sums_by_patient({study: b[study] for study in both})
        total_a, total_b = sums_a.sum(axis=0), sums_b.sum(axis=0)
        value = _none_if_nan(aggregate(total_a) - aggregate(total_b))
        if value is None or not self._has_two_patients(both):
            return Difference(value, None, None, len(both), None)
        low, high = _percentiles(
            aggregate(self._multiplicities @ sums_a) - aggregate(self._multiplicities @ sums_b)
        )
        # For a swapped patient, b - a is added to a's total and taken from b's.
        exchanged = self._swaps @ (sums_b - sums_a)
        randomised = aggregate(total_a + exchanged) - aggregate(total_b - exchanged)
        return Difference(value, low, high, len(both), _p_value(value, randomised))

    def _sums_by_patient(self, statistics: Statistics) -> Array:
        """Sums the statistics of each patient's studies, shape (patients, k)."""
        unknown = sorted(str(study) for study in statistics.keys() - self._patient_of.keys())
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(statistics)} scored studies have no patient",
                where=", ".join(unknown[:3]),
                fix="score studies of the cohort only",
            )
        studies = [study for study in self._patient_of if study in statistics]
        sums = np.zeros((self._swaps.shape[1], len(statistics[studies[0]])))
        patients = [self._patient_of[study] for study in studies]
        np.add.at(sums, patients, [statistics[study] for study in studies])
        return sums

    def _has_two_patients(self, studies: Iterable[Hashable]) -> bool:
        return len({self._patient_of[study] for study in studies}) > 1


def _multiplicities(rng: np.random.Generator, *, patients: int, resamples: int) -> Array:
    """Draws as many patients as there are, with replacement, once for each resample.

    Returns how often each patient was drawn, shape (resamples, patients).
    """
    drawn = rng.integers(0, max(patients, 1), size=(resamples, patients))
    # One histogram for all resamples: each has its own range of `patients` bins.
    bins = drawn + patients * np.arange(resamples)[:, None]
    counts = np.bincount(bins.ravel(), minlength=resamples * patients)
    return counts.reshape(resamples, patients).astype(np.float64)


def _ratio(numerator: Array, denominator: Array) -> Array:
    ratio = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio


def _none_if_nan(value: Array) -> float | None:
    return None if np.isnan(value) else float(value)


def _percentiles(resampled: Array) -> tuple[float | None, float | None]:
    defined = resampled[~np.isnan(resampled)]
    if not defined.size:
        return None, None
    low, high = np.percentile(defined, PERCENTILES)
    return float(low), float(high)


def _p_value(observed: float, randomised: Array) -> float:
    # The tolerance makes ties count although their sums were added in another order.
    tolerance = 1e-9 * max(1.0, abs(observed))
    nearer = int(np.count_nonzero(np.abs(randomised) < abs(observed) - tolerance))
    return (randomised.size - nearer + 1) / (randomised.size + 1)
