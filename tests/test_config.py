"""Experiments: what may be said in one, and what the reader is told who says something else."""

import re
import tomllib
from pathlib import Path

import pytest

import laudo.experiment
from conftest import TINY
from laudo.engines import messages
from laudo.errors import ExperimentError, InputError
from laudo.experiment import Experiment, Prepare, load, shipped
from laudo.metrics import METRICS


def written(folder, text=TINY):
    path = folder / "experiment.toml"
    path.write_text(text, "utf-8")
    return str(path)


def refusal(folder, old, new):
    """The error of the tiny experiment with `old` replaced."""
    assert old in TINY
    with pytest.raises(ExperimentError) as caught:
        load(written(folder, TINY.replace(old, new)))
    return caught.value


# --- what is right ------------------------------------------------------------------------------------------


def test_every_shipped_experiment_loads_and_has_the_name_of_its_file():
    folder = Path(laudo.experiment.__path__[0]) / "shipped"
    assert shipped() == sorted(path.stem for path in folder.iterdir()) == ["default", "demo", "paper"]
    assert [load(name).name for name in shipped()] == shipped()


def test_the_models_of_the_demo_are_in_the_package():
    e = load("demo")
    for settings in (e.translate, e.reporter, e.evaluate.bertscore_pt, e.evaluate.bertscore_en):
        assert settings.model.startswith("phantom:")


def test_the_defaults_are_the_study_s():
    """Prompts and hyperparameters as the study gives them (LoRA r = alpha = 16, dropout 0.05, 896 px, 2 images)."""
    e = Experiment.model_validate(tomllib.loads(TINY))
    assert (e.train.r, e.train.alpha, e.train.dropout) == (16, 16, 0.05)
    assert e.prepare.max_images == 2
    assert Prepare().size_px == 896
    assert e.train.prompt == "Dê o diagnóstico das imagens apresentadas"


def test_the_paper_tunes_and_asks_one_model_and_default_tunes_its_language_alone():
    """The study's models, sizes and hyperparameters; what `default` departs in stands in its file."""
    paper, default = load("paper"), load("default")
    assert paper.reporter.model == default.reporter.model == "google/medgemma-4b-it"
    assert paper.translate.model == default.translate.model == "google/medgemma-27b-text-it"
    assert (paper.prepare.train, paper.prepare.validate_, paper.prepare.test) == (960, 473, 965)
    assert (paper.reporter.geometry, default.reporter.geometry) == ("squash", "pad")
    assert (paper.train.targets, default.train.targets) == ("all-linear", "language")
    assert (paper.evaluate.bertscore_pt.layer, default.evaluate.bertscore_pt.layer) == (12, 9)


def test_a_page_is_in_portuguese_unless_it_is_asked_in_english(tiny):
    assert Experiment.model_validate(tiny).report.language == "pt"
    tiny["report"]["language"] = "en"
    assert Experiment.model_validate(tiny).report.language == "en"


def test_an_experiment_is_tuned_where_an_arm_has_the_adapter(tiny):
    assert Experiment.model_validate(tiny).is_tuned
    tiny["arms"] = {"zero_shot": {}, "few_shot": {"exemplars": 1}}
    assert not Experiment.model_validate(tiny).is_tuned


def test_each_metric_finds_its_own_settings(tiny):
    evaluate = Experiment.model_validate(tiny).evaluate
    models = {metric.name: getattr(evaluate.of_metric(metric), "model", None) for metric in METRICS}
    assert models == {
        "label_f1": None,
        "bertscore_pt": "phantom:encoder-pt",
        "bertscore_en": "phantom:encoder-multilingual",
    }


def test_a_tuned_arm_is_asked_as_it_was_trained_unless_it_says_otherwise(tiny):
    tiny["train"]["prompt"] = "Descreva."
    tiny["arms"] = {"plain": {}, "tuned": {"adapter": True}, "own": {"adapter": True, "prompt": "Diga."}}
    e = Experiment.model_validate(tiny)
    assert [e.prompt_of(arm) for arm in e.arms] == [messages.REPORT, "Descreva.", "Diga."]


def test_settings_cannot_be_changed_afterwards(tiny):
    with pytest.raises(Exception, match="frozen"):
        Experiment.model_validate(tiny).prepare.seed = 1


# --- what is wrong ------------------------------------------------------------------------------------------

UNKNOWN = {
    "[translate]": (
        "[translate]\nmax_new_token = 3",
        "translate.max_new_token: no such setting, did you mean 'max_new_tokens'?",
    ),
    "[arms.lora]": (
        "[arms.lora]\nexemplar = [1]",
        "arms.lora.exemplar: no such setting, did you mean 'exemplars'?",
    ),
    "[mimic.phantom]": (
        "[mimic.phantom]\nstudy = 3",
        "mimic.phantom.study: no such setting, did you mean 'studies'?",
    ),
    "[evaluate.bertscore_pt]": (
        "[evaluate.bertscore_pt]\nlayers = 3",
        "evaluate.bertscore_pt.layers: no such setting, did you mean 'layer'?",
    ),
    "[reporter]": (
        '[reporter]\ngeometri = "pad"',
        "reporter.geometri: no such setting, did you mean 'geometry'?",
    ),
    "[prepare]": (
        "[prepare]\nvalidation = 3",
        "prepare.validation: no such setting, did you mean 'validate'?",
    ),
    "[report]": ("[reports]", "reports: no such setting, did you mean 'report'?"),
    'name = "tiny"': ('name = "tiny"\nzzz = 1', "zzz: no such setting"),
}


@pytest.mark.parametrize("old", UNKNOWN)
def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path, old):
    new, message = UNKNOWN[old]
    assert refusal(tmp_path, old, new).what == message


MOVED = {
    '[train]\nmodel = "a/b"': "train.model: is now reporter.model",
    '[train]\nrevision = "main"': "train.revision: is now reporter.revision",
    "[train]\nload_in_4bit = true": "train.load_in_4bit: is now reporter.load_in_4bit",
    '[generate]\nmodel = "a/b"': "generate.model: is now reporter.model",
    '[generate]\nrevision = "main"': "generate.revision: is now reporter.revision",
    "[generate]\nload_in_4bit = true": "generate.load_in_4bit: is now reporter.load_in_4bit",
    '[generate]\ngeometry = "pad"': "generate.geometry: is now reporter.geometry",
}


@pytest.mark.parametrize("new", MOVED)
def test_a_setting_that_has_moved_is_answered_with_its_new_place(tmp_path, new):
    old = new.partition("\n")[0]
    assert refusal(tmp_path, old, new).what == MOVED[new]


def test_an_experiment_of_the_time_before_the_move_is_told_of_both_models_and_of_the_new_section(tmp_path):
    text = TINY.replace('[reporter]\nmodel = "phantom:reporter"\n', "")
    for section in ("[train]", "[generate]"):
        text = text.replace(section, f'{section}\nmodel = "phantom:reporter"')
    with pytest.raises(ExperimentError) as caught:
        load(written(tmp_path, text))
    assert sorted(caught.value.what.split("; ")) == [
        "generate.model: is now reporter.model",
        "reporter: Field required",
        "train.model: is now reporter.model",
    ]


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    text = (
        TINY.replace("[arms.lora]", "[arms.lora]\npictures = 'own ones'")
        .replace("layer = 2", "layer = 0")
        .replace("size_px", "size_in_px")
    )
    with pytest.raises(ExperimentError) as caught:
        load(written(tmp_path, text))
    wrong = [line.split(":")[0] for line in caught.value.what.split("; ")]
    assert sorted(wrong) == [
        "arms.lora.pictures",
        "evaluate.bertscore_en.layer",
        "evaluate.bertscore_pt.layer",
        "prepare.size_in_px",
    ]
    assert caught.value.where == str(tmp_path / "experiment.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "tiny"', "", "name: Field required"),
        ('name = "tiny"', 'name = "../up"', "name: String should match pattern"),
        ('name = "tiny"', 'name = ".."', "name: String should match pattern"),
        ("epochs = 1", 'epochs = "many"', "train.epochs: Input should be a valid number"),
        ("studies = 14", "studies = 0", "mimic.phantom.studies: Input should be greater than 0"),
        ("studies = 14", "studies = 14\nproportions = [0, 0, 0]", "proportions: three shares"),
        ("epochs = 1", "epochs = 0", "train.epochs: Input should be greater than 0"),
        (
            "[reporter]",
            '[reporter]\ngeometry = "crop"',
            "reporter.geometry: Input should be 'pad' or 'squash'",
        ),
        ("examples = 2", 'language = "de"', "report.language: Input should be 'en' or 'pt'"),
        ("[arms.zero_shot]", '[arms."zero shot"]', "arm 'zero shot': letters, digits and _ only"),
        ("[arms.zero_shot]", "[arms.pt]", "arm 'pt': en and pt are the references"),
    ],
)
def test_a_value_that_may_not_be_is_named_by_its_key(tmp_path, old, new, message):
    assert message in refusal(tmp_path, old, new).what


def test_an_experiment_without_arms_is_refused(tmp_path):
    text = re.sub(r"\[arms[^\[]*", "", TINY) + "\n[arms]\n"
    with pytest.raises(ExperimentError, match="at least one arm"):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_answered_with_what_is():
    with pytest.raises(ExperimentError, match="there is no experiment 'nowhere") as caught:
        load("nowhere.toml")
    assert "demo" in caught.value.fix


@pytest.mark.parametrize("content", [b"name = ", b"\x89PNG\r\n\x1a\n\xff\xfe", b"name: tiny\n"])
def test_what_is_not_toml_is_called_so(tmp_path, content):
    (tmp_path / "picture.toml").write_bytes(content)
    with pytest.raises(ExperimentError, match="this is not TOML"):
        load(str(tmp_path / "picture.toml"))


def test_a_byte_order_mark_is_no_part_of_an_experiment(tmp_path):
    """Notepad writes one at the start of a file that is saved as UTF-8 with BOM."""
    (tmp_path / "notepad.toml").write_bytes(b"\xef\xbb\xbf" + TINY.replace("\n", "\r\n").encode())
    assert load(str(tmp_path / "notepad.toml")) == load(written(tmp_path))


# --- where the corpus is ------------------------------------------------------------------------------------


def root_of(tiny, **mimic):
    return Experiment.model_validate({**tiny, "mimic": mimic}).corpus_root(Path("runs/tiny"))


def test_the_corpus_is_the_phantom_the_named_folder_or_laudo_mimic(tiny, monkeypatch):
    monkeypatch.setenv("LAUDO_MIMIC", "/data/mimic")
    assert root_of(tiny) == Path("/data/mimic")
    assert root_of(tiny, root="~/cxr") == Path.home() / "cxr"
    assert root_of(tiny, phantom={"studies": 3}) == Path("runs/tiny/phantom/mimic")


def reports_of(tiny, **mimic):
    return Experiment.model_validate({**tiny, "mimic": mimic}).reports_root()


def test_the_reports_are_where_the_experiment_or_laudo_reports_says_and_a_phantom_has_its_own(
    tiny, monkeypatch
):
    monkeypatch.setenv("LAUDO_REPORTS", "~/cxr/mimic-cxr-reports.zip")
    assert reports_of(tiny, root="/jpg") == Path.home() / "cxr/mimic-cxr-reports.zip"
    assert reports_of(tiny, root="/jpg", reports="/data/reports") == Path("/data/reports")
    assert reports_of(tiny, phantom={"studies": 3}) is None
    monkeypatch.setenv("LAUDO_REPORTS", "")
    assert reports_of(tiny, root="/jpg") is None


def test_no_corpus_at_all_is_one_message_with_both_ways_out(tiny, monkeypatch):
    monkeypatch.delenv("LAUDO_MIMIC", raising=False)
    with pytest.raises(InputError, match="no MIMIC-CXR folder is named") as caught:
        root_of(tiny)
    assert "[mimic] root" in caught.value.fix and "LAUDO_MIMIC" in caught.value.fix


def test_an_experiment_on_texts_alone_can_write_no_report(tiny):
    tiny["prepare"]["images"] = "none"
    with pytest.raises(ExperimentError, match="text alone") as caught:
        Experiment.model_validate(tiny).require_images()
    assert caught.value.fix == 'set [prepare] images = "keep"'
