"""The corpus of an experiment: what identifies it, what settings need of it, what a run remembers of it.

A run goes by what it remembers while the disk of the corpus is not mounted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laudo import mimic
from laudo.errors import InputError
from laudo.experiment.settings import Experiment, Prepare
from laudo.phantom.settings import RECIPE
from laudo.store.disk import write_json


@dataclass(frozen=True)
class CorpusIdentity:
    """Digests of what is read of a corpus.

    Attributes:
        tables: of PhysioNet's tables, by name.
        reports, images: of the reports and of the images.
        absent: the folder that does not exist, if it does not; then the digests are the remembered ones.
        remembered: what `remember` keeps for the next time.
    """

    tables: Mapping[str, Any]
    reports: Mapping[str, Any]
    images: Mapping[str, Any]
    absent: str | None
    remembered: Mapping[str, Any]


def identify(experiment: Experiment, run: Path) -> CorpusIdentity:
    """Looks at the corpus; of a phantom only its settings count, as it is made from them.

    If the folder does not exist, or none is named, the digests are those that the run remembers, so that a
    disk that is not mounted leaves finished tables finished.
    """
    if experiment.mimic.phantom:
        settings = {"recipe": RECIPE, **experiment.mimic.phantom.model_dump(mode="json")}
        return CorpusIdentity({"phantom": settings}, {}, {}, None, {})
    remembered = _load(run)
    try:
        root = experiment.corpus_root(run)
    except InputError:
        return _of_memory(remembered, "no folder is named: set [mimic] root, or LAUDO_MIMIC")
    found = mimic.signature(root, experiment.reports_root(), remembered=remembered.get("remembered", {}))
    if found is None:
        return _of_memory(remembered, os.fspath(root))
    remembered = found._asdict()
    return CorpusIdentity(found.tables, found.reports, found.images, None, remembered)


def require_tables(corpus: mimic.Corpus, settings: Prepare) -> None:
    """Refuses settings that need a table which is not there.

    Raises:
        InputError: it names the setting and the table.
    """
    needs = {
        "chexpert": (settings.subset != "random", f'subset = "{settings.subset}"'),
        "metadata": (settings.priors == "supply", 'priors = "supply"'),
    }
    for name, (is_needed, setting) in needs.items():
        if is_needed and name not in corpus.tables:
            raise InputError(
                f"[prepare] {setting} needs mimic-cxr-2.0.0-{name}.csv.gz",
                where=str(corpus.root),
                fix=f"change the setting, or {mimic.fix_of_absent_table(corpus, name)}",
            )


def remember(identity: CorpusIdentity, run: Path) -> None:
    """Keeps what was seen of the corpus in the run's folder."""
    if identity.remembered and identity.absent is None and identity.remembered != _load(run):
        write_json(run / _FILE, dict(identity.remembered))


_FILE = "corpus.json"


def _of_memory(remembered: Mapping[str, Any], absent: str) -> CorpusIdentity:
    tables, reports, images = (remembered.get(name, {}) for name in ("tables", "reports", "images"))
    return CorpusIdentity(tables, reports, images, absent, remembered)


def _load(run: Path) -> dict[str, Any]:
    """What was remembered; nothing if that is absent or damaged: the corpus can be looked at again."""
    try:
        value = json.loads((run / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    names = ("tables", "reports", "images", "remembered")
    fits = isinstance(value, dict) and all(isinstance(value.get(name), dict) for name in names)
    return value if fits else {}
