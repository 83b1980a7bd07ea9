"""What every engine keeps to, on the small models: images by reference, a seed, quiet libraries."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from PIL import Image

from laudo import engines
from laudo.engines import Sampling, loading, messages, models
from laudo.engines.fake import FakeEngine
from laudo.engines.in_process import encode, render
from laudo.engines.settings import Model
from laudo.images import for_model

REPORTER = Model(model="phantom:reporter")


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """The path of a grey gradient, higher than wide."""
    path = tmp_path_factory.mktemp("pictures") / "film.png"
    Image.fromarray(np.add.outer(np.arange(48), 4 * np.arange(40)).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def reporter():
    return engines.open_engine(REPORTER, batch_size=2)


def chat(picture, **options):
    image = messages.image(picture, size_px=48, geometry="pad")
    return messages.report([image], prompt=messages.REPORT, **options)


# --- messages -----------------------------------------------------------------------------------------------


def test_messages_are_json_and_images_stand_before_the_text(picture):
    asked = chat(picture, prior="Clear.", exemplars=["Normal."])
    assert json.loads(json.dumps(asked)) == asked
    image, text = asked[0]["content"]
    assert image == {"type": "image", "path": str(picture), "size_px": 48, "geometry": "pad"}
    expected = [messages.REPORT, f"{messages.PRIOR}\nClear.", f"{messages.EXEMPLAR}\nNormal."]
    assert text == {"type": "text", "text": "\n\n".join(expected)}


def test_a_study_s_images_are_found_from_anywhere(tmp_path, monkeypatch):
    """The paths in its row are relative to the run's folder, which may be relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    rows = [{"dicom_id": "a", "view": "PA", "path": "images/a.jpg"}]
    references = messages.study_images(rows, run=messages.Path("runs/demo"), size_px=48, geometry="squash")
    assert [reference["path"] for reference in references] == [str(tmp_path / "runs/demo/images/a.jpg")]


def test_the_model_sees_the_picture_that_the_reference_names(reporter, picture):
    """`laudo.images.for_model` is what the model shall see; the processor alone comes after it."""
    for geometry in ("pad", "squash"):
        image = messages.image(picture, size_px=48, geometry=geometry)
        asked = messages.report([image], prompt=messages.REPORT)
        expected = reporter.processor(
            text=[render(reporter.processor, asked)],
            images=[[for_model(picture, size_px=48, geometry=geometry)]],
            return_tensors="pt",
        )
        assert encode(reporter.processor, [asked])["pixel_values"].equal(expected["pixel_values"])


@pytest.mark.parametrize("module", ["laudo.engines", "laudo.engines.messages", "laudo.engines.fake"])
def test_nothing_heavy_is_loaded_before_an_engine_is_opened(module):
    program = f"import os, sys; before = dict(os.environ); import {module}; print(*sys.modules)"
    program += "; assert dict(os.environ) == before"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert "laudo" in names
    assert not names & {"torch", "transformers", "peft", "PIL", "numpy", "pyarrow"}


# --- sampling -----------------------------------------------------------------------------------------------


def texts(reporter, picture, **sampling) -> list[str]:
    replies = reporter.reply([chat(picture)] * 3, sampling=Sampling(max_new_tokens=20, **sampling))
    return [reply.text for reply in replies]


def test_greedy_replies_are_the_default_and_always_the_same(reporter, picture):
    first, *others = texts(reporter, picture)
    assert first and others == [first, first]
    assert texts(reporter, picture) == [first] * 3


def test_the_same_seed_gives_the_same_text_and_another_seed_another(reporter, picture):
    drawn = texts(reporter, picture, temperature=1.5, seed=1)
    assert drawn == texts(reporter, picture, temperature=1.5, seed=1)
    assert drawn != texts(reporter, picture, temperature=1.5, seed=2)
    assert len(set(drawn)) == 3, "the chats of a batch are drawn for each by itself"


