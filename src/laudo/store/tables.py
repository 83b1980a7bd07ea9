"""Every table: its columns and their types, its key, the command that makes it, and its recipe number.

Tables are narrow and keyed. Stages join them by key, never by position; a column that may be null says so,
and Arrow refuses a null anywhere else before a file appears.

The recipe number stands for the code. Raise it in the commit that makes a stage give other rows from the same
settings and sources: `laudo status` then says so, and the next run makes the table again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from laudo.vocabulary import LABELS

if TYPE_CHECKING:
    import pyarrow.compute as pc

TIME_COLUMNS = frozenset({"seconds"})
"""Columns that differ from run to run. They are not content: nothing is made again because of them."""

WATCHED = "watched"
"""The column of the files that a row needed and could not use, each with its stamp (`store.watch`).

It is not content either, but its table is stale as soon as one of the files has changed.
"""


@dataclass(frozen=True)
class Table:
    """A table: its name, the verb that makes it, its key columns, its Arrow schema and its recipe number."""

    name: str
    verb: str
    key: tuple[str, ...]
    schema: pa.Schema
    recipe: int = 1

    @property
    def content(self) -> tuple[str, ...]:
        """The columns whose content counts: all but times and watched files."""
        return tuple(name for name in self.schema.names if name not in TIME_COLUMNS | {WATCHED})


class Nullable:
    """Marks the type of a column that may be null."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind


def _table(
    name: str, verb: str, key: str, columns: dict[str, pa.DataType | Nullable], *, recipe: int = 1
) -> Table:
    fields = [
        pa.field(column, kind.kind, nullable=True)
        if isinstance(kind, Nullable)
        else pa.field(column, kind, nullable=False)
        for column, kind in columns.items()
    ]
    return Table(name, verb, tuple(key.split()), pa.schema(fields), recipe)


INT, TEXT, REAL, FLAG = pa.int64(), pa.string(), pa.float64(), pa.bool_()

IMAGE = pa.struct([("dicom_id", TEXT), ("view", TEXT), ("path", TEXT), ("digest", TEXT)])
"""A cached image: `view` is empty where the metadata name none; `path` is relative to the run's folder;
`digest` is of its bytes, so that another picture under the same path is another image."""

LISTED_IMAGE = pa.struct(
    [("dicom_id", TEXT), ("view", TEXT), ("rows", INT), ("columns", INT), ("file", TEXT)]
)
"""An image as the corpus has it: `view` and the size in pixels from its tables, null where they are silent;
`file` is its name in the study's folder, null where it is not there."""

SECTIONS = pa.map_(TEXT, TEXT)
"""Section name -> its text."""

LABELLED = pa.struct([(label, pa.int8()) for label in LABELS])
"""CheXpert's 14 labels: 1 present, 0 absent, -1 uncertain, null not mentioned."""

STAMPS = pa.map_(TEXT, TEXT)
"""Path of a file or folder -> its stamp (`store.watch`)."""

SPAN = pa.struct([("start", INT), ("end", INT)])
"""Characters of a text, `end` not included."""

# --- prepare --------------------------------------------------------------------------------------

TEXTS = _table(
    "texts",
    "prepare",
    "study_id",
    {
        "study_id": INT,
        "encoding": Nullable(TEXT),
        "sections": SECTIONS,
        "target": SECTIONS,
        "removed": pa.map_(TEXT, INT),
        "same_text": INT,
        "files": pa.list_(TEXT),
        "fault": Nullable(TEXT),
        WATCHED: STAMPS,
    },
    recipe=2,
)
"""Every study of the corpus, with what its report gives.

`encoding` is `utf-8` or `latin-1`, null without a report; `target` is what is translated, trained on and
scored; `removed` counts what each policy took from it; `same_text` is a number that is the same for the
same target; `files` are its image files, none where images are not asked for; `fault` says why the report
cannot be used (`vocabulary.Exclusion`), null where it can.
"""

SUBSET = _table(
    "subset",
    "prepare",
    "study_id",
    {"study_id": INT, "subject_id": INT, "images": pa.list_(LISTED_IMAGE), "excluded": Nullable(TEXT)},
)
"""Which studies are asked for: `excluded` is null for those. `images` are in the order of use."""

FILMS = _table(
    "films",
    "prepare",
    "study_id dicom_id",
    {
        "study_id": INT,
        "dicom_id": TEXT,
        "position": INT,
        "view": TEXT,
        "path": Nullable(TEXT),
        "width": Nullable(INT),
        "height": Nullable(INT),
        "digest": Nullable(TEXT),
        "fingerprint": Nullable(TEXT),
        "same_as": Nullable(TEXT),
        "warning": Nullable(TEXT),
        "left_out": Nullable(TEXT),
        WATCHED: STAMPS,
    },
    recipe=4,
)
"""Every image of the studies asked for: cached under `path`, with its size in pixels, or why not.

`position` is its place in the order of use; `same_as` is the cached image of which it is another rendering.
"""

STUDIES = _table(
    "studies",
    "prepare",
    "study_id",
    {
        "study_id": INT,
        "subject_id": INT,
        "split": Nullable(TEXT),
        "taken": Nullable(pa.timestamp("ms")),
        "prior": Nullable(INT),
        "prior_report": Nullable(TEXT),
        "views": pa.list_(TEXT),
        "images": pa.list_(IMAGE),
        "encoding": Nullable(TEXT),
        "sections": SECTIONS,
        "target": SECTIONS,
        "removed": pa.map_(TEXT, INT),
        "chexpert": Nullable(LABELLED),
        "negbio": Nullable(LABELLED),
        "radiologist": Nullable(LABELLED),
        "excluded": Nullable(TEXT),
    },
)
"""Every study of the corpus. `excluded` says why it is not used, null where it is used.

`views` are those of all its images, `images` those that are cached, both in the order of use; `prior` is the
patient's last study before it, `prior_report` that study's English target where the policy supplies it.
"""


