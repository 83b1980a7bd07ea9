"""prepare: a MIMIC-CXR folder into `studies`, and its images to the size that is kept.

Every study of the corpus that is asked for has a row; one that cannot be used says why in `excluded`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from laudo import images, mimic, sections, spread
from laudo.config import SPLITS, Phantom, Prepare
from laudo.disk import atomic, writing
from laudo.errors import InputError
from laudo.phantom import corpus as phantom
from laudo.plan import Plan
from laudo.progress import Progress
from laudo.spread import WHOLE, Shard
from laudo.store import Key, Row, fill, is_done, read

_PART = 128


def run(plan: Plan, *, shard: Shard = WHOLE) -> bool:
    """Makes `studies`. Returns whether there was anything to do.

    Raises:
        InputError: the corpus is not there, lacks what is indispensable, or has no study.
    """
    if is_done(plan.studies):
        return False
    settings = plan.experiment.prepare
    if plan.experiment.mimic.phantom:
        _write_phantom(plan.run / "phantom", plan.experiment.mimic.phantom)
    corpus = mimic.open_corpus(plan.experiment.corpus_root(plan.run))
    chosen = {study.study_id: study for study in _subset(mimic.studies(corpus), settings)}
    if not chosen:
        raise InputError(
            "the corpus has no study",
            where=str(corpus.root),
            mend="set [mimic] root to the folder that holds files/ and the tables",
        )

    with spread.pool() as over:

        def rows_of(keys: Sequence[Key]) -> list[Row]:
            return list(over(_prepare, [(chosen[key[0]], plan.run, settings) for key in keys]))

        return fill(plan.studies, [(study_id,) for study_id in chosen], rows_of, part_size=_PART, shard=shard)


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


def _subset(found: Iterable[mimic.RawStudy], settings: Prepare) -> Iterator[mimic.RawStudy]:
    """The studies asked for: by split, the first ones in the order of a hash, whatever the order of rows."""
    by_split: dict[str, list[mimic.RawStudy]] = defaultdict(list)
    for study in found:
        by_split[study.split].append(study)
    for split in SPLITS:
        ranked = sorted(
            by_split[split], key=lambda s: hashlib.sha256(f"{settings.seed} {s.study_id}".encode()).digest()
        )
        yield from ranked[: settings.size_of(split)]


def _prepare(job: tuple[mimic.RawStudy, Path, Prepare]) -> Row:
    study, run_folder, settings = job
    report = sections.split(study.report or "")
    bodies = {name: sections.unwrap(report.last(name) or "") for name in report.order}
    target = {name: sections.unwrap(body) for name, body in sections.target(report).items()}
    kept, troubles = _keep_images(study, run_folder, settings)
    return {
        "study_id": study.study_id, "subject_id": study.subject_id, "split": study.split, "images": kept,
        "sections": bodies, "target": target, "chexpert": study.chexpert, "negbio": study.negbio,
        "excluded": _why_excluded(study, target, kept, troubles),
    }  # fmt: skip


def _why_excluded(
    study: mimic.RawStudy, target: dict[str, str], kept: list[Row], troubles: list[str]
) -> str | None:
    if study.report is None:
        return "no report"
    if not study.report.strip():
        return "empty report"
    if not target:
        return "no usable section"
    if not kept:
        return troubles[0] if troubles else "no image"
    return None


def _keep_images(study: mimic.RawStudy, run_folder: Path, settings: Prepare) -> tuple[list[Row], list[str]]:
    """The first readable images in view order, written at the size kept; and what was wrong with others."""
    kept: list[Row] = []
    troubles: list[str] = []
    folder = Path("images") / f"{settings.size_px}" / f"s{study.study_id}"
    for torn in (run_folder / folder).glob(".*.tmp"):  # left by a worker that was killed
        torn.unlink(missing_ok=True)
    for image in images.order(study.images):
        if len(kept) == settings.max_images:
            break
        if image.path is None:
            troubles.append("image file is missing")
            continue
        name = folder / f"{image.dicom_id}.jpg"
        try:
            _keep(image.path, run_folder / name, settings.size_px)
        except images.UnreadableImage as error:
            troubles.append(f"unreadable image: {error.reason}")
            continue
        kept.append({"dicom_id": image.dicom_id, "view": image.view_position or "", "path": str(name)})
    return kept, troubles


def _keep(source: Path, target: Path, size_px: int) -> None:
    small = images.shrink(images.load(source, size_px=size_px), size_px)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic(target) as temporary:
        small.save(temporary, format="JPEG", quality=95)


def describe(plan: Plan) -> str:
    """One paragraph: studies by split, and what was left out, counted and named."""
    rows = read(plan.studies)
    used = Counter(row["split"] for row in rows if not row["excluded"])
    lines = ["studies: " + ", ".join(f"{used[split]} {split}" for split in SPLITS)]
    left_out = Counter(row["excluded"] for row in rows if row["excluded"])
    lines += [f"left out: {count} ({why})" for why, count in left_out.most_common()]
    return "\n".join(lines)