def test_a_seed_leaves_the_process_its_own_random_numbers(reporter, picture):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    texts(reporter, picture, temperature=1.0, seed=1)
    assert torch.rand(3).equal(expected)


# --- engines ------------------------------------------------------------------------------------------------


def test_the_identity_of_a_model_is_known_without_opening_it(tmp_path):
    copy = tmp_path / "reporter"
    shutil.copytree(models.folder(REPORTER.model), copy)
    of_copy = engines.identity(Model(model=str(copy)))
    assert of_copy == engines.identity(REPORTER), "where the files are does not matter"
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert engines.identity(Model(model=str(copy))) != of_copy, "one bit of the weights does"


@pytest.mark.parametrize(("revision", "expected"), [(None, "owner/name@main"), ("v2", "owner/name@v2")])
def test_the_identity_of_a_hub_id_names_its_revision(revision, expected):
    assert engines.identity(Model(model="owner/name", revision=revision)) == expected


def test_the_fake_engine_keeps_to_the_limit_and_remembers():
    engine = FakeEngine(lambda chat: "um dois três")
    asked = messages.translation("Clear.", prompt="Traduza.")
    (reply,) = engine.reply([asked], sampling=Sampling(2))
    assert (reply.text, reply.stop, reply.new_tokens) == ("um dois", "length", 2)
    (reply,) = engine.reply([asked], sampling=Sampling(3))
    assert (reply.text, reply.stop, reply.new_tokens) == ("um dois três", "end", 3)
    assert engine.chats == [asked, asked]


def test_the_libraries_settings_end_with_the_block(monkeypatch):
    from huggingface_hub import constants
    from transformers.utils import logging as transformers_logging

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    transformers_logging.enable_progress_bar()
    with loading.library_settings():
        assert constants.is_offline_mode()
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        assert os.environ["TOKENIZERS_PARALLELISM"] == "true", "what the user sets stays"
        assert not transformers_logging.is_progress_bar_enabled()
    assert not constants.is_offline_mode()
    assert "HF_HUB_OFFLINE" not in os.environ
    assert transformers_logging.is_progress_bar_enabled()


# As on a CPU with avx512_bf16, where bitsandbytes looks for a kernel and reports that it is not installed.
WITH_BF16 = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "bitsandbytes.backends.cpu.ops":
            import bitsandbytes.functional
            bitsandbytes.functional.has_avx512bf16 = lambda: True
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    ("first", "is_quiet"), [("import bitsandbytes", False), ("import laudo.train", True)]
)
def test_the_first_import_of_the_libraries_is_quiet(first, is_quiet):
    program = f"{WITH_BF16}{first}; assert 'bitsandbytes.backends.cpu.ops' in sys.modules"
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ("Failed to load CPU gemm_4bit_forward" not in ended.stderr) == is_quiet
    assert not is_quiet or not ended.stderr


def test_checkpoints_of_one_second_are_rotated_without_a_word(tmp_path):
    """A small model writes several within a second: the library orders them by their numbers, and says so."""
    import logging

    from transformers import trainer_utils
    from transformers.utils.logging import warning_once

    lines = []
    handler = logging.Handler()
    handler.emit = lines.append
    trainer_utils.logger.addHandler(handler)
    try:
        for settings, said in ((nullcontext(), 1), (loading.library_settings(), 0)):
            for step in (2, 4, 6):
                (tmp_path / f"checkpoint-{step}").mkdir(exist_ok=True)
            warning_once.cache_clear()
            lines.clear()
            with settings:
                trainer_utils.rotate_checkpoints(str(tmp_path), save_total_limit=2, use_mtime=True)
            assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-4", "checkpoint-6"]
            assert len(lines) == said
    finally:
        trainer_utils.logger.removeHandler(handler)


@pytest.mark.parametrize(
    ("value", "expected"), [(None, True), ("1", True), ("", True), ("0", False), ("false", False)]
)
def test_models_are_sought_on_this_machine_alone_unless_the_user_says_otherwise(monkeypatch, value, expected):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    if value is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert loading.local_files_only() is expected
