"""The figures of three studies worked by hand, from tables as the verbs before `evaluate` write them."""

import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from statsmodels.stats.multitest import multipletests

from conftest import TINY, study_row
from laudo import evaluate, findings, store
from laudo.experiment.plan import Plan, plan
from laudo.experiment.settings import Arm, Experiment
from laudo.metrics import METRICS, MeasureWords, Score
from laudo.metrics.statistics import Aggregate, Cohort, mean, mean_statistics
from laudo.vocabulary import LABELS, Language

ENGLISH = {
    51: "There is a left pleural effusion. Possible edema.",  # Pleural Effusion, Edema
    52: "Normal chest.",  # No Finding
    53: "Large right pneumothorax.",  # Pneumothorax
}
PORTUGUESE = {51: "Derrame.", 53: "Derrame."}
"""Study 52 has no translation."""
VERDICTS = {51: "repaired", 53: "quarantined"}
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


def settings(arms, **evaluation) -> Experiment:
    tiny = tomllib.loads(TINY)
    tiny["arms"] = {arm: {"adapter": arm == "lora"} for arm in arms}
    tiny["evaluate"] |= evaluation
    return Experiment.model_validate(tiny)


def fact_rows(language: str, texts: Mapping[int, str]) -> list[store.Row]:
    return [
        {
            **findings.as_row(fact),
            "study_id": study_id,
            "text": language,
            "section": "findings",
            "number": number,
        }
        for study_id, text in texts.items()
        for number, fact in enumerate(findings.read(text, lang=language))
    ]


def generated(arm: str, reports: Mapping[int, str]) -> list[store.Row]:
    same = {"sample": 0, "prompt": "", "stop": "end", "images": []}
    counts = {"prompt_tokens": 1, "new_tokens": 1, "seconds": 0.0}
    return [
        {**same, **counts, "study_id": study_id, "arm": arm, "completion": report}
        for study_id, report in reports.items()
    ]


def study(study_id: int, subject_id: int, report: str) -> store.Row:
    texts = {"findings": report}
    return study_row(study_id=study_id, subject_id=subject_id, split="test", sections=texts, target=texts)


def before_evaluation(experiment: Experiment, run: Path, rows: Mapping[str, list[store.Row]]) -> Plan:
    """Makes every table of the verbs before `evaluate`: with the rows given under its name, else empty."""
    laid_out = plan(experiment, run)
    for partition in laid_out:
        if partition.table.verb != "evaluate":
            store.make(partition, lambda _, name=partition.name: rows.get(name, []))
    return laid_out


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Plan:
    translated = [
        {"study_id": study_id, "verdict": VERDICTS[study_id], "sections_pt": {"findings": text}}
        for study_id, text in PORTUGUESE.items()
    ]
    rows = {
        "studies": [study(study_id, PATIENTS[study_id], text) for study_id, text in ENGLISH.items()],
        "verdicts": translated,
        "facts/text=en": fact_rows("en", ENGLISH),
        "facts/text=pt": fact_rows("pt", PORTUGUESE),
        **{f"generations/arm={arm}": generated(arm, reports) for arm, reports in ARMS.items()},
    }
    laid_out = before_evaluation(settings(ARMS, resamples=200), tmp_path_factory.mktemp("run"), rows)
    assert evaluate.run(laid_out)
    return laid_out


def scores(run: Plan, arm: str, metric: str, *, measure: str, label: str = "") -> dict[int, store.Row]:
    rows = store.rows(run.scores[arm, metric])
    return {row["study_id"]: row for row in rows if (row["metric"], row["label"]) == (measure, label)}


def values(run: Plan, arm: str, metric: str, measure: str) -> dict[int, float | None]:
    rows = scores(run, arm, metric, measure=measure)
    return {study_id: row["value"] for study_id, row in rows.items()}


