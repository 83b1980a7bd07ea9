"""Which studies of a corpus are used: how many of each split, by which rule, and no report in two splits.

Everything follows from a hash of the seed and the study_id. So the order of the rows does not matter, and a
study that is added does not change the place of another.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from laudo.experiment.settings import Prepare
from laudo.hashing import by_hash
from laudo.vocabulary import LABELS, SPLITS, Exclusion

Reasons = NDArray[np.object_]
Flags = NDArray[np.bool_]

_SAME_REPORT = {"test": Exclusion.SAME_REPORT_IN_TEST, "validate": Exclusion.SAME_REPORT_IN_VALIDATE}


def leave_out(studies: pa.Table, settings: Prepare, *, texts: NDArray[np.int64]) -> Reasons:
    """Returns an `Exclusion` for each study that is not used, None for each other one.

    Test is chosen first, then validate, then train, each from the studies that are still usable. So if two
    splits share a report, the larger split loses it.

    Args:
        studies: rows with study_id, split, chexpert and excluded; a study with a reason in `excluded` keeps
            it.
        texts: (studies,) a number that is the same for the same target text.
    """
    reasons: Reasons = np.array(studies["excluded"].to_pylist(), dtype=object)
    labels = _labels(studies, settings)
    by_label = settings.subset != "random"
    if by_label:
        _exclude_by_label(reasons, labels, settings)
    split_of = studies["split"].to_pylist()
    order = _hashed_order(studies["study_id"].to_pylist(), settings.seed)
    texts_of: dict[str, NDArray[np.int64]] = {}
    for split in reversed(SPLITS):
        in_split = np.array([name == split for name in split_of], dtype=bool)
        if settings.same_report == "apart":
            for earlier, earlier_texts in texts_of.items():
                _exclude(reasons, in_split & np.isin(texts, earlier_texts), _SAME_REPORT[earlier])
        usable = order[(in_split & _is_usable(reasons))[order]]
        chosen = _choose(usable, labels.positive, settings.size_of(split), evenly=by_label)
        is_chosen = np.zeros(len(reasons), bool)
        is_chosen[chosen] = True
        _exclude(reasons, in_split & ~is_chosen, Exclusion.OUTSIDE_SUBSET)
        texts_of[split] = texts[chosen]
    return reasons


def _is_usable(reasons: Reasons) -> Flags:
    """Returns which studies have no reason yet."""
    return np.array([reason is None for reason in reasons], dtype=bool)


def _exclude(reasons: Reasons, where: Flags, reason: Exclusion) -> None:
    """Gives a reason to the studies that have none yet."""
    reasons[where & _is_usable(reasons)] = reason


class _Labels(NamedTuple):
    """CheXpert's labels: which count as positive, (studies, 14), and two facts of each study, (studies,)."""

    positive: Flags
    has_row: Flags
    has_uncertain: Flags


def _labels(studies: pa.Table, settings: Prepare) -> _Labels:
    rows = studies["chexpert"].combine_chunks()
    values = np.stack([rows.field(label).fill_null(0).to_numpy() for label in LABELS], axis=1)
    has_row = rows.is_valid().to_numpy(zero_copy_only=False)
    positive = values == 1
    if settings.uncertain == "positive":
        positive |= values == -1
    positive &= has_row[:, np.newaxis]
    if settings.subset == "first_positive":
        positive = _first_of_each(positive)
    return _Labels(positive, has_row, (values == -1).any(axis=1))


def _first_of_each(positive: Flags) -> Flags:
    """Returns only the first label of each study, in the order of PhysioNet's columns (original study)."""
    is_first: Flags = np.cumsum(positive, axis=1) == 1
    return positive & is_first


def _exclude_by_label(reasons: Reasons, labels: _Labels, settings: Prepare) -> None:
    _exclude(reasons, ~labels.has_row, Exclusion.NO_LABEL_ROW)
    if settings.subset == "first_positive":
        has_positive: Flags = np.any(labels.positive, axis=1)
        _exclude(reasons, ~has_positive, Exclusion.NO_POSITIVE_LABEL)
    if settings.uncertain == "leave_out":
        _exclude(reasons, labels.has_uncertain, Exclusion.UNCERTAIN_LABEL)


def _hashed_order(study_ids: list[int], seed: int) -> NDArray[np.int64]:
    """Returns the row numbers of the studies in the order of a hash."""
    rows = {study_id: row for row, study_id in enumerate(study_ids)}
    return np.array([rows[study_id] for study_id in by_hash(study_ids, seed=seed)], dtype=np.int64)


def _choose(
    usable: NDArray[np.int64], positive: Flags, size: int | None, *, evenly: bool
) -> NDArray[np.int64]:
    """Returns the rows to use, of the usable ones in their order; all if `size` is None."""
    if size is None or size >= len(usable):
        return usable
    return _choose_evenly(usable, positive, size) if evenly else usable[:size]


def _choose_evenly(usable: NDArray[np.int64], positive: Flags, size: int) -> NDArray[np.int64]:
    """Returns rows so that the labels have about equally many studies.

    The label with the fewest studies so far receives its next study, until there are enough. A study counts
    for every label it has. If no study with a label is left, the others follow in order.
    """
    queues = [deque(usable[positive[usable, label]].tolist()) for label in range(positive.shape[1])]
    counts = np.zeros(len(queues), np.int64)
    chosen: dict[int, None] = {}
    while len(chosen) < size and any(queues):
        label = min((number for number, queue in enumerate(queues) if queue), key=counts.__getitem__)
        study = queues[label].popleft()
        if study not in chosen:
            chosen[study] = None
            counts += positive[study]
    others = [study for study in usable.tolist() if study not in chosen]
    return np.array([*chosen, *others][:size], dtype=np.int64)
