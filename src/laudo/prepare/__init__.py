"""prepare: a MIMIC-CXR folder into `studies`, and its images to the size that is kept.

Three steps: every study of the corpus by key, with its report read (`_read`, seconds to a minute for a full
copy, in memory); those asked for are chosen (`subset`) and their images kept (`films`, the long one, resumed
part by part); and `studies` is written: every study has a row, and one that is not used says why in `excluded`.
"""

from __future__ import annotations

import gc
import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laudo import images, mimic, sections, spread
from laudo.config import Phantom, Prepare
from laudo.disk import atomic, writing
from laudo.errors import InputError
from laudo.mimic import Corpus, tables
from laudo.phantom import corpus as phantom
from laudo.plan import Plan
from laudo.prepare import subset, targets
from laudo.progress import Progress
from laudo.records import FILMS, STUDIES, used
from laudo.sections import reference
from laudo.spread import WHOLE, Shard
from laudo.store import Key, Row, fill, is_done, read

_PART = 128
"""Studies whose images are one part of `films`."""
_ROWS = 8192
"""Studies in one part of `studies`."""


def run(plan: Plan, *, shard: Shard = WHOLE) -> bool:
    """Makes `films` and `studies`. Returns whether there was anything to do.

    A shard keeps its share of the images; `studies` is written by whoever finds all of them kept.

    Raises:
        InputError: the corpus is not there, lacks what is indispensable, or has no study.
    """
    if is_done(plan.studies):
        return False
    experiment = plan.experiment
    with writing(plan.run):  # before a minute of reading
        plan.run.mkdir(parents=True, exist_ok=True)
    if experiment.mimic.phantom:
        _write_phantom(plan.run / "phantom", experiment.mimic.phantom)
    corpus = mimic.open_corpus(experiment.corpus_root(plan.run), reports=experiment.reports_root())
    studies = _read(corpus, experiment.prepare)
    _keep_films(plan, corpus, studies, shard)
    if is_done(plan.films):
        _write_studies(plan, studies)
    return True