def figures(
    run: Plan, measure: str, label: str = "", references: str = "all"
) -> dict[tuple[str, str], store.Row]:
    """(arm, versus) -> a row of the summary."""
    chosen = (measure, label, references)
    return {
        (row["arm"], row["versus"]): row
        for row in store.rows(run.summary)
        if (row["metric"], row["label"], row["references"]) == chosen
    }


# --- facts and labels ----------------------------------------------------------------------------------


def test_the_facts_of_an_arm_are_those_of_its_whole_reports(scored):
    rows = store.rows(scored.facts["lora"])
    stated = [(row["study_id"], row["number"], row["finding"], row["status"], row["side"]) for row in rows]
    assert stated == [
        (51, 0, "pleural_effusion", "present", "left"),
        (51, 1, "edema", "uncertain", None),
        (52, 0, "fracture", "present", None),
    ]
    assert {(row["text"], row["section"]) for row in rows} == {("lora", "")}
    report = ARMS["lora"][51]
    assert report[rows[0]["start"] : rows[0]["end"]] == "Derrame pleural"


@pytest.mark.parametrize(
    ("text", "study_id", "expected"),
    [
        ("en", 51, {"Pleural Effusion": 1, "Edema": -1}),
        ("en", 52, {"No Finding": 1}),
        ("pt", 53, {"Pleural Effusion": 1}),
        ("zero_shot", 53, {"Edema": 1}),
        ("lora", 53, {}),  # an empty report has no label, not even No Finding
    ],
)
def test_labels_of_each_text(scored, text, study_id, expected):
    rows = [row for row in store.rows(scored.labels[text]) if row["study_id"] == study_id]
    assert {row["label"]: row["value"] for row in rows} == {**dict.fromkeys(LABELS), **expected}


# --- scores --------------------------------------------------------------------------------------------


def test_label_counts_of_each_study(scored):
    def counts(arm):
        rows = scores(scored, arm, "label_f1", measure="label_f1")
        return {study_id: row["statistics"] for study_id, row in rows.items()}

    assert counts("zero_shot") == {51: [1, 0, 1], 52: [1, 0, 0], 53: [0, 1, 1]}  # tp, fp, fn
    assert counts("lora") == {51: [2, 0, 0], 52: [0, 1, 1], 53: [0, 0, 1]}


def test_a_score_that_cannot_be_made_is_null_and_an_empty_report_scores_0(scored):
    assert values(scored, "lora", "bertscore_pt", "bertscore_pt_f1")[52] is None
    assert values(scored, "lora", "bertscore_pt", "bertscore_pt_f1")[53] == 0
    assert values(scored, "lora", "bertscore_en", "bertscore_en_f1")[53] == 0
    rows = scores(scored, "lora", "bertscore_pt", measure="bertscore_pt_f1")
    assert {study_id: row["why"] for study_id, row in rows.items()} == {
        51: "",
        52: "no reference",
        53: "empty candidate",
    }
    counted = figures(scored, "bertscore_pt_f1")
    assert {arm: counted[arm, ""]["n"] for arm in ARMS} == {"zero_shot": 2, "lora": 2}


def test_every_score_names_its_patient_its_reference_and_what_made_it(scored):
    for (arm, name), partition in scored.scores.items():
        metric = next(metric for metric in METRICS if metric.name == name)
        rows = store.rows(partition)
        assert {row["study_id"]: row["subject_id"] for row in rows} == PATIENTS
        assert {(row["arm"], row["reference"]) for row in rows} == {(arm, metric.reference)}
        assert {row["metric"] for row in rows} == set(metric.measures)
        assert {row["signature"].partition("|")[0] for row in rows} <= {"label_f1", "bertscore"}


# --- figures -------------------------------------------------------------------------------------------


