"""Where the first missing images were looked for, so that a message can say so."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from laudo import mimic
from laudo.errors import InputError
from laudo.experiment.plan import Plan
from laudo.store import table
from laudo.vocabulary import Exclusion

_EXAMPLES = 3


def missing_images(plan: Plan) -> list[str]:
    """Returns the paths of the first images that are missing, of studies that could else be used."""
    if plan.experiment.prepare.images == "none":
        return []
    excluded = pc.field("excluded")
    subset = table(plan.subset, where=excluded.is_null() | (excluded == Exclusion.IMAGE_FILE_MISSING.value))
    images = subset["images"].combine_chunks()
    listed, study_of = images.flatten(), pc.list_parent_indices(images)
    missing = pc.indices_nonzero(listed.field("file").is_null())[:_EXAMPLES]
    root = _root(plan)
    paths = []
    for dicom_id, row in zip(listed.take(missing), study_of.take(missing), strict=True):
        subject_id, study_id = (subset[name][row.as_py()].as_py() for name in ("subject_id", "study_id"))
        folder = mimic.image_folder(root, subject_id=subject_id, study_id=study_id)
        paths.append(f"{folder}/{dicom_id['dicom_id']}.jpg (or .png, .dcm)")
    return paths


def _root(plan: Plan) -> Path:
    """Returns the folder of the corpus; an empty path if none is named any more."""
    try:
        return mimic.find_root(plan.experiment.corpus_root(plan.run))
    except InputError:
        return Path()
