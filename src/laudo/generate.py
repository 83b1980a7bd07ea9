"""generate: the reports of the test split, one arm after the other, from the pictures.

An arm is a way of asking: a prompt, exemplars, the adapter or not. All arms ask the same model, through
the same builder of messages and of images that training used.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from laudo import prompts, sections
from laudo.chat import Chat
from laudo.config import Arm
from laudo.errors import ExperimentError, NotReady
from laudo.fidelity import LEARNT
from laudo.plan import Plan
from laudo.records import used
from laudo.spread import WHOLE, Shard
from laudo.store import Key, Row, fill, is_done, read

_PART = 32


def run(plan: Plan, *, shard: Shard = WHOLE, open_chat: Callable[[Path | None], Chat] | None = None) -> bool:
    """Makes `generations` for every arm. Returns whether there was anything to do.

    Args:
        open_chat: stands in for the experiment's own model; it is given the adapter's folder or None.

    Raises:
        ExperimentError: the experiment prepares no images.
    """
    plan.experiment.require_images()
    chats = _Chats(open_chat or partial(_own_chat, plan))
    made = [_arm(plan, name, shard, chats) for name in plan.experiment.arms]
    return any(made)


class _Chats:
    """One chat at a time, opened when a report is first asked for: arms with the same adapter load it once."""

    def __init__(self, open_chat: Callable[[Path | None], Chat]) -> None:
        self._open = open_chat
        self._held: dict[Path | None, Chat] = {}

    def of(self, adapter: Path | None) -> Chat:
        if adapter not in self._held:
            self._held.clear()  # before the next is loaded: two would not fit a small GPU
            self._held[adapter] = self._open(adapter)
        return self._held[adapter]


def _arm(plan: Plan, name: str, shard: Shard, chats: _Chats) -> bool:
    partition, arm, settings = plan.generations[name], plan.experiment.arms[name], plan.experiment.generate
    if is_done(partition):
        return False
    studies = {s["study_id"]: s for s in read(plan.studies, where=used("test"))}
    if not studies:
        raise NotReady(
            "no test study can be used",
            where=str(plan.studies.folder),
            mend="raise [prepare] test; laudo prepare EXPERIMENT says what was left out and why",
        )
    shown = _pictures(studies, arm)
    exemplars = _exemplars(plan, name, arm)
    adapter = plan.training.folder / "adapter" if arm.adapter else None

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        asked = [
            prompts.report(
                shown[key[0]], run=plan.run, size_px=plan.experiment.prepare.size_px, geometry=settings.geometry,
                prompt=plan.experiment.prompt_of(name), prior=studies[key[0]]["prior_report"], exemplars=exemplars,
            )
            for key in keys
        ]  # fmt: skip
        chat = chats.of(adapter)
        start = time.monotonic()
        replies = chat.reply(asked, max_new_tokens=settings.max_new_tokens)
        seconds = (time.monotonic() - start) / len(keys)
        return [
            {"study_id": key[0], "arm": name, "sample": key[2], "prompt": r.prompt, "completion": r.text, "stop": r.stop,
             "images": [image["dicom_id"] for image in shown[key[0]]], "prompt_tokens": r.prompt_tokens, "new_tokens": r.new_tokens,
             "seconds": seconds}
            for key, r in zip(keys, replies, strict=True)
        ]  # fmt: skip

    return fill(
        partition, [(study_id, name, 0) for study_id in studies], rows_of, part_size=_PART, shard=shard
    )


def _pictures(studies: dict[int, Row], arm: Arm) -> dict[int, list[Row]]:
    """The images that each study is reported from: its own, or those of a study of another patient."""
    if arm.pictures == "own":
        return {study_id: study["images"] for study_id, study in studies.items()}
    ranked = sorted(studies.values(), key=lambda s: hashlib.sha256(str(s["study_id"]).encode()).digest())
    given: dict[int, list[Row]] = {}
    for place, study in enumerate(ranked):
        others = (ranked[(place + step) % len(ranked)] for step in range(1, len(ranked)))
        other = next((o for o in others if o["subject_id"] != study["subject_id"]), None)
        if other is None:
            raise ExperimentError(
                'pictures = "another_patient" needs two patients in the test split',
                mend="take more test studies, or remove the arm",
            )
        given[study["study_id"]] = other["images"]
    return given


def _exemplars(plan: Plan, name: str, arm: Arm) -> list[str]:
    """The reports that the prompt shows: accepted translations of training studies, never of the test split.

    A number takes the first ones by a hash of the study_id, those with findings and impression before others.

    Raises:
        ExperimentError: one is not an accepted training study, or there are not as many.
    """
    if not arm.exemplars:
        return []
    train = {s["study_id"] for s in read(plan.studies, columns=["study_id"], where=used("train"))}
    usable = {
        v["study_id"]: v["sections_pt"]
        for v in read(plan.verdicts)
        if v["verdict"] in LEARNT and v["study_id"] in train
    }
    ranked = sorted(
        usable, key=lambda study: (len(usable[study]) < 2, hashlib.sha256(str(study).encode()).digest())
    )
    wanted = ranked[: arm.exemplars] if isinstance(arm.exemplars, int) else arm.exemplars
    wrong = [f"{study} is not an accepted training study" for study in wanted if study not in usable]
    if isinstance(arm.exemplars, int) and len(wanted) < arm.exemplars:
        wrong = [f"{arm.exemplars} asked for, {len(wanted)} accepted training studies there"]
    if wrong:
        mend = (
            f"name others, for example {', '.join(map(str, ranked[:5]))}, or give a number"
            if ranked
            else "look at why the checks fail"
        )
        raise ExperimentError("; ".join(wrong), where=f"[arms.{name}] exemplars", mend=mend)
    return [sections.render(usable[study], lang="pt") for study in wanted]


def _own_chat(plan: Plan, adapter: Path | None) -> Chat:
    from laudo.chat_hf import HFChat

    return HFChat(plan.experiment.generate, adapter=adapter)