def used(split: str | None = None) -> pc.Expression:
    """The studies that are used, of one split or of all: `store.rows(plan.studies, where=used("test"))`."""
    import pyarrow.compute as pc  # a tenth of a second, which `laudo status` need not spend

    is_used = pc.field("excluded").is_null()
    return is_used if split is None else is_used & (pc.field("split") == split)


CENSUS = _table(
    "census",
    "prepare",
    "topic item measure",
    {"topic": TEXT, "item": TEXT, "measure": TEXT, "value": Nullable(REAL), "note": Nullable(TEXT)},
)
"""What the prepared corpus holds, counted: `laudo.census` lists the topics."""

# --- translate, check -----------------------------------------------------------------------------

TRANSLATIONS = _table(
    "translations",
    "translate",
    "study_id section",
    {
        "study_id": INT,
        "section": TEXT,
        "raw": TEXT,
        "stop": TEXT,
        "prompt_tokens": INT,
        "new_tokens": INT,
        "logprob": Nullable(REAL),
        "seconds": REAL,
    },
)
"""`raw` is the model's reply as it came; the repaired text is in `verdicts`. `stop` is `end` or `length`.

`logprob` is the mean over new tokens, null where the engine gives none; `seconds` is the time of the batch
divided by its size.
"""

FACTS = _table(
    "facts",
    "check",
    "study_id text section number",
    {
        "study_id": INT,
        "text": TEXT,
        "section": TEXT,
        "number": INT,
        "finding": TEXT,
        "label": Nullable(TEXT),
        "status": TEXT,
        "side": Nullable(TEXT),
        "location": Nullable(TEXT),
        "size": Nullable(TEXT),
        "measure_value": Nullable(REAL),
        "measure_unit": Nullable(TEXT),
        "change": Nullable(TEXT),
        "incidental": FLAG,
        "start": INT,
        "end": INT,
        "cues": pa.list_(SPAN),
    },
    recipe=2,
)
"""What each text states, as `findings.read` gives it: a row a fact, `number` in the order of the text.

`text` is `en` (the target), `pt` (its repaired translation) or an arm (its report). `en` and `pt` are read
section by section; an arm's report is read whole, and its `section` is empty. Spans are characters of the
text that was read.
"""

CHECKS = _table(
    "checks",
    "check",
    "study_id section check",
    {"study_id": INT, "section": TEXT, "check": TEXT, "passed": FLAG, "detail": TEXT},
)
"""One check of one section; `detail` says why it failed and never quotes the report."""

VERDICTS = _table(
    "verdicts", "check", "study_id", {"study_id": INT, "verdict": TEXT, "sections_pt": SECTIONS}
)
"""`verdict`: accepted, repaired, flagged or quarantined; `sections_pt` is the final Portuguese text."""

# --- train, generate ------------------------------------------------------------------------------

TRAINING = _table(
    "training", "train", "step split metric", {"step": INT, "split": TEXT, "metric": TEXT, "value": REAL}
)
"""Loss, entropy (nats) and mean token accuracy, on the answers' tokens."""

GENERATIONS = _table(
    "generations",
    "generate",
    "study_id arm sample",
    {
        "study_id": INT,
        "arm": TEXT,
        "sample": INT,
        "prompt": TEXT,
        "completion": TEXT,
        "stop": TEXT,
        "images": pa.list_(TEXT),
        "prompt_tokens": INT,
        "new_tokens": INT,
        "seconds": REAL,
    },
)
"""`completion` holds only what the model added; `images` are the dicom_ids shown, in order; `sample` counts
from 0.

`seconds` is the time of the batch divided by its size.
"""

# --- evaluate -------------------------------------------------------------------------------------

LABELLINGS = _table(
    "labels",
    "evaluate",
    "study_id text label",
    {"study_id": INT, "text": TEXT, "label": TEXT, "value": Nullable(INT)},
)
"""CheXpert's 14 labels of a test study's text, from `facts`: 1, 0, -1, or null where the text is silent."""

SCORES = _table(
    "scores",
    "evaluate",
    "study_id arm metric label",
    {
        "study_id": INT,
        "subject_id": INT,
        "arm": TEXT,
        "metric": TEXT,
        "label": TEXT,
        "reference": TEXT,
        "value": Nullable(REAL),
        "statistics": Nullable(pa.list_(REAL)),
        "why": TEXT,
        "signature": TEXT,
    },
)
"""What each study scores. `label` is empty, or the CheXpert label that the score is of.

`value` is the study's own score; `statistics` are what is summed over studies before the metric's aggregate
makes one number of them. Both are null where there is no reference, and `why` says so.
"""

SUMMARY = _table(
    "summary",
    "evaluate",
    "arm versus metric label references",
    {
        "arm": TEXT,
        "versus": TEXT,
        "metric": TEXT,
        "label": TEXT,
        "references": TEXT,
        "value": Nullable(REAL),
        "low": Nullable(REAL),
        "high": Nullable(REAL),
        "n": INT,
        "p": Nullable(REAL),
    },
    recipe=2,
)
"""One row a figure: of an arm (`versus` empty) or of a difference `arm - versus`, where `versus` is a control
if one of the two is; `label` empty for all labels.

`references` says which test studies count: `all`, or `learnable`, those whose translation is accepted or
repaired (`vocabulary.References`). `low` and `high` bound the 95 % interval by patient; `p` is corrected by
Holm over the pairs of arms of one metric, label and choice of references.
"""
