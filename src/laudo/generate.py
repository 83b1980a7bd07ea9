"""generate: the reports of the test split, one arm after the other, from the images.

An arm is a way of asking: a prompt, exemplars, the adapter or not. All arms ask the same model, through the
same messages and the same images that training used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from laudo import engines, sections, store
from laudo.engines import Engine, Reply, Sampling, messages
from laudo.engines.messages import Messages
from laudo.errors import ExperimentError, NotReady
from laudo.experiment import Plan, kept
from laudo.fidelity import LEARNABLE
from laudo.hashing import by_hash
from laudo.store import Key, Row, fill, is_done, rows, used
from laudo.store.spread import WHOLE, Shard

_PART_SIZE = 32

OpenEngine = Callable[[Path | None], Engine]
"""Opens an engine with an adapter, or without one."""


def run(plan: Plan, *, shard: Shard = WHOLE, open_engine: OpenEngine | None = None) -> bool:
    """Makes `generations` for every arm.

    Args:
        shard: which parts this process makes.
        open_engine: opens the engine that reports, for the adapter's folder or None; the experiment's own
            where it is None.

    Returns:
        Whether there was anything to do.

    Raises:
        ExperimentError: the experiment prepares no images, or an arm cannot be asked.
        NotReady: no test study can be used, or an arm's adapter is not trained yet.
    """
    plan.experiment.require_images()
    opened = _Engines(open_engine or partial(_open_engine, plan))
    made_any = False
    for name in plan.experiment.arms:
        made_any |= _run_arm(plan, name, shard, opened)
    return made_any


class _Engines:
    """One engine at a time, opened for the first report: arms with the same adapter share it."""

    def __init__(self, open_engine: OpenEngine) -> None:
        self._open = open_engine
        self._opened: dict[Path | None, Engine] = {}

    def with_adapter(self, adapter: Path | None) -> Engine:
        if adapter not in self._opened:
            self._opened.clear()  # before the next is loaded: two would not fit a small GPU
            self._opened[adapter] = self._open(adapter)
        return self._opened[adapter]


def _open_engine(plan: Plan, adapter: Path | None) -> Engine:
    experiment = plan.experiment
    batch_size = experiment.generate.batch_size
    return engines.open_engine(experiment.reporter, batch_size=batch_size, adapter=adapter)


# --- an arm -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Questions:
    """What an arm asks of each study.

    Attributes:
        images: study_id -> the cached images that it is reported from.
        exemplars: reports that the prompt shows.
        priors: study_id -> the report of the patient's last study, None where it is not supplied.
    """

    plan: Plan
    arm: str
    images: Mapping[int, Sequence[Row]]
    exemplars: Sequence[str]
    priors: Mapping[int, str | None]

    def messages(self, study_id: int) -> Messages:
        experiment = self.plan.experiment
        return messages.study_report(
            self.images[study_id],
            run=self.plan.run,
            size_px=experiment.prepare.size_px,
            geometry=experiment.reporter.geometry,
            prompt=experiment.prompt_of(self.arm),
            prior=self.priors[study_id],
            exemplars=self.exemplars,
        )


def _run_arm(plan: Plan, arm: str, shard: Shard, opened: _Engines) -> bool:
    if is_done(plan.generations[arm]):
        return False
    studies = rows(plan.studies, where=used("test"))
    if not studies:
        raise NotReady(
            "no test study can be used",
            where=str(plan.studies.folder),
            fix="laudo prepare EXPERIMENT says what was left out and why; raise [prepare] test if it is 0",
        )
    priors = {study["study_id"]: study["prior_report"] for study in studies}
    questions = _Questions(plan, arm, _images(plan, arm, studies), _exemplars(plan, arm), priors)
    adapter = _adapter(plan, arm)

    def rows_of(keys: Sequence[Key]) -> list[Row]:
        kept.verify(plan, (image for key in keys for image in questions.images[key[0]]))
        return _generate(opened.with_adapter(adapter), keys, questions)

    keys = [(study_id, arm, 0) for study_id in priors]
    return fill(plan.generations[arm], keys, rows_of, part_size=_PART_SIZE, shard=shard)


def _generate(engine: Engine, keys: Sequence[Key], questions: _Questions) -> list[Row]:
    chats = [questions.messages(study_id) for study_id, _, _ in keys]
    limit = questions.plan.experiment.generate.max_new_tokens
    start = time.monotonic()
    replies = engine.reply(chats, sampling=Sampling(limit))
    seconds = (time.monotonic() - start) / len(keys)
    return [
        _row(key, reply, questions.images[key[0]], seconds) for key, reply in zip(keys, replies, strict=True)
    ]


def _row(key: Key, reply: Reply, images: Sequence[Row], seconds: float) -> Row:
    study_id, arm, sample = key
    return {
        "study_id": study_id,
        "arm": arm,
        "sample": sample,
        "prompt": reply.prompt,
        "completion": reply.text,
        "stop": reply.stop,
        "images": [image["dicom_id"] for image in images],
        "prompt_tokens": reply.prompt_tokens,
        "new_tokens": reply.new_tokens,
        "seconds": seconds,
    }


def _adapter(plan: Plan, arm: str) -> Path | None:
    """The folder of the arm's adapter, verified; None for an arm without one."""
    if plan.training is None or not plan.experiment.arms[arm].adapter:
        return None
    return store.files(plan.training, "adapter")


