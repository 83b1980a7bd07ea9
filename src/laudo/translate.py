"""translate: the English target sections of every usable study into Brazilian Portuguese.

Headings never pass through the model: sections are translated one by one and put together again under fixed
headings (`sections.render`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from laudo import engines
from laudo.engines import Engine, Reply, Sampling, messages
from laudo.experiment import Plan
from laudo.experiment.settings import Translate
from laudo.store import Key, Row, fill, is_done, rows, used
from laudo.store.spread import WHOLE, Shard

_PART_SIZE = 64


def run(plan: Plan, *, shard: Shard = WHOLE, open_engine: Callable[[], Engine] | None = None) -> bool:
    """Makes `translations`.

    Args:
        shard: which parts this process makes.
        open_engine: opens the engine that translates; the experiment's own where it is None.

    Returns:
        Whether there was anything to do.
    """
    if is_done(plan.translations):
        return False
    texts = {
        (study["study_id"], section): text
        for study in rows(plan.studies, columns=["study_id", "target"], where=used())
        for section, text in study["target"].items()
    }
    # Opened for the first part that is missing, and once.
    engine = cache(open_engine or partial(_open_engine, plan))

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        return _translate(engine(), {key: texts[key] for key in keys}, plan.experiment.translate)

    return fill(plan.translations, list(texts), rows_of, part_size=_PART_SIZE, shard=shard)


def _translate(engine: Engine, texts: Mapping[Key, str], settings: Translate) -> list[Row]:
    # Texts of like length share a batch: less padding. The order depends on the part's keys and texts alone.
    keys = sorted(texts, key=lambda key: (len(texts[key]), key))
    chats = [messages.translation(texts[key], prompt=settings.prompt) for key in keys]
    start = time.monotonic()
    replies = engine.reply(chats, sampling=Sampling(settings.max_new_tokens))
    seconds = (time.monotonic() - start) / len(keys)
    return [_row(key, reply, seconds) for key, reply in zip(keys, replies, strict=True)]


def _row(key: Key, reply: Reply, seconds: float) -> Row:
    study_id, section = key
    return {
        "study_id": study_id,
        "section": section,
        "raw": reply.text,
        "stop": reply.stop,
        "prompt_tokens": reply.prompt_tokens,
        "new_tokens": reply.new_tokens,
        "logprob": reply.logprob,
        "seconds": seconds,
    }


def _open_engine(plan: Plan) -> Engine:
    settings = plan.experiment.translate
    return engines.open_engine(settings, batch_size=settings.batch_size)
