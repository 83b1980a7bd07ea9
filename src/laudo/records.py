"""Every table's columns, types, key and the command that makes it: once, here.

Tables are narrow and keyed. Stages join them by key, never by position; a column that may be null says
so, and Arrow refuses a null anywhere else before a file appears.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from laudo import mimic


@dataclass(frozen=True)
class Table:
    """A table: its name, the verb that makes it, its key columns and its Arrow schema."""

    name: str
    verb: str
    key: tuple[str, ...]
    schema: pa.Schema


def _table(name: str, verb: str, key: str, **columns: pa.DataType | tuple[pa.DataType, None]) -> Table:
    """Builds a table; a column given as `(type, None)` may be null."""
    fields = [
        pa.field(n, t[0], nullable=True) if isinstance(t, tuple) else pa.field(n, t, nullable=False)
        for n, t in columns.items()
    ]
    return Table(name, verb, tuple(key.split()), pa.schema(fields))


_int, _text, _real, _flag = pa.int64(), pa.string(), pa.float64(), pa.bool_()

IMAGE = pa.struct([("dicom_id", _text), ("view", _text), ("path", _text)])
"""`view` is empty where the metadata name none; `path` is relative to the run's folder."""

SECTIONS = pa.map_(_text, _text)
LABELLED = pa.struct([(label, pa.int8()) for label in mimic.LABELS])
"""1 present, 0 absent, -1 uncertain, null not mentioned."""

STUDIES = _table(
    "studies", "prepare", "study_id",
    study_id=_int, subject_id=_int, split=(_text, None), taken=(pa.timestamp("ms"), None), prior=(_int, None), prior_report=(_text, None),
    views=pa.list_(_text), images=pa.list_(IMAGE), encoding=(_text, None), sections=SECTIONS, target=SECTIONS,
    removed=pa.map_(_text, _int), chexpert=(LABELLED, None), negbio=(LABELLED, None), radiologist=(LABELLED, None),
    excluded=(_text, None),
)  # fmt: skip
"""Every study of the corpus. `views` are those of all its images, `images` those that are kept; `target` is what is
translated, trained on and scored, `removed` how many sentences or marks each policy took from it; `prior` is the
patient's last study before it, `prior_report` its English target where the policy supplies it; `excluded` says why it is not used, null where it is."""


def used(split: str | None = None) -> pc.Expression:
    """The studies that go on, of one split or of all, for `store.read(plan.studies, where=used("test"))`."""
    some = pc.field("excluded").is_null()
    return some if split is None else some & (pc.field("split") == split)


FILMS = _table(
    "films", "prepare", "study_id dicom_id",
    study_id=_int, dicom_id=_text, position=_int, view=_text, path=(_text, None), width=(_int, None), height=(_int, None),
    fingerprint=(_text, None), same_as=(_text, None), warning=(_text, None), left_out=(_text, None),
)  # fmt: skip
"""Every image of the studies asked for: kept under `path` (its size there in pixels), or why it was left out;
`position` is its place in the order of use, `same_as` is the kept image of which it is another rendering."""

TRANSLATIONS = _table(
    "translations", "translate", "study_id section",
    study_id=_int, section=_text, text_pt=_text, raw=_text, attempt=_int, stop=_text, prompt_tokens=_int, new_tokens=_int,
    logprob=(_real, None), seconds=_real,
)  # fmt: skip

CHECKS = _table(
    "checks",
    "check",
    "study_id section check",
    study_id=_int,
    section=_text,
    check=_text,
    passed=_flag,
    detail=_text,
)

VERDICTS = _table("verdicts", "check", "study_id", study_id=_int, verdict=_text, sections_pt=SECTIONS)
"""`verdict`: accepted, repaired, flagged or quarantined; `sections_pt` is the final text."""

TRAINING = _table("training", "train", "step split metric", step=_int, split=_text, metric=_text, value=_real)

GENERATIONS = _table(
    "generations", "generate", "study_id arm sample",
    study_id=_int, arm=_text, sample=_int, prompt=_text, completion=_text, stop=_text, images=pa.list_(_text), prompt_tokens=_int, new_tokens=_int,
    seconds=_real,
)  # fmt: skip
"""`images` are the dicom_ids shown, in order; `completion` holds only what the model added."""

LABELS = _table(
    "labels", "evaluate", "study_id text label", study_id=_int, text=_text, label=_text, value=(_int, None)
)

SCORES = _table(
    "scores", "evaluate", "study_id arm metric reference",
    study_id=_int, subject_id=_int, arm=_text, metric=_text, reference=_text, value=(_real, None), why=_text,
)  # fmt: skip

SUMMARY = _table(
    "summary", "evaluate", "arm versus metric label",
    arm=_text, versus=_text, metric=_text, label=_text, value=(_real, None), low=(_real, None), high=(_real, None), n=_int, p=(_real, None),
)  # fmt: skip
"""One row a figure: of an arm (`versus` empty) or of a difference `arm - versus`; `label` empty for all labels.
`p` is corrected by Holm over the pairs of arms of one metric and label."""

TIME_COLUMNS = frozenset({"seconds"})
"""Columns that differ from run to run; everything else is the same for the same experiment."""
