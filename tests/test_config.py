"""Experiments: what may be said in one, and what the reader is told who says something else."""

import re
import tomllib
from pathlib import Path

import pytest

import laudo.experiments
from conftest import TINY
from laudo import config, prompts
from laudo.config import Experiment, load, shipped
from laudo.errors import ExperimentError, InputError


def written(folder, text=TINY):
    path = folder / "experiment.toml"
    path.write_text(text, "utf-8")
    return str(path)


def refusal(folder, old, new):
    """What is said of the tiny experiment with `old` replaced."""
    assert old in TINY
    with pytest.raises(ExperimentError) as caught:
        load(written(folder, TINY.replace(old, new)))
    return caught.value


# --- what is right -------------------------------------------------------------------------------------------


def test_every_shipped_experiment_loads():
    on_disk = sorted(path.stem for path in Path(laudo.experiments.__path__[0]).glob("*.toml"))
    assert shipped() == on_disk
    names = [load(name).name for name in on_disk]
    assert "demo" in names and len(names) == len(set(names)) >= 1


def test_the_models_of_the_demo_are_in_the_package():
    e = load("demo")
    for settings in (e.translate, e.train, e.generate, e.evaluate.bertscore_pt, e.evaluate.bertscore_en):
        assert settings.model.startswith("phantom:")


def test_the_defaults_are_the_study_s():
    """Prompts and hyperparameters as the study gives them (LoRA r = alpha = 16, dropout 0.05, 896 px, 2 images)."""
    e = Experiment.model_validate(tomllib.loads(TINY))
    assert (e.train.r, e.train.alpha, e.train.dropout) == (16, 16, 0.05)
    assert e.prepare.max_images == 2
    assert config.Prepare().size_px == 896
    assert e.train.prompt == "Dê o diagnóstico das imagens apresentadas"


def test_a_tuned_arm_is_asked_as_it_was_trained_unless_it_says_otherwise(tiny):
    tiny["train"]["prompt"] = "Descreva."
    tiny["arms"] = {"plain": {}, "tuned": {"adapter": True}, "own": {"adapter": True, "prompt": "Diga."}}
    e = Experiment.model_validate(tiny)
    assert [e.prompt_of(arm) for arm in e.arms] == [prompts.REPORT, "Descreva.", "Diga."]


def test_settings_cannot_be_changed_afterwards(tiny):
    with pytest.raises(Exception, match="frozen"):
        Experiment.model_validate(tiny).prepare.seed = 1


# --- what is wrong -------------------------------------------------------------------------------------------

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
    "[prepare]": (
        "[prepare]\nvalidation = 3",
        "prepare.validation: no such setting, did you mean 'validate'?",
    ),
    "[report]": ("[reports]", "reports: no such setting, did you mean 'report'?"),
    'name = "tiny"': ('name = "tiny"\nzzz = 1', "zzz: no such setting"),
}


@pytest.mark.parametrize("old", UNKNOWN)
def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path, old):
    new, said = UNKNOWN[old]
    assert refusal(tmp_path, old, new).what == said


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
    ("old", "new", "said"),
    [
        ('name = "tiny"', "", "name: Field required"),
        ('name = "tiny"', 'name = "../up"', "name: String should match pattern"),
        ("epochs = 1", 'epochs = "many"', "train.epochs: Input should be a valid number"),
        ("studies = 14", "studies = 0", "mimic.phantom.studies: Input should be greater than 0"),
        ("studies = 14", "studies = 14\nproportions = [0, 0, 0]", "proportions: three shares"),
        ("epochs = 1", "epochs = 0", "train.epochs: Input should be greater than 0"),
        ('[generate]\nmodel = "phantom:reporter"', '[generate]\nmodel = "a/b"', "name one model in both"),
        ("[arms.zero_shot]", '[arms."zero shot"]', "arm 'zero shot': letters, digits and _ only"),
        ("[arms.zero_shot]", "[arms.pt]", "arm 'pt': en and pt are the references"),
    ],
)
def test_a_value_that_may_not_be_is_named_by_its_key(tmp_path, old, new, said):
    assert said in refusal(tmp_path, old, new).what


def test_an_experiment_without_arms_is_refused(tmp_path):
    text = re.sub(r"\[arms[^\[]*", "", TINY) + "\n[arms]\n"
    with pytest.raises(ExperimentError, match="at least one arm"):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_answered_with_what_is():
    with pytest.raises(ExperimentError, match="there is no experiment 'nowhere") as caught:
        load("nowhere.toml")
    assert "demo" in caught.value.mend


@pytest.mark.parametrize("content", [b"name = ", b"\x89PNG\r\n\x1a\n\xff\xfe", b"name: tiny\n"])
def test_what_is_not_toml_is_called_so(tmp_path, content):
    (tmp_path / "picture.toml").write_bytes(content)
    with pytest.raises(ExperimentError, match="this is not TOML"):
        load(str(tmp_path / "picture.toml"))


# --- where the corpus is -------------------------------------------------------------------------------------


def root_of(tiny, **mimic):
    return Experiment.model_validate({**tiny, "mimic": mimic}).corpus_root(Path("runs/tiny"))


def test_the_corpus_is_the_phantom_the_named_folder_or_laudo_mimic(tiny, monkeypatch):
    monkeypatch.setenv("LAUDO_MIMIC", "/data/mimic")
    assert root_of(tiny) == Path("/data/mimic")
    assert root_of(tiny, root="~/cxr") == Path.home() / "cxr"
    assert root_of(tiny, phantom={"studies": 3}) == Path("runs/tiny/phantom/mimic")


def test_no_corpus_at_all_is_one_message_with_both_ways_out(tiny, monkeypatch):
    monkeypatch.delenv("LAUDO_MIMIC", raising=False)
    with pytest.raises(InputError, match="no MIMIC-CXR folder is named") as caught:
        root_of(tiny)
    assert "[mimic] root" in caught.value.mend and "LAUDO_MIMIC" in caught.value.mend