def test_label_f1_is_the_micro_f1_of_the_counts(scored):
    """zero_shot: tp 2, fp 1, fn 2, so 4/7; lora: tp 2, fp 1, fn 2, the same."""
    all_labels = figures(scored, "label_f1")
    assert all_labels["zero_shot", ""]["value"] == pytest.approx(4 / 7)
    assert all_labels["lora", "zero_shot"]["value"] == pytest.approx(0)
    assert {row["n"] for row in all_labels.values()} == {3}
    edema = figures(scored, "label_f1", "Edema")
    assert {arm: edema[arm, ""]["value"] for arm in ARMS} == {"zero_shot": 0, "lora": 1}


def test_the_summary_has_every_measure_of_every_metric_and_label_f1_by_label(scored):
    measures = [measure for metric in METRICS for measure in metric.measures]
    expected = {(measure, "", chosen) for measure in measures for chosen in ("all", "learnable")}
    expected |= {("label_f1", label, "all") for label in LABELS}
    compared = {("zero_shot", ""), ("lora", ""), ("lora", "zero_shot")}
    rows = store.rows(scored.summary)
    assert {(row["metric"], row["label"], row["references"]) for row in rows} == expected
    assert len(rows) == len(expected) * len(compared)
    assert {(row["arm"], row["versus"]) for row in rows} == compared


def test_the_figures_come_again_from_the_studies_whose_reference_is_accepted_or_repaired(scored):
    """Study 51 alone: zero_shot has tp 1, fp 0, fn 1, so 2/3; lora has tp 2, so 1. One patient, no interval."""
    learnable = figures(scored, "label_f1", references="learnable")
    assert learnable["zero_shot", ""]["value"] == pytest.approx(2 / 3)
    assert learnable["lora", "zero_shot"]["value"] == pytest.approx(1 / 3)
    assert {row["n"] for row in learnable.values()} == {1}
    assert {(row["low"], row["high"], row["p"]) for row in learnable.values()} == {(None, None, None)}


def test_nothing_is_done_twice(scored):
    assert not evaluate.run(scored)


# --- another metric ------------------------------------------------------------------------------------


class Words:
    """How many words a report has."""

    name = "words"
    reference = "en"
    reads = "text"
    measures: Mapping[str, Aggregate] = {"words": mean}
    words: Mapping[Language, Mapping[str, MeasureWords]] = {
        "pt": {"words": MeasureWords("Palavras", "")},
        "en": {"words": MeasureWords("Words", "")},
    }
    settings = None
    signature = "words|version:1"

    def identity(self, settings):
        return {"recipe": 1}

    def open(self, settings, *, batch_size):
        return self

    def score(self, pairs):
        counts = {pair.study_id: float(len(pair.candidate.text.split())) for pair in pairs}
        return [
            Score(study_id, "words", "", count, mean_statistics(count), "")
            for study_id, count in counts.items()
        ]


def use_metrics(monkeypatch, *metrics):
    """Does what a changed line of `laudo.metrics` would do: every module of laudo has the new list."""
    for name, module in list(sys.modules.items()):
        if name.startswith("laudo.") and getattr(module, "METRICS", None) is METRICS:
            monkeypatch.setattr(module, "METRICS", metrics)


def written(run: Path) -> dict[str, int]:
    """file -> when it was written, of all tables except the summary."""
    tables = run / "tables"
    files = {path.relative_to(tables).as_posix(): path for path in tables.rglob("*") if path.is_file()}
    return {name: path.stat().st_mtime_ns for name, path in files.items() if not name.startswith("summary/")}