def _write_phantom(folder: Path, settings: Phantom) -> None:
    """Writes the phantom corpus once; its marker is written last, so a torn or other corpus is written again."""
    marker, wanted = folder / "done", settings.model_dump_json()
    if marker.exists() and marker.read_text("utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    with writing(folder), Progress("phantom", settings.studies) as progress:
        made = phantom.write(
            folder,
            count=settings.studies,
            seed=settings.seed,
            proportions=settings.proportions,
            size_px=settings.image_size,
        )
        for _ in made:
            progress.add()
    with atomic(marker) as temporary:
        temporary.write_text(wanted, "utf-8")


# --- studies and their reports ----------------------------------------------------------------------


def _read(corpus: Corpus, settings: Prepare) -> pa.Table:
    """Every study of the corpus, as `STUDIES` but with all its `images` as in the tables, the subset chosen."""
    with mimic.Reports(corpus) as reports:
        found = tables.index(corpus, reported=reports.studies)
        if not len(found):
            raise InputError(
                "the corpus has no study",
                where=str(corpus.root),
                mend="set [mimic] root to the folder that holds files/ and the tables",
            )
        gc.freeze()  # else the collector walks the zip's quarter of a million entries again and again
        parts, texts = [], []
        with Progress("reports", len(found)) as progress:
            for rows in _slices(found):
                told = [_told(study, corpus, reports, settings) for study in rows.select(_KEYS).to_pylist()]
                parts.append(_with_text(rows, told))
                texts += [t.text for t in told]
                progress.add(len(rows))
    studies = pa.concat_tables(parts).combine_chunks()
    reasons = subset.leave_out(studies, settings, texts=np.array(texts, np.int64))
    at = studies.schema.get_field_index("excluded")
    return studies.set_column(at, "excluded", pa.array(reasons.tolist(), pa.string()))


_KEYS = ["study_id", "subject_id", "split", "images"]


class _Told(NamedTuple):
    """What a study's report gives; `text` is a number that is the same for the same target text."""

    encoding: str | None
    views: list[str]
    sections: dict[str, str]
    target: targets.Target
    text: int
    excluded: str | None


def _slices(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(table), _ROWS):
        yield table.slice(start, _ROWS)


def _told(study: Mapping[str, Any], corpus: Corpus, reports: mimic.Reports, settings: Prepare) -> _Told:
    report = reports.read(subject_id=study["subject_id"], study_id=study["study_id"])
    divided = _divided(report.text if report else "", study["study_id"]).unwrapped
    target = targets.target(divided, settings)
    excluded = _why_text(study, report, target) or _why_images(study, corpus, settings)
    views = [
        image.view_position or ""
        for image in images.order([_image(row, {}) for row in study["images"] or ()])
    ]
    return _Told(
        report.encoding if report else None,
        views,
        dict(divided.sections),
        target,
        _number(target.sections),
        excluded,
    )


def _divided(text: str, study_id: int) -> sections.Report:
    """The report's sections; for 54 studies the text that MIT-LCP's authors took by hand is the last paragraph."""
    report = sections.split(text)
    if not reference.is_special(study_id):
        return report
    taken = reference.split(text, study_id=study_id).target.strip()
    others = [section for section in report.sections if section.name not in sections.TARGETS]
    return sections.Report((*others, *([sections.Section("last_paragraph", taken)] if taken else [])))


def _number(target: Mapping[str, str]) -> int:
    plain = " ".join(f"{name} {body}" for name, body in target.items()).casefold().split()
    return int.from_bytes(hashlib.blake2b(" ".join(plain).encode(), digest_size=8).digest(), signed=True)


def _why_text(study: Mapping[str, Any], report: mimic.Report | None, target: targets.Target) -> str | None:
    if study["split"] is None:
        return "no split"
    if report is None:
        return "no report"
    if not report.text.strip():
        return "empty report"
    if "\0" in report.text:
        return "damaged report"  # blocks of zeros, as a broken copy leaves them
    if target.sections:
        return None
    return "nothing left of the target" if target.removed else "no usable section"


def _why_images(study: Mapping[str, Any], corpus: Corpus, settings: Prepare) -> str | None:
    if settings.images == "none":
        return None
    if not study["images"]:
        return "no image"
    there = mimic.images_of(corpus, subject_id=study["subject_id"], study_id=study["study_id"])
    return None if any(image["dicom_id"] in there for image in study["images"]) else "image file is missing"


def _with_text(rows: pa.Table, told: Sequence[_Told]) -> pa.Table:
    return _with(
        rows,
        encoding=(t.encoding for t in told),
        views=(t.views for t in told),
        sections=([*t.sections.items()] for t in told),
        target=([*t.target.sections.items()] for t in told),
        removed=([*t.target.removed.items()] for t in told),
        excluded=(t.excluded for t in told),
    )


# --- images -----------------------------------------------------------------------------------------


class _Job(NamedTuple):
    study: Row
    corpus: Corpus
    run: Path
    settings: Prepare


def _keep_films(plan: Plan, corpus: Corpus, studies: pa.Table, shard: Shard) -> None:
    """Makes `films`: the images of the studies asked for."""
    settings = plan.experiment.prepare
    asked = (
        studies.filter(used()).select(_KEYS)
        if settings.images == "keep"
        else studies.slice(0, 0).select(_KEYS)
    )
    jobs = {study["study_id"]: _Job(study, corpus, plan.run, settings) for study in asked.to_pylist()}
    with spread.pool() as over:

        def rows_of(keys: Sequence[Key]) -> list[Row]:
            return [row for rows in over(_films, [jobs[key[0]] for key in keys]) for row in rows]

        fill(plan.films, [(study_id,) for study_id in jobs], rows_of, part_size=_PART, shard=shard)


def _films(job: _Job) -> list[Row]:
    """The rows of a study's images: the first readable ones in view order are kept, one exposure only once."""
    study_id = job.study["study_id"]
    folder = Path("images") / f"{job.settings.size_px}" / f"s{study_id}"
    for torn in (job.run / folder).glob(".*.tmp"):  # left by a worker that was killed
        torn.unlink(missing_ok=True)
    there = mimic.images_of(job.corpus, subject_id=job.study["subject_id"], study_id=study_id)
    rows: list[Row] = []
    for position, image in enumerate(images.order([_image(row, there) for row in job.study["images"]])):
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


def _image(row: Mapping[str, Any], there: Mapping[str, Path]) -> _Image:
    path = there.get(row["dicom_id"])
    known = row["view"], row["rows"], row["columns"]
    if path and path.suffix == ".dcm" and not any(known):  # a copy without the metadata of MIMIC-CXR-JPG
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


# --- the table --------------------------------------------------------------------------------------


def _write_studies(plan: Plan, studies: pa.Table) -> None:
    kept, troubles = _kept(plan)
    earlier = _reports(studies) if plan.experiment.prepare.priors == "supply" else {}
    needs_image = plan.experiment.prepare.images == "keep"

    def rows_of(keys: Sequence[Key]) -> pa.Table:
        ids = [key[0] for key in keys]
        rows = studies.take(pc.index_in(pa.array(ids), value_set=studies["study_id"].combine_chunks()))
        given = zip(ids, rows["excluded"].to_pylist(), strict=True)
        why = [
            reason or (troubles.get(study, "no image") if needs_image and study not in kept else None)
            for study, reason in given
        ]
        rows = rows.drop_columns(["images", "excluded"])
        return _with(
            rows,
            images=[kept.get(study, []) for study in ids],
            excluded=why,
            prior_report=[earlier.get(prior) for prior in rows["prior"].to_pylist()],
        )

    fill(
        plan.studies, [(study_id,) for study_id in studies["study_id"].to_pylist()], rows_of, part_size=_ROWS
    )


def _with(rows: pa.Table, **columns: Iterable[Any]) -> pa.Table:
    """The rows with further columns of `STUDIES`, in the order of its columns."""
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values, STUDIES.schema.field(name).type))
    return rows.select([name for name in STUDIES.schema.names if name in rows.column_names])


def _reports(studies: pa.Table) -> dict[int, str]:
    """study_id -> its English target under headings, for those whose next study is used."""
    wanted = pc.is_in(studies["study_id"], value_set=studies.filter(used())["prior"].combine_chunks())
    rows = studies.select(["study_id", "target"]).filter(wanted).to_pylist(maps_as_pydicts="strict")
    return {row["study_id"]: sections.render(row["target"], lang="en") for row in rows if row["target"]}


def _kept(plan: Plan) -> tuple[dict[int, list[Row]], dict[int, str]]:
    """study_id -> its kept images in view order, and what was wrong with the first of the others."""
    columns = ["study_id", "position", "dicom_id", "view", "path", "left_out"]
    kept: dict[int, list[Row]] = defaultdict(list)
    troubles: dict[int, str] = {}
    for row in sorted(read(plan.films, columns=columns), key=lambda row: (row["study_id"], row["position"])):
        if row["path"]:
            kept[row["study_id"]].append({name: row[name] for name in ("dicom_id", "view", "path")})
        else:
            troubles.setdefault(row["study_id"], row["left_out"])
    return dict(kept), troubles
