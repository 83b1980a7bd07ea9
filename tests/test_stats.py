"""Intervals and tests by patient, compared with hand-worked cases, statsmodels and scipy."""

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import permutation_test
from statsmodels.stats.multitest import multipletests

from laudo.errors import InputError
from laudo.metrics.statistics import Cohort, Difference, Interval, holm, mean, mean_statistics, micro_f1

# Patient A has two studies, B and C one each.
PATIENTS = {"a1": "A", "a2": "A", "b1": "B", "c1": "C"}
VALUES = {"a1": 0.0, "a2": 1.0, "b1": 2.0, "c1": 5.0}
COUNTS = {"a1": (3, 1, 0), "a2": (0, 0, 2), "b1": (1, 1, 1), "c1": (0, 0, 0)}


def means(values):
    """study -> its statistics for `mean`; a study without a value is left out."""
    statistics = {study: mean_statistics(value) for study, value in values.items()}
    return {study: of_study for study, of_study in statistics.items() if of_study is not None}


def simulated(rng, *, patients, effect=0.0):
    """Studies of unequal patients: 1 to 4 studies each, which share their patient's shift."""
    patient_of, values = {}, {}
    for patient, size in enumerate(rng.integers(1, 5, size=patients)):
        shift = rng.normal()
        for study in range(size):
            patient_of[f"{patient}-{study}"] = patient
            values[f"{patient}-{study}"] = effect + shift + rng.normal()
    return patient_of, values


def all_resamples(patients):
    """Every ordered draw of three patients from three: the exact bootstrap distribution."""
    return list(itertools.product(patients, repeat=3))


def test_mean_interval_is_the_exact_bootstrap_of_three_patients():
    # By hand: A sums to 1 over 2 studies, B to 2 over 1, C to 5 over 1; mean 8/4.
    sums = {"A": (1, 2), "B": (2, 1), "C": (5, 1)}
    exact = [sum(sums[p][0] for p in d) / sum(sums[p][1] for p in d) for d in all_resamples("ABC")]
    got = Cohort(PATIENTS, resamples=50_000).interval(means(VALUES), aggregate=mean)
    assert got.value == 2.0 and got.n == 4
    # Of 27 equally likely draws only AAA gives 1/2 and only CCC gives 5: each 3.7 %, above 2.5 %.
    assert (got.low, got.high) == (min(exact), max(exact)) == (0.5, 5.0)


def test_micro_f1_sums_counts_before_dividing():
    # By hand: tp 4, fp 2, fn 3 -> 8 / 13; the mean of the studies' own F1 would be 0.45.
    got = Cohort(PATIENTS, resamples=50_000).interval(COUNTS, aggregate=micro_f1)
    assert got.value == pytest.approx(8 / 13)
    # Draws: BBB 1/2, AAA 2/3; CCC has no counts, is not defined and is left out.
    # BBB is the least (1 of 26 defined: 3.8 %), AAA, AAC and ACC the most.
    assert (got.low, got.high) == pytest.approx((1 / 2, 2 / 3))


def test_difference_is_paired_and_takes_the_studies_both_arms_have():
    a = {"a1": 0.5, "a2": 0.75, "b1": 1.0, "c1": None}
    b = {"a1": 0.25, "a2": 0.25, "c1": 0.0, "b1": float("nan")}
    got = Cohort(PATIENTS).difference(a=means(a), b=means(b), aggregate=mean)
    assert got == Difference(0.375, None, None, 2, None)  # a1 and a2, one patient: no spread to see


def test_p_of_three_patients_by_hand():
    # Differences by patient 1, 2 and 5 of 8: only +++ and --- are as far from 0, 2 of 8 = .25.
    got = Cohort(PATIENTS, resamples=50_000).difference(
        a=means(VALUES), b=means(dict.fromkeys(VALUES, 0.0)), aggregate=mean
    )
    assert got.value == 2.0
    assert got.p == pytest.approx(0.25, abs=0.01)
    assert (got.low, got.high) == (0.5, 5.0)


def test_p_for_micro_f1_swaps_whole_patients():
    a, b = (
        {"a1": (3, 1, 0), "b1": (1, 0, 1), "c1": (2, 0, 0)},
        {"a1": (1, 2, 2), "b1": (1, 1, 1), "c1": (0, 1, 2)},
    )

    def f1(rows):
        tp, fp, fn = (sum(column) for column in zip(*rows, strict=True))
        return 2 * tp / (2 * tp + fp + fn)

    observed = f1(a.values()) - f1(b.values())
    exact = []
    for swaps in itertools.product([False, True], repeat=3):
        left = [b[s] if swap else a[s] for s, swap in zip(a, swaps, strict=True)]
        right = [a[s] if swap else b[s] for s, swap in zip(a, swaps, strict=True)]
        exact.append(abs(f1(left) - f1(right)) >= abs(observed) - 1e-12)
    got = Cohort(PATIENTS, resamples=50_000).difference(a=a, b=b, aggregate=micro_f1)
    assert got.value == pytest.approx(observed)
    assert got.p == pytest.approx(np.mean(exact), abs=0.01)