def test_a_metric_is_one_class_and_its_line_in_the_list(scored, tmp_path, monkeypatch):
    def encoder(*_, **__):
        raise AssertionError("BERTScore is computed again")

    run = Path(shutil.copytree(scored.run, tmp_path / "run"))
    before, summary = written(run), store.rows(scored.summary)
    monkeypatch.setattr("laudo.metrics.bertscore.Encoder", encoder)
    use_metrics(monkeypatch, *METRICS, Words())

    extended = plan(scored.experiment, run)
    states = {partition.name: store.state(partition).word for partition in extended}
    new = {f"scores/arm={arm}/words" for arm in ARMS}
    assert {name for name, word in states.items() if word == "missing"} == new
    assert {name for name, word in states.items() if word not in ("missing", "done")} == {"summary"}

    assert evaluate.run(extended)
    after = written(run)
    assert {name: when for name, when in after.items() if name in before} == before
    assert {name.rpartition("/")[0] for name in after.keys() - before.keys()} == new

    assert values(extended, "lora", "words", "words") == {51: 6, 52: 3, 53: 0}
    compared = figures(extended, "words")
    assert compared["lora", ""]["value"] == pytest.approx(3)
    assert compared["zero_shot", ""]["value"] == pytest.approx((4 + 4 + 2) / 3)
    assert compared["lora", "zero_shot"]["value"] == pytest.approx(-1 / 3)
    others = [row for row in store.rows(extended.summary) if row["metric"] != "words"]
    assert others == summary


def test_a_control_is_subtracted_wherever_it_stands_in_the_experiment(tmp_path, monkeypatch):
    """Reports of 1, 3 and 2 words: both differences from the control are positive."""
    reports = {"shuffled": "a", "longest": "a b c", "longer": "a b"}
    use_metrics(monkeypatch, Words())
    experiment = settings(reports, resamples=100)
    arms = experiment.arms | {"shuffled": Arm(pictures="another_patient")}
    rows = {f"generations/arm={arm}": generated(arm, {1: text}) for arm, text in reports.items()}
    for order in (("shuffled", "longest", "longer"), ("longest", "longer", "shuffled")):
        ordered = experiment.model_copy(update={"arms": {arm: arms[arm] for arm in order}})
        studies = {"studies": [study(1, 1, "Clear.")]}
        laid_out = before_evaluation(ordered, tmp_path / order[0], studies | rows)
        evaluate.run(laid_out)
        pairs = {pair: row["value"] for pair, row in figures(laid_out, "words").items() if pair[1]}
        assert pairs == {("longest", "shuffled"): 2, ("longer", "shuffled"): 1, ("longer", "longest"): -1}


def test_p_values_of_the_pairs_of_arms_are_corrected_together(tmp_path, monkeypatch):
    """The oracle is statsmodels; three arms of 12 patients, whose reports have 3, 4 and 2 to 5 words."""
    lengths = {
        "brief": [3] * 12,
        "longer": [4] * 9 + [3, 3, 2],
        "mixed": [2, 5, 3, 4, 4, 5, 2, 5, 4, 3, 5, 4],
    }
    reports = {
        arm: {study_id: "palavra " * count for study_id, count in enumerate(counts)}
        for arm, counts in lengths.items()
    }
    use_metrics(monkeypatch, Words())
    laid_out = before_evaluation(
        settings(lengths, resamples=500, seed=3),
        tmp_path,
        {
            "studies": [study(study_id, 100 + study_id, "Clear lungs.") for study_id in range(12)],
            **{f"generations/arm={arm}": generated(arm, texts) for arm, texts in reports.items()},
        },
    )
    evaluate.run(laid_out)

    cohort = Cohort({study_id: 100 + study_id for study_id in range(12)}, resamples=500, seed=3)
    pairs = [("longer", "brief"), ("mixed", "brief"), ("mixed", "longer")]
    uncorrected = [
        cohort.difference(
            a={study_id: (count, 1) for study_id, count in enumerate(lengths[later])},
            b={study_id: (count, 1) for study_id, count in enumerate(lengths[earlier])},
            aggregate=mean,
        ).p
        for later, earlier in pairs
    ]
    corrected = multipletests(uncorrected, method="holm")[1]
    assert list(corrected) != pytest.approx(uncorrected)
    rows = figures(laid_out, "words")
    assert [rows[pair]["p"] for pair in pairs] == pytest.approx(list(corrected))
    assert {rows[arm, ""]["p"] for arm in lengths} == {None}
