"""prepare: a MIMIC-CXR folder into `studies`, and its images to the size that is kept.

Three steps: every study of the corpus is read by key (`reading`), its text put under the experiment's policies
(`targets`) and those asked for chosen (`subset`); their images are kept (`films`); and `studies` is written: every
study has a row, and one that is not used says why in `excluded`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from laudo import mimic, sections
from laudo.config import Phantom
from laudo.disk import atomic, writing
from laudo.phantom import corpus as phantom
from laudo.plan import Plan
from laudo.prepare import films, reading
from laudo.progress import Progress
from laudo.records import used
from laudo.spread import WHOLE, Shard
from laudo.store import Held, Key, fill, is_done

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
    studies = reading.read(corpus, experiment.prepare)
    films.keep(plan, corpus, studies, part_size=_PART, shard=shard)
    if is_done(plan.films):
        try:
            _write_studies(plan, studies)
        except Held:
            if shard == WHOLE:
                raise  # else another shard found all images kept at the same moment, and writes it
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


def _write_studies(plan: Plan, studies: pa.Table) -> None:
    kept = films.kept(plan)
    earlier = _reports(studies) if plan.experiment.prepare.priors == "supply" else {}

    def rows_of(keys: Sequence[Key]) -> pa.Table:
        wanted = pa.array([key[0] for key in keys])
        rows = studies.filter(pc.is_in(studies["study_id"], value_set=wanted))
        ids = rows["study_id"].to_pylist()
        given = zip(ids, rows["excluded"].to_pylist(), rows["views"].to_pylist(), strict=True)
        found = [kept.get(study, films.Kept([], views, reason)) for study, reason, views in given]
        return reading.with_columns(
            rows.drop_columns(["images", "excluded", "views"]),
            images=[some.images for some in found],
            views=[some.views for some in found],
            excluded=[some.excluded for some in found],
            prior_report=[earlier.get(prior) for prior in rows["prior"].to_pylist()],
        )

    fill(
        plan.studies, [(study_id,) for study_id in studies["study_id"].to_pylist()], rows_of, part_size=_ROWS
    )


def _reports(studies: pa.Table) -> dict[int, str]:
    """study_id -> its English target under headings, for those whose next study is used."""
    wanted = pc.is_in(studies["study_id"], value_set=studies.filter(used())["prior"].combine_chunks())
    rows = studies.select(["study_id", "target"]).filter(wanted).to_pylist(maps_as_pydicts="strict")
    return {row["study_id"]: sections.render(row["target"], lang="en") for row in rows if row["target"]}
