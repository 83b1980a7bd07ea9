"""The figures of three studies worked by hand, through the tables that the stages before would have written."""

import pytest

from conftest import study_row
from laudo import evaluate
from laudo.config import Experiment
from laudo.plan import Plan, plan
from laudo.store import making, read, write_rows

ENGLISH = {
    51: "There is a left pleural effusion. Possible edema.",  # Pleural Effusion, Edema
    52: "Normal chest.",  # No Finding
    53: "Large right pneumothorax.",  # Pneumothorax
}
ARMS = {
    # One label right, one missed; right; one missed, one invented.
    "zero_shot": {
        51: "Derrame pleural à esquerda.",
        52: "Radiografia de tórax normal.",
        53: "Edema pulmonar.",
    },
    # Both right; a false fracture instead of No Finding; nothing written.
    "lora": {51: "Derrame pleural à esquerda. Possível edema.", 52: "Fratura de costela.", 53: ""},
}
PATIENTS = {51: 11, 52: 11, 53: 12}


def write(partition, rows):
    with making(partition):
        write_rows(partition, rows)


@pytest.fixture
def scored(tiny, tmp_path) -> Plan:
    tiny["arms"] = {"zero_shot": {}, "lora": {"adapter": True}}
    tiny["evaluate"]["resamples"] = 200
    made = plan(Experiment.model_validate(tiny), tmp_path)
    texts = {study: {"findings": text} for study, text in ENGLISH.items()}
    write(made.films, [])
    write(
        made.studies,
        [
            study_row(study_id=s, subject_id=PATIENTS[s], split="test", sections=texts[s], target=texts[s])
            for s in ENGLISH
        ],
    )
    for unread in (made.translations, made.checks):
        write(unread, [])
    # Study 52 has no translation: its score against the Portuguese reference is null, not 0.
    write(
        made.verdicts,
        [{"study_id": s, "verdict": "accepted", "sections_pt": {"findings": "Derrame."}} for s in (51, 53)],
    )
    write(made.training, [])
    for arm, reports in ARMS.items():
        rest = {
            "sample": 0,
            "prompt": "",
            "stop": "end",
            "images": [],
            "prompt_tokens": 1,
            "new_tokens": 1,
            "seconds": 0.0,
        }
        write(
            made.generations[arm],
            [{**rest, "study_id": s, "arm": arm, "completion": text} for s, text in reports.items()],
        )
    assert evaluate.run(made)
    return made


def values(made: Plan, arm: str, metric: str) -> dict[int, float | None]:
    return {row["study_id"]: row["value"] for row in read(made.scores[arm]) if row["metric"] == metric}


def test_label_counts_of_each_study(scored):
    assert values(scored, "zero_shot", "label_tp") == {51: 1, 52: 1, 53: 0}
    assert values(scored, "zero_shot", "label_fp") == {51: 0, 52: 0, 53: 1}
    assert values(scored, "zero_shot", "label_fn") == {51: 1, 52: 0, 53: 1}
    assert values(scored, "lora", "label_tp") == {51: 2, 52: 0, 53: 0}
    assert values(scored, "lora", "label_fp") == {51: 0, 52: 1, 53: 0}
    assert values(scored, "lora", "label_fn") == {51: 0, 52: 1, 53: 1}


def test_label_f1_is_the_micro_f1_of_the_counts(scored):
    """zero_shot: tp 2, fp 1, fn 2, so 4/7; lora: tp 2, fp 1, fn 2, the same."""
    found = {
        (r["arm"], r["versus"]): r
        for r in read(scored.summary)
        if r["metric"] == "label_f1" and not r["label"]
    }
    assert found["zero_shot", ""]["value"] == pytest.approx(4 / 7)
    assert found["lora", "zero_shot"]["value"] == pytest.approx(0)
    assert {row["n"] for row in found.values()} == {3}
    edema = [r for r in read(scored.summary) if r["label"] == "Edema" and not r["versus"]]
    assert {r["arm"]: r["value"] for r in edema} == {"zero_shot": 0, "lora": 1}


def test_a_score_that_cannot_be_made_is_null_and_an_empty_report_scores_0(scored):
    assert values(scored, "lora", "bertscore_pt_f1")[52] is None
    assert values(scored, "lora", "bertscore_pt_f1")[53] == 0
    assert values(scored, "lora", "bertscore_en_f1")[53] == 0
    why = {
        row["study_id"]: row["why"]
        for row in read(scored.scores["lora"])
        if row["metric"] == "bertscore_pt_f1"
    }
    assert why == {51: "", 52: "no reference", 53: "empty candidate"}
    counted = {
        r["arm"]: r["n"] for r in read(scored.summary) if r["metric"] == "bertscore_pt_f1" and not r["versus"]
    }
    assert counted == {"zero_shot": 2, "lora": 2}


def test_p_values_are_corrected_within_a_measure(tiny):
    """Holm by hand: 0.01, 0.02, 0.04 of three comparisons become 0.03, 0.04, 0.04; another measure stays apart."""
    rows = [{"metric": m, "label": "", "arm": a, "versus": "z", "p": p} for m, a, p in
            [("f1", "a", 0.02), ("f1", "b", 0.01), ("f1", "c", 0.04), ("other", "a", 0.02), ("f1", "d", None)]]  # fmt: skip
    found = {(row["metric"], row["arm"]): row["p"] for row in evaluate._corrected(rows)}
    assert found == pytest.approx(
        {("f1", "a"): 0.04, ("f1", "b"): 0.03, ("f1", "c"): 0.04, ("other", "a"): 0.02, ("f1", "d"): None}
    )
