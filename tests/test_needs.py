"""What a run lacks is said before it begins: all of it at once, each with its fix, on small real models."""

import json
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from conftest import finished
from laudo import phantom
from laudo.errors import LaudoError
from laudo.experiment import Experiment, needs, plan
from laudo.store import is_done

STAGES = ("prepare", "translate", "check", "train", "generate", "evaluate", "report")


def planned(tiny, run, changes):
    """The plan of the tiny experiment with settings changed, each by its dotted name."""
    for name, value in changes.items():
        section = tiny
        *places, last = name.split(".")
        for place in places:
            section = section.setdefault(place, {})
        section[last] = value
    return plan(Experiment.model_validate(tiny), run)


def lacking(looked_at, *verbs):
    """The message on what is lacking; empty if nothing is."""
    try:
        needs.require(looked_at, *(verbs or STAGES))
    except LaudoError as error:
        return str(error)
    return ""


@pytest.fixture
def model(tmp_path):
    """Copies a small model to a folder, which a test then damages."""

    def copied(name):
        source = Path(str(files(phantom) / "models" / name))
        return Path(shutil.copytree(source, tmp_path / "models" / name))

    return copied


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


# --- nothing is lacking -------------------------------------------------------------------------------------


def test_a_run_on_the_phantom_lacks_nothing(tiny, tmp_path):
    assert lacking(planned(tiny, tmp_path / "run", {})) == ""


def test_what_is_finished_needs_nothing(tiny, tmp_path):
    """And a score is made by its own encoder alone: the other one may be gone."""
    finished(planned(tiny, tmp_path / "run", {"translate.model": "nobody/translator"}))
    changes = {"evaluate.bertscore_pt.layer": 99, "evaluate.bertscore_pt.model": "nobody/encoder"}
    message = lacking(planned(tiny, tmp_path / "run", changes))
    assert "nobody/encoder" in message and "[evaluate.bertscore_pt]" in message
    assert "translator" not in message and "bertscore_en" not in message
    finished(planned(tiny, tmp_path / "run", {}))
    assert lacking(planned(tiny, tmp_path / "run", {})) == ""


def test_a_stage_looks_at_its_own_needs_alone(tiny, tmp_path):
    looked_at = planned(
        tiny, tmp_path / "run", {"translate.model": "nobody/translator", "reporter.model": "/nowhere"}
    )
    assert (
        lacking(looked_at, "prepare") == lacking(looked_at, "check") == lacking(looked_at, "evaluate") == ""
    )
    assert "nobody/translator" in lacking(looked_at, "translate")
    assert "'/nowhere'" in lacking(looked_at, "train") == lacking(looked_at, "generate")


# --- models -------------------------------------------------------------------------------------------------


def test_all_that_is_lacking_is_one_message_with_a_fix_for_each(tiny, tmp_path):
    changes = {
        "mimic": {"root": str(tmp_path / "nowhere")},
        "prepare.test": 0,
        "translate.model": "nobody/translator",
        "translate.revision": "v1",
        "reporter.model": "./nobody",
        "evaluate.bertscore_pt.model": "nobody/encoder",
        "evaluate.bertscore_en.layer": 9,
    }
    message = lacking(planned(tiny, tmp_path / "run", changes))
    assert message.startswith("6 things are lacking, and nothing was begun\n1. ")
    assert len(re.findall(r"^\d\. ", message, re.M)) == message.count("  fix: ") == 6
    for words in (
        f"  in: {tmp_path / 'nowhere'}\n  fix: set [mimic] root",
        "test = 0",
        "'nobody/translator' is not on this machine\n  in: [translate]\n"
        "  fix: hf download nobody/translator --revision v1 (if it is gated, accept its terms at ",
        "there is no model './nobody'\n  in: [reporter]",
        "'nobody/encoder' is not on this machine\n  in: [evaluate.bertscore_pt]",
        "has 2 layers, and layer 9 is asked for\n  in: [evaluate.bertscore_en]\n  fix: set layer to one from 1 to 2",
    ):
        assert words in message


@pytest.mark.parametrize(("section", "name"), [("translate", "translator"), ("reporter", "reporter")])
def test_a_base_model_has_no_chat_template(tiny, tmp_path, model, section, name):
    (model(name) / "chat_template.jinja").unlink()
    folder = str(tmp_path / "models" / name)
    message = lacking(planned(tiny, tmp_path / "run", {f"{section}.model": folder}))
    assert f"'{folder}' has no chat template" in message and f"in: [{section}]" in message
    assert "ends in -it" in message


def test_a_chat_template_that_takes_plain_text_alone_is_no_use(tiny, tmp_path, model):
    """Llama 2's, for example, adds the content of a turn to a string."""
    (model("translator") / "chat_template.jinja").write_text("{{ '<s>' + messages[0]['content'] }}")
    message = lacking(
        planned(tiny, tmp_path / "run", {"translate.model": str(tmp_path / "models/translator")})
    )
    assert "takes no such question" in message


def test_a_model_of_text_writes_no_reports(tiny, tmp_path):
    message = lacking(planned(tiny, tmp_path / "run", {"reporter.model": "phantom:translator"}))
    assert "takes no images" in message and "google/medgemma-4b-it" in message
    assert lacking(planned(tiny, tmp_path / "run", {"reporter.model": "phantom:reporter"})) == ""


def test_a_model_that_takes_images_may_translate(tiny, tmp_path):
    assert lacking(planned(tiny, tmp_path / "run", {"translate.model": "phantom:reporter"})) == ""


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def sharded(file):
    """The weights in two files by their index, of which one was not fetched."""
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (file.parent / "model.safetensors.index.json").write_text(json.dumps(index))
    file.rename(file.parent / "model-00001-of-00002.safetensors")


