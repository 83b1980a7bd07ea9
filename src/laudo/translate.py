"""translate: the English target sections of every usable study into Brazilian Portuguese.

Headings never pass through the model: sections are translated one by one and put together again under
fixed headings (`sections.render`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from laudo import prompts
from laudo.chat import Chat
from laudo.plan import Plan
from laudo.records import used
from laudo.spread import WHOLE, Shard
from laudo.store import Key, Row, fill, is_done, read

_PART = 64


def run(plan: Plan, *, shard: Shard = WHOLE, open_chat: Callable[[], Chat] | None = None) -> bool:
    """Makes `translations`. Returns whether there was anything to do.

    Args:
        open_chat: stands in for the experiment's own model.
    """
    if is_done(plan.translations):
        return False
    settings = plan.experiment.translate
    texts = {
        (s["study_id"], name): text
        for s in read(plan.studies, columns=["study_id", "target"], where=used())
        for name, text in s["target"].items()
    }
    chat: Chat | None = None

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        nonlocal chat
        chat = chat or (open_chat or _own_chat(plan))()
        # Texts of like length share a batch: less padding. The order is fixed by the keys alone.
        ordered = sorted(keys, key=lambda key: (len(texts[key]), key))
        asked = [prompts.translation(texts[key], prompt=settings.prompt) for key in ordered]
        start = time.monotonic()
        replies = chat.reply(asked, max_new_tokens=settings.max_new_tokens)
        seconds = (time.monotonic() - start) / len(keys)
        rows = [
            {"study_id": key[0], "section": key[1], "text_pt": r.text, "raw": r.text, "attempt": 1, "stop": r.stop,
             "prompt_tokens": r.prompt_tokens, "new_tokens": r.new_tokens, "logprob": r.logprob, "seconds": seconds}
            for key, r in zip(ordered, replies, strict=True)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row["study_id"], row["section"]))

    return fill(plan.translations, list(texts), rows_of, part_size=_PART, shard=shard)


def _own_chat(plan: Plan) -> Callable[[], Chat]:
    def opened() -> Chat:
        from laudo.chat_hf import HFChat

        return HFChat(plan.experiment.translate)

    return opened
