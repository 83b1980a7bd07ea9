"""prepare: a MIMIC-CXR folder into `studies`, and its images to the size that is cached.

source    the corpus, opened once
texts     what each report gives, in shards
subset    which studies are asked for
films     the images of those, cached
studies   all of it by study
census    what the prepared corpus holds, counted
"""

from __future__ import annotations

from collections.abc import Callable

from laudo.experiment.corpus import remember
from laudo.experiment.plan import Plan
from laudo.prepare import census, films, studies, subset, texts
from laudo.prepare.source import OpenCorpus
from laudo.store import Held, is_done
from laudo.store.disk import writing
from laudo.store.spread import WHOLE, Shard


def run(plan: Plan, *, shard: Shard = WHOLE) -> bool:
    """Makes `texts`, `subset`, `films`, `studies` and `census`. Returns whether there was anything to do.

    A shard makes its share of `texts` and of `films`. A shard that finds a table complete makes the next.

    Raises:
        InputError: the corpus is not there, lacks what is indispensable, or has no study.
    """
    if is_done(plan.census):
        return False
    with writing(plan.run):  # before a minute of work
        plan.run.mkdir(parents=True, exist_ok=True)
    remember(plan.corpus, plan.run)
    with OpenCorpus(plan) as corpus:
        texts.make(plan, corpus, shard=shard)
        if is_done(plan.texts):
            _by_one(shard, lambda: subset.make(plan, corpus))
        if is_done(plan.subset):
            films.make(plan, corpus, shard=shard)
        if is_done(plan.films):
            _by_one(shard, lambda: studies.make(plan, corpus))
        if is_done(plan.studies):
            _by_one(shard, lambda: census.make(plan))
    return True


def _by_one(shard: Shard, make: Callable[[], object]) -> None:
    """Makes a table that is not shared out; does nothing if another shard is making it now."""
    try:
        make()
    except Held:
        if shard == WHOLE:
            raise