@pytest.mark.parametrize(
    ("name", "damage", "file", "words"),
    [
        ("translator", Path.unlink, "model.safetensors", "it has no weights"),
        ("reporter", cut, "model.safetensors", "model.safetensors is damaged or cut short"),
        (
            "translator",
            sharded,
            "model.safetensors",
            "1 of 2 files of its weights are absent, such as model-00002",
        ),
        # A file of git-lfs, as git without it leaves it.
        (
            "encoder-pt",
            lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\n"),
            "model.safetensors",
            "damaged or cut short",
        ),
        ("encoder-pt", Path.unlink, "tokenizer.json", "it has no tokenizer"),
        ("reporter", Path.unlink, "processor_config.json", "image processor"),
        ("reporter", lambda file: file.write_text("{"), "config.json", "cannot be loaded"),
        (
            "translator",
            lambda file: change_config(file.parent, model_type="gemma99"),
            "config.json",
            "pip install -U transformers",
        ),
        (
            "encoder-pt",
            lambda file: change_config(file.parent, model_type="roberta"),
            "config.json",
            "BERTScore takes bert or xlm-roberta models",
        ),
    ],
)
def test_a_model_that_is_not_whole(tiny, tmp_path, model, name, damage, file, words):
    folder = model(name)
    damage(folder / file)
    section = {"translator": "translate", "reporter": "reporter", "encoder-pt": "evaluate.bertscore_pt"}[name]
    message = lacking(planned(tiny, tmp_path / "run", {f"{section}.model": str(folder)}))
    assert words in message and f"in: [{section}]" in message and "1. " not in message


def test_a_model_of_a_hub_is_looked_at_where_the_hub_s_library_keeps_it(tiny, tmp_path, model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    kept = tmp_path / "hub" / "models--owner--name"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("a" * 40)
    snapshot = Path(shutil.copytree(model("translator"), kept / "snapshots" / ("a" * 40)))
    looked_at = planned(tiny, tmp_path / "run", {"translate.model": "owner/name"})
    assert lacking(looked_at) == ""
    (snapshot / "chat_template.jinja").unlink()
    assert "'owner/name' has no chat template" in lacking(looked_at)
    (snapshot / "model.safetensors").unlink()  # a download that was ended
    assert "fix: hf download owner/name" in lacking(looked_at)


def test_a_model_that_may_be_fetched_lacks_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert lacking(planned(tiny, tmp_path / "run", {"translate.model": "nobody/translator"})) == ""


def test_four_bits_need_bitsandbytes(tiny, tmp_path, monkeypatch):
    looked_at = planned(tiny, tmp_path / "run", {"translate.load_in_4bit": True})
    assert lacking(looked_at) == ""
    hidden = [path for path in sys.path if not (Path(path) / "bitsandbytes").exists()]
    monkeypatch.setattr(sys, "path", hidden)
    assert "bitsandbytes is not installed\n  in: [translate]" in lacking(looked_at, "translate")


# --- corpus, studies, disk ----------------------------------------------------------------------------------


def test_a_table_that_the_settings_need_is_looked_for(tiny, tmp_path, phantom_copy):
    (phantom_copy / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    changes = {"mimic": {"root": str(phantom_copy)}, "prepare.subset": "balanced"}
    assert "needs mimic-cxr-2.0.0-chexpert.csv.gz" in lacking(planned(tiny, tmp_path / "run", changes))


def test_text_alone_is_refused_where_reports_are_to_be_written(tiny, tmp_path):
    looked_at = planned(tiny, tmp_path / "run", {"prepare.images": "none"})
    assert 'set [prepare] images = "keep"' in lacking(looked_at)
    assert lacking(looked_at, "prepare", "translate", "check") == ""


def test_the_room_on_the_disk_is_estimated(tiny, tmp_path, phantom_tree):
    """By hand: 12 studies of at most two images, at 10^6 px each 0.24 x 10^12 bytes; a part is less."""
    changes = {"mimic": {"root": str(phantom_tree / "mimic")}, "prepare.size_px": 10**6}
    message = lacking(planned(tiny, tmp_path / "run", changes))
    needed = float(re.search(r"needs about kept images ([\d,.]+), ", message)[1].replace(",", ""))
    assert 12 * 240 <= needed <= 24 * 240 and "--runs" in message
    changes = {"prepare.train": 1, "prepare.validate": 1, "prepare.test": 1}
    message = lacking(planned(tiny, tmp_path / "run", changes))
    assert "kept images 1,440.0" in message


def test_a_table_of_splits_that_cannot_be_read_is_left_to_prepare(tiny, tmp_path, phantom_copy):
    """A field of more characters than Python's csv takes (131,072)."""
    (phantom_copy / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    (phantom_copy / "mimic-cxr-2.0.0-split.csv").write_text("study_id\n" + "x" * 200_000, "utf-8")
    assert lacking(planned(tiny, tmp_path / "run", {"mimic": {"root": str(phantom_copy)}})) == ""


def test_the_adapter_needs_room_too(tiny, tmp_path):
    assert "checkpoints of the training" in lacking(planned(tiny, tmp_path / "run", {"train.r": 10**9}))


def test_a_look_changes_nothing_on_the_disk(tiny, tmp_path):
    looked_at = planned(tiny, tmp_path / "run", {})
    needs.require(looked_at, *STAGES)
    assert not (tmp_path / "run").exists() and not is_done(looked_at.texts)
