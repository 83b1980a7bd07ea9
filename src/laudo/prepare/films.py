"""The images of the studies asked for, cached at their size: the long step, resumed part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from laudo import images, mimic
from laudo.experiment.plan import Plan
from laudo.experiment.settings import Prepare
from laudo.mimic import Corpus
from laudo.prepare.source import OpenCorpus
from laudo.prepare.subset import ListedImage
from laudo.store import Key, Row, fill, is_done, rows, spread, watch
from laudo.store.spread import Shard
from laudo.store.tables import FILMS
from laudo.vocabulary import ImageExclusion

_PART_SIZE = 128
"""Studies whose images are one part."""


class _Job(NamedTuple):
    study: Row
    corpus: Corpus
    run: Path
    settings: Prepare


def make(plan: Plan, corpus: OpenCorpus, *, shard: Shard) -> bool:
    """Makes a shard of `films`: a row for each image of a study asked for; none where images are not."""
    if is_done(plan.films):
        return False
    settings = plan.experiment.prepare
    chosen = rows(plan.subset, where=pc.field("excluded").is_null()) if settings.images == "keep" else []
    jobs = {study["study_id"]: _Job(study, corpus.files, plan.run, settings) for study in chosen}
    with spread.pool(each=images.WORKER_BYTES, once=images.LARGEST_BYTES) as over:

        def rows_of(keys: Sequence[Key]) -> list[Row]:
            return [row for film_rows in over(_films, [jobs[key[0]] for key in keys]) for row in film_rows]

        return fill(
            plan.films, [(study_id,) for study_id in jobs], rows_of, part_size=_PART_SIZE, shard=shard
        )


def _films(job: _Job) -> list[Row]:
    """The rows of a study's images: the first readable ones in the order of use are cached."""
    study_id, subject_id = job.study["study_id"], job.study["subject_id"]
    source = mimic.image_folder(job.corpus.root, subject_id=subject_id, study_id=study_id)
    folder = Path("images") / f"{job.settings.size_px}" / f"s{study_id}"
    for torn in (job.run / folder).glob(".*.tmp"):  # left by a worker that was killed
        torn.unlink(missing_ok=True)
    film_rows: list[Row] = []
    for position, image in enumerate(images.order([_image(each, source) for each in job.study["images"]])):
        row = dict.fromkeys(FILMS.schema.names) | {
            "study_id": study_id,
            "dicom_id": image.dicom_id,
            "position": position,
            "view": image.view_position or "",
            "watched": {},
        }
        film_rows.append(row | _film(image, source, folder / f"{image.dicom_id}.jpg", job, film_rows))
    return film_rows


def _image(listed: Mapping[str, Any], folder: Path) -> ListedImage:
    image = ListedImage.of(listed, file=listed["file"])
    is_dicom = image.file is not None and image.file.lower().endswith((".dcm", ".dicom"))
    is_described = image.view_position or image.rows or image.columns
    if not is_dicom or is_described:
        return image
    # A copy without the metadata of MIMIC-CXR-JPG: the file itself knows.
    try:
        header = images.header(folder / str(image.file))
    except images.UnreadableImage:
        return image  # decoding says why
    return image._replace(view_position=header.view_position, rows=header.rows, columns=header.columns)


def _film(image: ListedImage, source: Path, name: Path, job: _Job, before: Sequence[Row]) -> Row:
    """Caches an image unless there is a reason not to; the columns of its row besides the key."""
    cached = [row for row in before if row["path"]]
    if image.file is None:
        return {"left_out": ImageExclusion.FILE_MISSING}
    if len(cached) == job.settings.max_images:
        return {"left_out": ImageExclusion.NOT_NEEDED}
    stamps = watch.stamps(source / image.file)  # before it is decoded: it may be replaced meanwhile
    try:
        film = images.cache_film(
            source / image.file,
            job.run / name,
            size_px=job.settings.size_px,
            recipe=job.settings.dicom,
            view=image.view_position,
        )
    except images.UnreadableImage as error:
        return {"left_out": f"{ImageExclusion.UNREADABLE}: {error.reason}", "watched": stamps}
    columns = film._asdict()
    mirrored = columns.pop("mirrored")
    for row in cached:
        if images.same_exposure(row["fingerprint"], film.fingerprint):
            return columns | {"left_out": ImageExclusion.SAME_EXPOSURE, "same_as": row["dicom_id"]}
        if images.same_exposure(row["fingerprint"], mirrored):
            return columns | {"left_out": ImageExclusion.MIRRORED, "same_as": row["dicom_id"]}
    return columns | {"path": str(name)}
