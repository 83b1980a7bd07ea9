"""What every metric declares, and label F1 worked by hand."""

import subprocess
import sys

import pytest

import laudo
from laudo import findings
from laudo.metrics import METRICS, LabelF1, Score, ScoredPair, Text
from laudo.metrics.encoder import Encoder
from laudo.metrics.statistics import mean, micro_f1
from laudo.vocabulary import LABELS

LAYER_1 = {"model": "phantom:encoder-pt", "layer": 1}


def text(report: str, *, lang: str = "pt") -> Text:
    return Text(report, findings.read(report, lang=lang))


def opened(metric):
    settings = metric.settings.model_validate(LAYER_1) if metric.settings else None
    return metric.open(settings, batch_size=4)


def label_rows(candidate: Text, reference: Text | None) -> dict[str, Score]:
    return {
        row.label: row
        for row in LabelF1().open(None, batch_size=1).score([ScoredPair(7, candidate, reference)])
    }


# --- what a metric declares ----------------------------------------------------------------------------


def test_importing_the_metrics_loads_no_model_library_and_draws_nothing():
    run = "import sys\nimport laudo.metrics\nprint(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", run], check=True, capture_output=True, text=True)
    modules = {name.partition(".")[0] for name in ended.stdout.split()}
    assert "numpy" in modules
    assert not modules & {"torch", "transformers", "matplotlib"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_measure_has_a_title_and_the_foremost_a_paragraph_in_both_languages(metric):
    for language in ("pt", "en"):
        words = metric.words[language]
        assert list(words) == list(metric.measures)
        assert all(of_measure.title for of_measure in words.values())
        foremost = next(iter(words.values()))
        assert len(foremost.reading) > 100 and "<" not in foremost.reading


def test_titles_are_different():
    for language in ("pt", "en"):
        titles = [words.title for metric in METRICS for words in metric.words[language].values()]
        assert len(titles) == len(set(titles))


def test_the_foremost_measures_and_the_primary_one():
    assert [next(iter(metric.measures)) for metric in METRICS] == [
        "label_f1",
        "bertscore_pt_f1",
        "bertscore_en_f1",
    ]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_measure_has_a_row_also_without_a_reference_and_of_an_empty_report(metric):
    reference = text("Derrame pleural.")
    pairs = [
        ScoredPair(1, reference, reference),
        ScoredPair(2, text(""), reference),
        ScoredPair(3, reference, None),
    ]
    rows = {(row.study_id, row.metric): row for row in opened(metric).score(pairs) if not row.label}
    for measure, aggregate in metric.measures.items():
        same, empty, alone = (rows[study_id, measure] for study_id in (1, 2, 3))
        assert same.value == pytest.approx(1) and same.why == ""
        assert empty.value == 0 and empty.why == "empty candidate"
        assert (alone.value, alone.statistics, alone.why) == (None, None, "no reference")
        assert aggregate in (mean, micro_f1)
        assert len(same.statistics) == len(empty.statistics) == {mean: 2, micro_f1: 3}[aggregate]
        for words in metric.words.values():
            assert len(words[measure].statistics) in (0, len(same.statistics))


def test_opening_a_metric_loads_no_model(monkeypatch):
    def loaded(*_, **__):
        raise AssertionError("a model is loaded")

    monkeypatch.setattr("laudo.metrics.bertscore.Encoder", loaded)
    for metric in METRICS:
        opened(metric)
    bertscore = next(metric for metric in METRICS if metric.settings)
    with pytest.raises(AssertionError, match="a model is loaded"):
        _ = opened(bertscore).signature


def test_bertscore_uses_the_model_and_layer_of_its_section():
    bertscore = next(metric for metric in METRICS if metric.name == "bertscore_en")
    name, *rest = opened(bertscore).signature.split("|")
    assert name == "bertscore" and "model:encoder-pt" in rest and "layer:1" in rest
    identity = bertscore.identity(bertscore.settings.model_validate(LAYER_1))
    other = bertscore.identity(bertscore.settings.model_validate({**LAYER_1, "layer": 2}))
    assert identity["model"].startswith("encoder-pt:") and {**identity, "layer": 2} == other


def test_bertscore_loads_its_encoder_once(monkeypatch):
    loaded = []
    monkeypatch.setattr(
        "laudo.metrics.bertscore.Encoder", lambda *a, **k: loaded.append(a) or Encoder(*a, **k)
    )
    scorer = opened(METRICS[1])
    pair = ScoredPair(1, Text("Derrame."), Text("Derrame pleural."))
    assert scorer.score([pair]) == scorer.score([pair]) and scorer.signature
    assert len(loaded) == 1


# --- label F1 ------------------------------------------------------------------------------------------


def test_label_f1_counts_present_and_uncertain_and_not_what_is_denied():
    # By hand. Reference: Pleural Effusion, Edema (uncertain); report: Edema, Fracture, no effusion.
    candidate = text("Edema pulmonar. Fratura de costela. Sem derrame pleural.")
    reference = text("There is a left pleural effusion. Possible edema.", lang="en")
    rows = label_rows(candidate, reference)
    assert list(rows) == ["", *LABELS]
    assert rows[""] == Score(7, "label_f1", "", 0.5, (1, 1, 1), "")
    assert rows["Edema"] == Score(7, "label_f1", "Edema", 1.0, (1, 0, 0), "")
    assert rows["Fracture"] == Score(7, "label_f1", "Fracture", 0.0, (0, 1, 0), "")
    assert rows["Pleural Effusion"] == Score(7, "label_f1", "Pleural Effusion", 0.0, (0, 0, 1), "")
    assert rows["Pneumonia"] == Score(7, "label_f1", "Pneumonia", None, (0, 0, 0), "no label in either text")


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_report_has_no_label_and_misses_those_of_the_reference(empty):
    """Read as a text it would state No Finding, and be right about every normal study."""
    rows = label_rows(text(empty), text("Normal chest.", lang="en"))
    assert rows[""] == Score(7, "label_f1", "", 0.0, (0, 0, 1), "empty candidate")
    assert rows["No Finding"] == Score(7, "label_f1", "No Finding", 0.0, (0, 0, 1), "empty candidate")
    assert rows["Edema"].why == "no label in either text"


def test_without_a_reference_no_label_is_scored():
    rows = label_rows(text("Derrame pleural."), None)
    assert list(rows) == ["", *LABELS]
    assert {row[3:] for row in rows.values()} == {(None, None, "no reference")}


def test_the_signature_of_label_f1_names_the_lexicon_and_the_version():
    name, *rest = LabelF1().open(None, batch_size=1).signature.split("|")
    assert name == "label_f1"
    assert f"lexicon:{findings.lexicon_digest()}" in rest and rest[-1] == f"version:{laudo.__version__}"
