"""The drawn radiograph: what a reader must be able to rely on, stated from anatomy and from `TrueFact`.

Expected sides follow the radiographic convention: the patient's right is the picture's left. Sizes and
strengths are compared by the sum of absolute differences to the same seed without the finding.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from laudo.phantom.draw import draw
from laudo.phantom.facts import LABEL_OF_FINDING, TrueFact

SEED = 11
MIDLINE = ["cardiomegaly", "enlarged_cardiomediastinum", "edema"]
SIDED = [finding for finding in LABEL_OF_FINDING if finding not in (*MIDLINE, "support_devices")]
DEVICES = ["endotracheal_tube", "nasogastric_tube", "central_line", "pacemaker"]
FACTS = [
    *(TrueFact(finding, "present") for finding in MIDLINE),
    *(TrueFact(finding, "present", "right") for finding in SIDED),
    TrueFact("support_devices", "present", None, kind="endotracheal_tube"),
    TrueFact("support_devices", "present", None, kind="nasogastric_tube"),
    TrueFact("support_devices", "present", "right", kind="central_line"),
    TrueFact("support_devices", "present", "right", kind="pacemaker"),
]
ALL_VIEWS = pytest.mark.parametrize("view", ["PA", "AP", "LATERAL", "LL"])
EACH_FACT = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.kind or fact.finding)


@cache
def picture(*facts: TrueFact, view: str = "PA", seed: int = SEED) -> np.ndarray:
    return draw(facts, view=view, size_px=128, seed=seed)


def difference(*facts: TrueFact, view: str = "PA", seed: int = SEED) -> np.ndarray:
    """Grey levels by which the facts change the empty picture of the same seed."""
    with_facts, without = picture(*facts, view=view, seed=seed), picture(view=view, seed=seed)
    return np.abs(with_facts.astype(int) - without.astype(int))


@ALL_VIEWS
def test_picture_is_grey_bytes_taller_than_wide(view: str) -> None:
    drawn = draw(FACTS, view=view, size_px=200, seed=3)
    assert drawn.dtype == np.uint8
    assert drawn.shape[0] == 200
    assert 160 <= drawn.shape[1] < 200


@ALL_VIEWS
def test_same_arguments_same_bytes_another_seed_another_picture(view: str) -> None:
    assert np.array_equal(picture(*FACTS, view=view), picture(*FACTS, view=view))
    assert not np.array_equal(picture(view=view), picture(view=view, seed=SEED + 1))


def test_order_of_facts_does_not_matter() -> None:
    assert np.array_equal(picture(*FACTS), picture(*reversed(FACTS)))


def test_every_label_and_device_is_tried_here() -> None:
    assert {fact.finding for fact in FACTS} == set(LABEL_OF_FINDING)
    assert {fact.kind for fact in FACTS if fact.kind} == set(DEVICES)


@ALL_VIEWS
@EACH_FACT
def test_present_finding_is_seen(fact: TrueFact, view: str) -> None:
    changed = difference(fact, view=view) > 20
    assert changed.mean() > 0.004
    assert difference(fact, view=view)[changed].mean() > 25


@ALL_VIEWS
@EACH_FACT
def test_absent_finding_leaves_no_trace(fact: TrueFact, view: str) -> None:
    assert not difference(replace(fact, status="absent"), view=view).any()


@ALL_VIEWS
@EACH_FACT
def test_uncertain_finding_has_about_half_the_contrast(fact: TrueFact, view: str) -> None:
    present = difference(fact, view=view).sum()
    uncertain = difference(replace(fact, status="uncertain"), view=view).sum()
    assert 0.4 < uncertain / present < 0.6


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "fact", [fact for fact in FACTS if fact.side], ids=lambda fact: fact.kind or fact.finding
)
def test_patients_right_is_the_pictures_left(fact: TrueFact, seed: int, view: str) -> None:
    right = difference(fact, view=view, seed=seed)
    left = difference(replace(fact, side="left"), view=view, seed=seed)
    middle = right.shape[1] // 2
    assert right[:, :middle].sum() > 3 * right[:, middle:].sum()
    assert left[:, middle:].sum() > 3 * left[:, :middle].sum()


@ALL_VIEWS
@pytest.mark.parametrize("finding", MIDLINE)
def test_midline_sign_ignores_the_side(finding: str, view: str) -> None:
    plain = picture(TrueFact(finding, "present"), view=view)
    assert all(
        np.array_equal(picture(TrueFact(finding, "present", side), view=view), plain)
        for side in ("left", "bilateral")
    )


@pytest.mark.parametrize("finding", SIDED)
def test_bilateral_finding_is_on_both_sides(finding: str) -> None:
    both = difference(TrueFact(finding, "present", "bilateral"))
    middle = both.shape[1] // 2
    assert 0.5 < both[:, :middle].sum() / both[:, middle:].sum() < 2


@ALL_VIEWS
@pytest.mark.parametrize("fact", [fact for fact in FACTS if not fact.kind], ids=lambda fact: fact.finding)
def test_larger_finding_changes_more(fact: TrueFact, view: str) -> None:
    small, moderate, large = (
        difference(replace(fact, size=size), view=view).sum() for size in ("small", "moderate", "large")
    )
    assert small < moderate < large
    assert difference(fact, view=view).sum() == moderate


def grey(view: str, x: float, y: float) -> float:
    """Mean grey (0 to 1) of a small square around a place, over eight patients."""
    chest = np.mean([picture(view=view, seed=seed) for seed in range(8)], axis=0) / 255
    row, column = int(y * chest.shape[0]), int(x * chest.shape[1])
    return float(chest[row - 3 : row + 4, column - 3 : column + 4].mean())


def test_frontal_chest_has_dark_lungs_and_the_heart_towards_the_patients_left() -> None:
    assert max(grey("PA", 0.25, 0.4), grey("PA", 0.75, 0.4)) < 0.4 < grey("PA", 0.5, 0.5)
    assert grey("PA", 0.65, 0.68) > grey("PA", 0.35, 0.68) + 0.2
    assert grey("PA", 0.3, 0.9) > 0.5


def test_heart_reaches_further_left_at_the_bedside() -> None:
    assert grey("AP", 0.72, 0.67) > grey("PA", 0.72, 0.67) + 0.03


def test_lateral_chest_faces_the_pictures_left() -> None:
    assert grey("LATERAL", 0.30, 0.65) > grey("LATERAL", 0.60, 0.55) + 0.2  # heart in front, lung behind it
    assert grey("LATERAL", 0.80, 0.5) > grey("LATERAL", 0.60, 0.55) + 0.1  # spine behind
