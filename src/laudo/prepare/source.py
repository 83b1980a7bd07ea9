"""The corpus of a run, opened once: its tables joined, its reports at hand, a phantom written first."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from laudo import mimic
from laudo.errors import InputError
from laudo.experiment.corpus import require_tables
from laudo.experiment.plan import Plan
from laudo.mimic import studies
from laudo.phantom import corpus as phantom
from laudo.phantom.settings import RECIPE, Phantom
from laudo.progress import Progress
from laudo.store import Key, locks
from laudo.store.disk import atomic, writing


class OpenCorpus(AbstractContextManager["OpenCorpus"]):
    """The corpus of a plan. Its tables are read when they are first asked for.

    Raises:
        InputError: the corpus is not there, or lacks a table that the settings need.
    """

    def __init__(self, plan: Plan) -> None:
        experiment = plan.experiment
        self._held = ExitStack()
        if experiment.mimic.phantom:
            self._held.enter_context(_phantom(plan.run, experiment.mimic.phantom))
        root, reports = experiment.corpus_root(plan.run), experiment.reports_root()
        self.files = mimic.open_corpus(root, reports=reports)
        require_tables(self.files, experiment.prepare)
        self.reports = mimic.Reports(self.files)

    def __exit__(self, *_: object) -> None:
        self.reports.__exit__()
        self._held.close()

    @cached_property
    def index(self) -> pa.Table:
        """Every study of the corpus as its tables have it (`laudo.mimic.studies.index`).

        Raises:
            InputError: a table is damaged or contradicts another, or there is no study.
        """
        index = studies.index(self.files, reported=self.reports.studies)
        if not len(index):
            raise InputError(
                "the corpus has no study",
                where=str(self.files.root),
                fix="set [mimic] root to the folder that holds files/ and the tables",
            )
        gc.freeze()  # else the collector walks the zip's quarter of a million entries again and again
        return index

    @property
    def keys(self) -> list[Key]:
        """The study_id of every study."""
        return [(study_id,) for study_id in self.index["study_id"].to_pylist()]


def of_keys(table: pa.Table, keys: list[Key] | tuple[Key, ...]) -> pa.Table:
    """The rows of a table whose study_id is one of the keys, in the order of the table."""
    return table.filter(pc.is_in(table["study_id"], value_set=pa.array([key[0] for key in keys], pa.int64())))


@contextmanager
def _phantom(run: Path, settings: Phantom) -> Iterator[None]:
    """Holds the phantom corpus of a run, and writes it first unless it is there.

    Nobody else writes another one in its place as long as the block lasts.
    """
    folder, marker = run / "phantom", f"{RECIPE} {settings.model_dump_json()}"
    with locks.lock_file(run / "locks" / "phantom.lock") as lock:
        locks.wait_for(lock, locks.SHARED, what="the phantom")
        while not _is_written(folder, marker):
            locks.wait_for(lock, locks.EXCLUSIVE, what="the phantom")
            if not _is_written(folder, marker):  # another process may have done so
                _write_phantom(folder, settings, marker)
            locks.wait_for(lock, locks.SHARED, what="the phantom")
        yield


def _is_written(folder: Path, marker: str) -> bool:
    try:
        return (folder / "done").read_text("utf-8") == marker
    except OSError:
        return False


def _write_phantom(folder: Path, settings: Phantom, marker: str) -> None:
    """Writes the phantom corpus, its marker last."""
    with writing(folder):
        if folder.exists():
            shutil.rmtree(folder)
    with writing(folder), Progress("phantom", settings.studies) as progress:
        written = phantom.write(
            folder,
            count=settings.studies,
            seed=settings.seed,
            proportions=settings.proportions,
            size_px=settings.image_size,
        )
        for _ in written:
            progress.add()
    with atomic(folder / "done") as temporary:
        temporary.write_text(marker, "utf-8")
