"""The kept images of a run: its own files, which are made again from the corpus where one is lost."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pyarrow.compute as pc

from laudo import images
from laudo.errors import InputError
from laudo.experiment.plan import Plan
from laudo.store import Row, is_done, table
from laudo.store.disk import writing


def lost(plan: Plan) -> list[str]:
    """Returns the paths of the kept images that are not there; none before `films` is done."""
    if not is_done(plan.films):
        return []
    kept = table(plan.films, columns=["path"], where=pc.field("path").is_valid())["path"].to_pylist()
    return [path for path in kept if not os.access(f"{plan.run}/{path}", os.F_OK)]


def verify(plan: Plan, kept: Iterable[Row]) -> None:
    """Verifies that kept images, as a row of `studies` lists them, are as they were made.

    Raises:
        InputError: one is lost or damaged; a damaged one has been renamed, so that `prepare` makes it again.
    """
    wrong = [image for image in kept if images.film_digest(plan.run / image["path"]) != image["digest"]]
    if not wrong:
        return
    for image in wrong:
        path = plan.run / image["path"]
        if path.exists():
            with writing(path):
                path.replace(path.with_name(f"{path.name}.damaged"))
    raise InputError(
        f"{len(wrong)} of the images that this run keeps are lost or damaged",
        where=str(plan.run / wrong[0]["path"]),
        fix=f"{plan.films.command}, or laudo run EXPERIMENT: they are made again from the corpus",
    )