def test_p_agrees_with_scipy_where_each_patient_has_one_study():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.4, 1, size=12), rng.normal(0, 1, size=12)
    oracle = permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    studies = {str(i): i for i in range(12)}
    got = Cohort(studies, resamples=50_000).difference(
        a=means(dict(zip(studies, a.tolist(), strict=True))),
        b=means(dict(zip(studies, b.tolist(), strict=True))),
        aggregate=mean,
    )
    assert 0.02 < oracle.pvalue < 0.9
    assert got.p == pytest.approx(oracle.pvalue, abs=0.01)


def test_p_is_never_zero():
    a, b = {str(i): 1.0 for i in range(40)}, {str(i): 0.0 for i in range(40)}
    got = Cohort({study: study for study in a}, resamples=999).difference(
        a=means(a), b=means(b), aggregate=mean
    )
    assert got.p == 1 / 1000


def test_equal_arms_differ_by_nothing():
    got = Cohort(PATIENTS).difference(a=means(VALUES), b=means(VALUES), aggregate=mean)
    assert got == Difference(0.0, 0.0, 0.0, 4, 1.0)


def test_width_agrees_with_the_clustered_standard_error_of_statsmodels():
    patients, values = simulated(np.random.default_rng(1), patients=800)
    y, groups = np.array(list(values.values())), np.array([patients[s] for s in values])
    fit = sm.OLS(y, np.ones_like(y)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    got = Cohort(patients).interval(means(values), aggregate=mean)
    assert got.value == pytest.approx(fit.params[0])
    assert (got.high - got.low) / (2 * 1.96) == pytest.approx(fit.bse[0], rel=0.06)
    # Studies taken as independent would look too sure; the clusters must be seen.
    assert (got.high - got.low) / (2 * 1.96) > 1.15 * y.std() / math.sqrt(y.size)


def test_about_95_of_100_intervals_hold_the_truth():
    rng, held = np.random.default_rng(2), 0
    for _ in range(200):
        patients, values = simulated(rng, patients=60, effect=0.3)
        got = Cohort(patients, resamples=400).interval(means(values), aggregate=mean)
        held += got.low <= 0.3 <= got.high
    assert 0.90 <= held / 200 <= 0.99


def test_order_of_rows_changes_no_number():
    rng = np.random.default_rng(3)
    patients, values = simulated(rng, patients=30)
    shuffled = rng.permutation(list(values)).tolist()
    again = Cohort({s: patients[s] for s in shuffled})
    assert again.interval(means({s: values[s] for s in shuffled}), aggregate=mean) == Cohort(
        patients
    ).interval(means(values), aggregate=mean)


def test_seed_fixes_the_draws():
    patients, values = simulated(np.random.default_rng(4), patients=30)
    got = [Cohort(patients, seed=seed).interval(means(values), aggregate=mean) for seed in (1, 1, 2)]
    assert got[0] == got[1]
    assert got[0].low != got[2].low and got[0].value == got[2].value


def test_metrics_share_their_draws():
    # Twice the values, so exactly twice the limits: only so if the same patients were drawn.
    patients, values = simulated(np.random.default_rng(6), patients=30)
    cohort = Cohort(patients)
    once, twice = (
        cohort.interval(means({s: k * v for s, v in values.items()}), aggregate=mean) for k in (1, 2)
    )
    assert (twice.low, twice.high) == pytest.approx((2 * once.low, 2 * once.high))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Interval(None, None, None, 0)),
        ({"a1": None, "b1": float("nan")}, Interval(None, None, None, 0)),
        ({"a1": 0.0, "a2": 1.0, "b1": None}, Interval(0.5, None, None, 2)),  # one patient
    ],
)
def test_what_cannot_be_known_is_none(values, expected):
    assert Cohort(PATIENTS).interval(means(values), aggregate=mean) == expected


def test_f1_without_any_count_is_none_and_not_zero():
    nothing = dict.fromkeys(PATIENTS, (0, 0, 0))
    assert Cohort(PATIENTS).interval(nothing, aggregate=micro_f1) == Interval(None, None, None, 4)
    got = Cohort(PATIENTS).difference(a=COUNTS, b=nothing, aggregate=micro_f1)
    assert got == Difference(None, None, None, 4, None)


def test_arms_without_a_common_study():
    got = Cohort(PATIENTS).difference(a={"a1": (1, 1)}, b={"b1": (1, 1)}, aggregate=mean)
    assert got == Difference(None, None, None, 0, None)


def test_empty_cohort():
    assert Cohort({}).interval({}, aggregate=mean) == Interval(None, None, None, 0)


def test_a_study_without_patient_is_named():
    with pytest.raises(InputError, match="1 of 2 scored studies have no patient\n  in: z9"):
        Cohort(PATIENTS).interval({"a1": (1, 1), "z9": (1, 1)}, aggregate=mean)


@pytest.mark.parametrize("p_values", [[], [0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.9, 0.02, 0.02, 1.0]])
def test_holm_agrees_with_statsmodels(p_values):
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))
