"""What a prepared corpus holds, counted: for `laudo prepare --describe` and for the results page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laudo import store
from laudo.mimic import LABELS, SPLITS, release
from laudo.plan import Plan
from laudo.records import used

Counts = dict[str, Any]


def census(plan: Plan) -> Counts:
    """Counts of the studies of a finished preparation, ready for JSON.

    `excluded` counts all that are not used, by reason and split; the others are of the studies used, save
    `release`, which holds a full copy against what MIMIC-CXR contains, and `corpus`, the number of studies found.

    Raises:
        NotReady: the tables are unfinished or stale.
    """
    texts = ["sections", "target", "removed", "images"]
    everything = store.arrow(
        plan.studies, columns=[n for n in plan.studies.table.schema.names if n not in texts]
    )
    some = store.arrow(plan.studies, where=used())
    films = store.arrow(plan.films, columns=["dicom_id", "warning", "left_out"])
    real = plan.experiment.mimic.phantom is None and release.is_full(len(everything))
    return {
        "corpus": len(everything),
        "used": _by_split(some),
        "patients": _by_split(some.group_by(["subject_id", "split"]).aggregate([])),
        "excluded": _excluded(everything),
        "labels": _labels(some),
        "views": _ranked(pc.list_flatten(some["views"])),
        "images": _numbered(pc.list_value_length(some["views"])),
        "images kept": _numbered(pc.list_value_length(some["images"])),
        "films": _films(films),
        "sections": _ranked(_keys(some["sections"])),
        "words": {split: _words(some.filter(pc.field("split") == split)["target"]) for split in SPLITS},
        "removed": _removed(some["removed"]),
        "latin-1": pc.sum(pc.equal(some["encoding"], "latin-1")).as_py() or 0,
        "release": [difference._asdict() for difference in release.differences(_contents(everything))] if real else None,
    }  # fmt: skip


def kind(reason: str) -> str:
    """A reason without its details: `unreadable image: ...` is an unreadable image."""
    return reason.partition(":")[0]


def _by_split(rows: pa.Table) -> dict[str, int]:
    counts = Counter(rows["split"].to_pylist())
    return {split: counts[split] for split in SPLITS}


def _ranked(names: pa.ChunkedArray) -> dict[str, int]:
    return dict(Counter(names.to_pylist()).most_common())


def _numbered(lengths: pa.ChunkedArray) -> dict[int, int]:
    return dict(sorted(Counter(lengths.to_pylist()).items()))


def _keys(maps: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(
        [chunk.keys[chunk.offsets[0].as_py() : chunk.offsets[-1].as_py()] for chunk in maps.chunks],
        pa.string(),
    )


def _excluded(rows: pa.Table) -> dict[str, dict[str, int]]:
    """reason -> split -> studies; those without a split under an empty name."""
    left_out = rows.filter(~used())
    pairs = zip(left_out["excluded"].to_pylist(), left_out["split"].to_pylist(), strict=True)
    counts = Counter((kind(reason), split or "") for reason, split in pairs)
    reasons = Counter(kind(reason) for reason in left_out["excluded"].to_pylist())
    return {
        reason: {s: counts[reason, s] for s in (*SPLITS, "") if counts[reason, s]}
        for reason, _ in reasons.most_common()
    }


def _labels(rows: pa.Table) -> dict[str, dict[str, int]]:
    """The original study's Table 2: CheXpert's label -> studies in which it is present, uncertain, absent."""
    labels = rows["chexpert"].combine_chunks()
    named = {"present": 1, "uncertain": -1, "absent": 0}
    return {
        label: {
            word: pc.sum(pc.equal(pc.struct_field(labels, label), value)).as_py() or 0
            for word, value in named.items()
        }
        for label in LABELS
    }


def _words(targets: pa.ChunkedArray) -> dict[str, float] | None:
    """Words of the target: 5th centile, median, 95th centile and the most; None without a study."""
    lengths = [sum(len(body.split()) for _, body in target) for target in targets.to_pylist()]
    if not lengths:
        return None
    low, median, high = np.percentile(lengths, (5, 50, 95))
    return {"low": float(low), "median": float(median), "high": float(high), "most": max(lengths)}


def _removed(maps: pa.ChunkedArray) -> dict[str, dict[str, int]]:
    """policy -> how many sentences or marks it took, from how many studies."""
    counts: dict[str, list[int]] = {}
    for row in maps.to_pylist():
        for policy, count in row:
            counts.setdefault(policy, []).append(count)
    return {policy: {"taken": sum(some), "studies": len(some)} for policy, some in sorted(counts.items())}


def _films(films: pa.Table) -> dict[str, dict[str, Any]]:
    """Images left out of the studies asked for, by reason; warnings about those kept; each unreadable one."""
    pairs = list(zip(films["dicom_id"].to_pylist(), films["left_out"].to_pylist(), strict=True))
    return {
        "left_out": dict(Counter(kind(reason) for _, reason in pairs if reason).most_common()),
        "warnings": _ranked(films["warning"].drop_null()),
        "unreadable": {dicom_id: reason for dicom_id, reason in pairs if reason and kind(reason) != reason},
    }


def _contents(rows: pa.Table) -> dict[str, int]:
    """What `release.CONTENTS` counts, of the whole corpus."""
    labels = _labels(rows)
    return {
        "studies": len(rows),
        "patients": pc.count_distinct(rows["subject_id"]).as_py(),
        "images": pc.sum(pc.list_value_length(rows["views"])).as_py(),
        **{f"studies in {split}": n for split, n in _by_split(rows).items()},
        "studies with a report": len(rows) - rows["encoding"].null_count,
        "studies with CheXpert labels": len(rows) - rows["chexpert"].null_count,
        "studies with NegBio labels": len(rows) - rows["negbio"].null_count,
        **{f"{label} {word}": n for label, row in labels.items() for word, n in row.items()},
    }


# --- as text ----------------------------------------------------------------------------------------


def summary(counts: Mapping[str, Any]) -> str:
    """The studies by split, and what was left out, counted and named."""
    lines = ["studies: " + ", ".join(f"{n:,} {split}" for split, n in counts["used"].items())]
    lines += [f"left out: {sum(by.values()):,} ({reason})" for reason, by in counts["excluded"].items()]
    if {"image file is missing", "no report"} & {*counts["excluded"]}:
        lines.append("(files that arrive later are taken in when the tables studies and films are deleted)")
    lines += [f"images left out: {n:,} ({why})" for why, n in counts["films"]["left_out"].items()]
    lines += [f"warning: {n:,} images, {why}" for why, n in counts["films"]["warnings"].items()]
    if counts["latin-1"]:
        lines.append(f"warning: {counts['latin-1']:,} reports are not UTF-8 and were read as Latin-1")
    if counts["release"] is not None:
        differ, all_ = len(counts["release"]), len(release.CONTENTS)
        said = f"not as in the release: {differ} of {all_} counts (--describe says which)"
        lines.append(said if differ else f"a full copy: all {all_} counts are those of the release")
    return "\n".join(lines)


def text(counts: Mapping[str, Any]) -> str:
    """All of the census, table by table."""
    splits = list(SPLITS)
    tables = [
        _table("studies", ["used", "patients"], {s: [counts["used"][s], counts["patients"][s]] for s in splits}),
        _table("left out", [*splits, "no split"], {r: [by.get(s, 0) for s in (*splits, "")] for r, by in counts["excluded"].items()}),
        _table("CheXpert label", ["present", "uncertain", "absent"], {n: [*row.values()] for n, row in counts["labels"].items()}),
        _table("view", ["images"], {view or "(not named)": [n] for view, n in counts["views"].items()}),
        _table("images of a study", ["studies", "studies, kept"], {
            str(k): [counts["images"].get(k, 0), counts["images kept"].get(k, 0)] for k in sorted({*counts["images"], *counts["images kept"]})
        }),
        _table("words of the target", ["5%", "median", "95%", "most"], {s: [round(v) for v in w.values()] for s, w in counts["words"].items() if w}),
        _table("section", ["studies"], {name: [n] for name, n in counts["sections"].items()}),
        _table("removed from targets", ["taken", "studies"], {name: [*row.values()] for name, row in counts["removed"].items()}),
    ]  # fmt: skip
    differing = "\n".join(
        f"{d['what']}: {d['found']:,}, in the release {d['expected']:,}; {d['why']}"
        for d in counts["release"] or ()
    )
    unreadable = "\n".join(f"{dicom_id}: {why}" for dicom_id, why in counts["films"]["unreadable"].items())
    return "\n\n".join(block for block in [summary(counts), differing, unreadable, *tables] if block)


def _table(title: str, columns: list[str], rows: Mapping[str, list[int]]) -> str:
    """A table of counts with aligned columns; empty without rows."""
    if not rows:
        return ""
    lines = [[title, *columns], *([name, *(f"{n:,}" for n in numbers)] for name, numbers in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )
