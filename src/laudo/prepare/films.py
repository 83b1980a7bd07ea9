"""The images of the studies asked for, kept at their size: the long step, resumed part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from laudo import images, mimic, spread
from laudo.config import Prepare
from laudo.mimic import Corpus
from laudo.plan import Plan
from laudo.records import FILMS, used
from laudo.spread import Shard
from laudo.store import Key, Row, fill, read


class _Job(NamedTuple):
    study: Row
    corpus: Corpus
    run: Path
    settings: Prepare


def keep(plan: Plan, corpus: Corpus, studies: pa.Table, *, part_size: int, shard: Shard) -> None:
    """Makes `films`: the images of the studies that are used so far, or none for work on the text alone."""
    settings = plan.experiment.prepare
    asked = studies.filter(used()) if settings.images == "keep" else studies.slice(0, 0)
    jobs = {
        study["study_id"]: _Job(study, corpus, plan.run, settings)
        for study in asked.select(["study_id", "subject_id", "images"]).to_pylist()
    }
    with spread.pool() as over:

        def rows_of(keys: Sequence[Key]) -> list[Row]:
            return [row for rows in over(_films, [jobs[key[0]] for key in keys]) for row in rows]

        fill(plan.films, [(study_id,) for study_id in jobs], rows_of, part_size=part_size, shard=shard)


def _films(job: _Job) -> list[Row]:
    """The rows of a study's images: the first readable ones in view order are kept, one exposure only once."""
    study_id = job.study["study_id"]
    folder = Path("images") / f"{job.settings.size_px}" / f"s{study_id}"
    for torn in (job.run / folder).glob(".*.tmp"):  # left by a worker that was killed
        torn.unlink(missing_ok=True)
    there = mimic.images_of(job.corpus, subject_id=job.study["subject_id"], study_id=study_id)
    rows: list[Row] = []
    for position, image in enumerate(ordered(job.study["images"], there)):
        known = {
            "study_id": study_id,
            "dicom_id": image.dicom_id,
            "position": position,
            "view": image.view_position or "",
        }
        rows.append(_NOTHING | known | _film(image, folder / f"{image.dicom_id}.jpg", job, rows))
    return sorted(rows, key=lambda row: row["dicom_id"])


_NOTHING: Row = dict.fromkeys(FILMS.schema.names)


class _Image(NamedTuple):
    dicom_id: str
    view_position: str | None
    rows: int | None
    columns: int | None
    path: Path | None


def ordered(rows: Iterable[Mapping[str, Any]], there: Mapping[str, Path]) -> list[_Image]:
    """A study's images in the order of use; `there` are its files by dicom_id."""
    return images.order([_image(row, there) for row in rows])


def _image(row: Mapping[str, Any], there: Mapping[str, Path]) -> _Image:
    path = there.get(row["dicom_id"])
    known = row["view"], row["rows"], row["columns"]
    # A copy without the metadata of MIMIC-CXR-JPG: the file itself knows.
    if path and path.suffix.lower() in (".dcm", ".dicom") and not any(known):
        try:
            known = images.header(path)
        except images.UnreadableImage:
            known = None, None, None  # `keep` says why
    return _Image(row["dicom_id"], *known, path)


def _film(image: _Image, name: Path, job: _Job, before: Sequence[Row]) -> Row:
    kept = [row for row in before if row["path"]]
    if image.path is None:
        return {"left_out": "image file is missing"}
    if len(kept) == job.settings.max_images:
        return {"left_out": "not needed"}
    try:
        film = images.keep(
            image.path,
            job.run / name,
            size_px=job.settings.size_px,
            recipe=job.settings.dicom,
            view=image.view_position,
        )
    except images.UnreadableImage as error:
        return {"left_out": f"unreadable image: {error.reason}"}
    same = next(
        (row["dicom_id"] for row in kept if images.same_exposure(row["fingerprint"], film.fingerprint)), None
    )
    where = {"left_out": "same exposure", "same_as": same} if same else {"path": str(name)}
    return film._asdict() | where


class Kept(NamedTuple):
    """A study's kept images in the order of use, the views of all its images, and why it is not used."""

    images: list[Row]
    views: list[str]
    excluded: str | None


def kept(plan: Plan) -> dict[int, Kept]:
    """study_id -> what `films` has of it; a study without a kept image says what was wrong with its first."""
    columns = ["study_id", "position", "dicom_id", "view", "path", "left_out"]
    rows = sorted(read(plan.films, columns=columns), key=lambda row: (row["study_id"], row["position"]))
    return {study_id: _kept(list(some)) for study_id, some in groupby(rows, key=lambda row: row["study_id"])}


def _kept(rows: Sequence[Row]) -> Kept:
    some = [{name: row[name] for name in ("dicom_id", "view", "path")} for row in rows if row["path"]]
    return Kept(some, [row["view"] for row in rows], None if some else rows[0]["left_out"])
