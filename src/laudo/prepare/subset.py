"""Which studies of a corpus are taken: how many of each split, by which rule, and no report in two splits.

Everything follows from a hash of the seed and the study_id, so that the order of rows in a table, or a study
that is added, changes nothing else.
"""

from __future__ import annotations

import hashlib
from collections import deque

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from laudo.config import Prepare
from laudo.mimic import LABELS, SPLITS

Reasons = NDArray[np.object_]


def leave_out(studies: pa.Table, settings: Prepare, *, texts: NDArray[np.int64]) -> Reasons:
    """Why each study is not taken, None where it is.

    Test is taken first, then validate, then train, each from the studies that may still be used, so that what
    is left out for a report that two splits share is left out of the larger one.

    Args:
        studies: rows of `studies`; those with a reason in `excluded` keep it.
        texts: (studies,) a number that is the same for the same target text.
    """
    reasons: Reasons = np.array(studies["excluded"].to_pylist(), dtype=object)
    present, labelled = _positives(studies, settings)
    if settings.subset != "random":
        _mark(reasons, ~labelled, "no label row")
    if settings.subset == "first_positive":
        present = _first(present)
        _mark(reasons, np.count_nonzero(present, axis=1) == 0, "no positive label")
    if settings.uncertain == "leave_out" and settings.subset != "random":
        _mark(reasons, _uncertain(studies), "uncertain label")
    split = studies["split"].to_pylist()
    order = _hashed(studies["study_id"].to_pylist(), settings.seed)
    taken: list[tuple[str, NDArray[np.int64]]] = []
    for name in reversed(SPLITS):
        own = np.array([each == name for each in split], dtype=bool)
        for other, seen in taken if settings.same_report == "apart" else ():
            _mark(reasons, own & np.isin(texts, seen), f"same report as in {other}")
        usable = order[own[order] & (reasons[order] == None)]  # noqa: E711
        drawn = _drawn(usable, present, settings.size_of(name), evenly=settings.subset != "random")
        _mark(reasons, own & ~np.isin(np.arange(len(own)), drawn), "outside the subset")
        taken.append((name, texts[drawn]))
    return reasons


def _mark(reasons: Reasons, where: NDArray[np.bool_], why: str) -> None:
    """Gives a reason to those that have none."""
    reasons[where & (reasons == None)] = why  # noqa: E711


def _positives(studies: pa.Table, settings: Prepare) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(studies, 14) whether each label counts as present, and (studies,) whether there is a row of labels."""
    rows = studies["chexpert"].combine_chunks()
    values = np.stack([rows.field(label).fill_null(0).to_numpy() for label in LABELS], axis=1)
    labelled = rows.is_valid().to_numpy(zero_copy_only=False)
    counted = (values == 1) | ((values == -1) & (settings.uncertain == "positive"))
    return counted & labelled[:, None], labelled


def _uncertain(studies: pa.Table) -> NDArray[np.bool_]:
    rows = studies["chexpert"].combine_chunks()
    some: NDArray[np.bool_] = np.any([rows.field(n).fill_null(0).to_numpy() == -1 for n in LABELS], axis=0)
    return some


def _first(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Each study's first label alone, in the order of PhysioNet's columns: the original study's rule."""
    earlier: NDArray[np.bool_] = np.cumsum(present, axis=1) > 1
    return present & ~earlier


def _hashed(study_ids: list[int], seed: int) -> NDArray[np.int64]:
    """Places of the studies in the order of a hash."""
    digests = [hashlib.sha256(f"{seed} {study_id}".encode()).digest() for study_id in study_ids]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def _drawn(
    usable: NDArray[np.int64], present: NDArray[np.bool_], size: int | None, *, evenly: bool
) -> NDArray[np.int64]:
    if size is None or size >= len(usable):
        return usable
    return _evenly(usable, present, size) if evenly else usable[:size]


def _evenly(usable: NDArray[np.int64], present: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Takes for the label with the fewest studies so far its next one, until there are enough.

    A study counts for every label it has. When no study with a label is left, the others follow in order.
    """
    queues = [deque(usable[present[usable, label]].tolist()) for label in range(present.shape[1])]
    counts, taken = np.zeros(len(queues), np.int64), dict[int, None]()
    while len(taken) < size and any(queues):
        label = min((n for n, queue in enumerate(queues) if queue), key=lambda n: (counts[n], n))
        study = queues[label].popleft()
        if study not in taken:
            taken[study] = None
            counts += present[study]
    rest = (study for study in usable.tolist() if study not in taken)
    while len(taken) < size:
        taken[next(rest)] = None
    return np.array(list(taken), dtype=np.int64)