# --- images and exemplars -----------------------------------------------------------------------------------


def _images(plan: Plan, arm: str, studies: Sequence[Row]) -> dict[int, Sequence[Row]]:
    """study_id -> the images that it is reported from: its own, or those of a study of another patient.

    The other study is the next one, in the order of a hash, that belongs to another patient.

    Raises:
        ExperimentError: the test split has one patient alone.
    """
    if plan.experiment.arms[arm].pictures == "own":
        return {study["study_id"]: study["images"] for study in studies}
    by_id = {study["study_id"]: study for study in studies}
    ordered = [by_id[study_id] for study_id in by_hash(by_id)]
    return {
        study["study_id"]: _next_of_another_patient(study, ordered[place + 1 :] + ordered[:place])["images"]
        for place, study in enumerate(ordered)
    }


def _next_of_another_patient(study: Row, following: Sequence[Row]) -> Row:
    for candidate in following:
        if candidate["subject_id"] != study["subject_id"]:
            return candidate
    raise ExperimentError(
        'pictures = "another_patient" needs two patients in the test split',
        fix="take more test studies, or remove the arm",
    )


def _exemplars(plan: Plan, arm: str) -> list[str]:
    """The reports that the prompt shows: accepted translations of training studies, never of the test split.

    A number takes the first ones in the order of a hash, those with findings and impression before the rest.

    Raises:
        ExperimentError: one is not an accepted training study, or fewer are accepted than requested.
    """
    requested = plan.experiment.arms[arm].exemplars
    if not requested:
        return []
    training = {s["study_id"] for s in rows(plan.studies, columns=["study_id"], where=used("train"))}
    usable = {
        verdict["study_id"]: verdict["sections_pt"]
        for verdict in rows(plan.verdicts)
        if verdict["verdict"] in LEARNABLE and verdict["study_id"] in training
    }
    candidates = sorted(by_hash(usable), key=lambda study_id: len(usable[study_id]) < 2)
    study_ids = candidates[:requested] if isinstance(requested, int) else requested
    faults = [
        f"{study_id} is not an accepted training study" for study_id in study_ids if study_id not in usable
    ]
    if isinstance(requested, int) and len(study_ids) < requested:
        faults = [f"exemplars requested: {requested}; accepted training studies: {len(study_ids)}"]
    if faults:
        raise _not_exemplars(arm, faults, candidates)
    return [sections.render(usable[study_id], lang="pt") for study_id in study_ids]


def _not_exemplars(arm: str, faults: Sequence[str], candidates: Sequence[int]) -> ExperimentError:
    names = ", ".join(map(str, candidates[:5]))
    fix = f"name others, for example {names}, or give a number" if names else "look at why the checks fail"
    return ExperimentError("; ".join(faults), where=f"[arms.{arm}] exemplars", fix=fix)
