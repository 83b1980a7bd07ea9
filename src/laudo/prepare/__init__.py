"""prepare: a MIMIC-CXR folder into `studies`, and its images to the size that is cached.

source    the corpus, opened once
texts     what each report gives, in shards
subset    which studies are asked for
films     the images of those, cached
studies   all of it by study
census    what the prepared corpus holds, counted
missing   where missing images were looked for
usable    whether that is enough for the experiment
"""

from __future__ import annotations

from collections.abc import Callable

from laudo.errors import LaudoError
from laudo.experiment import kept
from laudo.experiment.corpus import remember
from laudo.experiment.plan import Plan
from laudo.prepare import census, films, studies, subset, texts, usable
from laudo.prepare.source import OpenCorpus
from laudo.store import Held, is_done, supersede
from laudo.store.disk import writing
from laudo.store.spread import WHOLE, Shard


def run(plan: Plan, *, shard: Shard = WHOLE, look_again: bool = False) -> bool:
    """Makes `texts`, `subset`, `films`, `studies` and `census`. Returns whether there was anything to do.

    A shard makes its share of `texts` and of `films`. A shard that finds a table complete makes the next.
    Kept images that are lost are made again, and no others.

    Args:
        look_again: looks at every file of the corpus again, also where nothing shows that it has changed.

    Raises:
        InputError: the corpus is not there, lacks what is indispensable, or has no study.
        LaudoError: a shard is to look again.
        NotReady: all tables are made, and there is no study of a split that the experiment needs.
    """
    if look_again and shard != WHOLE:
        raise LaudoError(
            "a share of a run cannot look at every file again", fix="run it once, without --shard"
        )
    has_work = look_again or not is_done(plan.census) or bool(kept.lost(plan))
    if has_work:
        _make(plan, shard, look_again=look_again)
    if is_done(plan.census):
        usable.require(plan)
    return has_work


def _make(plan: Plan, shard: Shard, *, look_again: bool) -> None:
    with writing(plan.run):  # before a minute of work
        plan.run.mkdir(parents=True, exist_ok=True)
    remember(plan.corpus, plan.run)
    with OpenCorpus(plan) as corpus:
        if look_again:
            supersede(plan.texts, "every file is looked at again")
            supersede(plan.films, "every file is looked at again")
        texts.make(plan, corpus, shard=shard)
        if is_done(plan.texts):
            _by_one(shard, lambda: subset.make(plan, corpus))
        if is_done(plan.subset):
            _by_one(shard, lambda: _supersede_if_lost(plan))
            films.make(plan, corpus, shard=shard)
        if is_done(plan.films):
            _by_one(shard, lambda: studies.make(plan, corpus))
        if is_done(plan.studies):
            _by_one(shard, lambda: census.make(plan))


def _supersede_if_lost(plan: Plan) -> None:
    """Makes `films` anew if kept images are lost; those that are there are not decoded again."""
    lost = kept.lost(plan)
    if lost:
        supersede(plan.films, f"kept images are lost: {len(lost)}, such as {lost[0]}")


def _by_one(shard: Shard, make: Callable[[], object]) -> None:
    """Makes a table that is not shared out; does nothing if another shard is making it now."""
    try:
        make()
    except Held:
        if shard == WHOLE:
            raise
