"""check: every translation gets a verdict, from the checks of `fidelity`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from laudo import spread
from laudo.fidelity import examine, verdict
from laudo.plan import Plan
from laudo.records import used
from laudo.store import Key, Row, fill, is_done, read

_PART = 256


def run(plan: Plan) -> bool:
    """Makes `checks` and `verdicts`. Returns whether there was anything to do."""
    if is_done(plan.checks) and is_done(plan.verdicts):
        return False
    targets = {
        s["study_id"]: s["target"] for s in read(plan.studies, columns=["study_id", "target"], where=used())
    }
    translated = {(t["study_id"], t["section"]): t for t in read(plan.translations)}
    keys = [(study_id,) for study_id in targets]

    with spread.pool() as over:

        def studied(part: Sequence[Key]) -> list[_Studied]:
            return list(over(_study, [_job(key[0], targets[key[0]], translated) for key in part]))

        def check_rows(part: Sequence[Key]) -> list[Row]:
            return [row for study in studied(part) for row in study.checks]

        # Examined again rather than kept: fifteen rows a section of the whole corpus would not fit in memory.
        def verdict_rows(part: Sequence[Key]) -> list[Row]:
            return [study.verdict for study in studied(part)]

        made = fill(plan.checks, keys, check_rows, part_size=_PART)
        return fill(plan.verdicts, keys, verdict_rows, part_size=_PART) or made


class _Section(NamedTuple):
    name: str
    source: str
    translation: str
    stop: str


class _Job(NamedTuple):
    study_id: int
    sections: list[_Section]


class _Studied(NamedTuple):
    checks: list[Row]
    verdict: Row


def _job(study_id: int, target: Mapping[str, str], translated: Mapping[Key, Row]) -> _Job:
    rows = [(name, source, translated[study_id, name]) for name, source in sorted(target.items())]
    return _Job(study_id, [_Section(name, source, row["text_pt"], row["stop"]) for name, source, row in rows])


def _study(job: _Job) -> _Studied:
    """A study's rows of `checks`, in the order of their keys, and its row of `verdicts`."""
    made = {s.name: examine(source=s.source, translation=s.translation, stop=s.stop) for s in job.sections}
    rows = [
        {"study_id": job.study_id, "section": name, **result._asdict()}
        for name, examined in made.items()
        for result in sorted(examined.results)
    ]
    word = verdict(result for examined in made.values() for result in examined.results)
    return _Studied(
        rows, {"study_id": job.study_id, "verdict": word, "sections_pt": {n: e.text for n, e in made.items()}}
    )
