"""The stage `check`: a row for each check, a verdict for each study, on invented pairs of sections."""

from pathlib import Path

import pytest

from conftest import finished, study_row
from laudo import check, findings
from laudo.experiment import Experiment, Plan, plan
from laudo.fidelity import CHECK_NAMES
from laudo.store import rows

SOURCE = "The lungs are clear. There is no pleural effusion or pneumothorax. Heart size is normal."
TRANSLATION = "Os pulmões estão limpos. Não há derrame pleural ou pneumotórax. A área cardíaca é normal."


TARGETS = {
    11: {"findings": SOURCE, "impression": "Cardiomegaly."},
    12: {"full_report": "Left pleural effusion."},
    13: {"findings": "No image was cached of this one."},
}
REPLIES = {
    (11, "findings"): TRANSLATION,
    (11, "impression"): "Cardiomegalia.",
    (12, "full_report"): "Tradução: Derrame pleural à direita.",
}


@pytest.fixture
def small(tiny, tmp_path: Path) -> Plan:
    """Studies and translations: 11 clean, 12 with a preface and a flipped side, 13 excluded."""
    studies = [
        study_row(study_id=n, subject_id=n, split="train", target=t, excluded="no image" if n == 13 else None)
        for n, t in TARGETS.items()
    ]
    replies = [_reply(study_id, section, raw) for (study_id, section), raw in REPLIES.items()]
    made = plan(Experiment.model_validate(tiny), tmp_path / "run")
    return finished(made, studies=studies, translations=replies, until="translations")


def _reply(study_id: int, section: str, raw: str) -> dict[str, object]:
    counts = {"prompt_tokens": 9, "new_tokens": 9, "logprob": None, "seconds": 0.1}
    return {"study_id": study_id, "section": section, "raw": raw, "stop": "end", **counts}


def test_the_facts_of_both_texts_are_stored_section_by_section(small: Plan, one_core) -> None:
    """Each row is what `findings.read` gives of that section, the translation without its preface."""
    assert check.run(small)
    texts = {
        ("en", n, name): text for n, target in TARGETS.items() if n != 13 for name, text in target.items()
    }
    texts |= {("pt", n, name): text for (n, name), text in REPLIES.items()}
    texts["pt", 12, "full_report"] = "Derrame pleural à direita."
    for lang in ("en", "pt"):
        stored = rows(small.facts[lang])
        expected = [
            {"study_id": n, "text": lang, "section": name, "number": number, **findings.as_row(fact)}
            for (language, n, name), text in sorted(texts.items())
            for number, fact in enumerate(findings.read(text, lang=lang))
            if language == lang
        ]
        assert stored == expected and len(stored) >= 5
        for row in stored:
            text = texts[lang, row["study_id"], row["section"]]
            assert text[row["start"] : row["end"]], "the span is of the section's text"


def test_the_stage_writes_a_row_for_each_check_and_a_verdict_for_each_study(small: Plan, one_core) -> None:
    assert check.run(small)
    checks = rows(small.checks)
    keys = [(row["study_id"], row["section"], row["check"]) for row in checks]
    assert keys == sorted(
        (n, s, c) for n, s in [(11, "findings"), (11, "impression"), (12, "full_report")] for c in CHECK_NAMES
    )
    assert {(row["study_id"], row["check"]) for row in checks if not row["passed"]} == {
        (12, "preface"),
        (12, "laterality"),
    }
    assert rows(small.verdicts) == [
        {
            "study_id": 11,
            "verdict": "accepted",
            "sections_pt": {"findings": TRANSLATION, "impression": "Cardiomegalia."},
        },
        {
            "study_id": 12,
            "verdict": "quarantined",
            "sections_pt": {"full_report": "Derrame pleural à direita."},
        },
    ]
    assert not check.run(small)


def test_each_text_is_read_once_and_each_section_examined_once(small: Plan, one_core, monkeypatch) -> None:
    from laudo import fidelity

    counts = {"read": 0, "examine": 0}

    def counted(name, function):
        def call(*arguments, **options):
            counts[name] += 1
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(findings, "read", counted("read", findings.read))
    monkeypatch.setattr(fidelity, "examine", counted("examine", fidelity.examine))
    check.run(small)
    assert counts == {"read": 2 * len(REPLIES), "examine": len(REPLIES)}
