"""README's "On your own data" as a newcomer does it, with the commonest mistakes and the mend that each message names.

The folders are those that PhysioNet's `wget -r` makes; studies, reports and models are the phantom's.
"""

import gzip
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

JPG = "physionet.org/files/mimic-cxr-jpg/2.1.0"
TEXTS = "physionet.org/files/mimic-cxr/2.1.0"
REPORTS = f"{TEXTS}/mimic-cxr-reports.zip"

SMALL_MODELS = {
    "google/medgemma-27b-text-it": "phantom:translator",
    "google/medgemma-4b-it": "phantom:reporter",
    "neuralmind/bert-base-portuguese-cased": "phantom:encoder-pt",
    "FacebookAI/xlm-roberta-large": "phantom:encoder-multilingual",
}
SMALL_SETTINGS = {
    "layer": 2,
    "load_in_4bit": "false",
    "size_px": 48,
    "max_new_tokens": 128,
    "learning_rate": "3e-3",
    "epochs": 1,
    "examples": 1,
    "gradient_checkpointing": "false",
    "resamples": 100,
}


@pytest.fixture
def downloads(phantom_copy, tmp_path, monkeypatch):
    """The folder that holds physionet.org/, where the commands are typed: images and reports apart."""
    monkeypatch.chdir(tmp_path)
    Path(JPG).parent.mkdir(parents=True)
    Path(TEXTS).mkdir(parents=True)
    shutil.move(phantom_copy, JPG)
    shutil.move(f"{JPG}/mimic-cxr-reports.zip", REPORTS)
    return tmp_path


def edit(pattern, replacement):
    """Changes my.toml as a person does, and fails if there is nothing to change."""
    path = Path("my.toml")
    changed, count = re.subn(pattern, replacement, path.read_text("utf-8"), flags=re.MULTILINE)
    assert count, pattern
    path.write_text(changed, "utf-8")


def assert_says(ended, *words):
    """One message at the end, after what was done; the lines before it count what was done."""
    assert ended.code == 2 and "Traceback" not in ended.err + ended.out
    before, _, message = ("\n" + ended.err).partition("\nlaudo: ")
    assert message and "laudo: " not in before + message
    for word in words:
        assert word in message


@pytest.fixture
def mine(downloads, laudo):
    """my.toml, as `laudo new` wrote it, with the folders of the downloads."""
    assert laudo("new", "my.toml").code == 0
    edit("^#root = .*", f'root = "{JPG}"')
    edit("^#reports = .*", f'reports = "{REPORTS}"')
    return laudo


def with_small_models():
    for model, small in SMALL_MODELS.items():
        edit(f'"{model}"', f'"{small}"')
    for name, value in SMALL_SETTINGS.items():
        edit(f"^#?{name} = .*", f"{name} = {value}")


def test_from_a_new_file_to_a_results_page(downloads, laudo):
    assert "laudo prepare my.toml --describe" in laudo("new", "my.toml").out

    no_corpus = laudo("prepare", "my.toml", "--describe")
    assert_says(no_corpus, "no MIMIC-CXR folder is named", "fix: set [mimic] root")
    edit("^#root = .*", f'root = "{JPG}"')

    no_reports = laudo("prepare", "my.toml", "--describe")
    assert_says(no_reports, "no study has a report", "mimic-cxr-reports.zip", "LAUDO_REPORTS=")
    edit("^#reports = .*", re.search(r'fix: set \[mimic\] (reports = ".+?")', no_reports.err)[1])

    edit("^max_images = ", "max_image = ")
    misspelt = laudo("prepare", "my.toml", "--describe")
    assert_says(misspelt, "prepare.max_image: no such setting, did you mean 'max_images'?")
    edit("^max_image = ", "max_images = ")

    described = laudo("prepare", "my.toml", "--describe")
    assert described.code == 0 and "12" in described.out

    with_small_models()
    edit('"phantom:translator"', '"owner/translator"')
    not_on_disk = laudo("run", "my.toml")
    assert_says(not_on_disk, "fix: hf download owner/translator", "or name the folder it is in")
    shutil.copytree(str(files("laudo.phantom") / "models/translator"), "translator")
    edit('"owner/translator"', '"./translator"')

    one_patient = laudo("run", "my.toml")  # the three test studies of this small corpus are of one patient
    assert_says(one_patient, "needs two patients in the test split", "remove the arm")
    edit(r"^\[arms\.lora_other_pictures\]\n(\w.*\n)+", "")

    ended = laudo("run", "my.toml")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "page: runs/my/results.html"), ended.err
    assert Path("runs/my/results.html").is_file()


def test_the_variables_stand_in_for_the_two_settings(downloads, laudo, monkeypatch):
    laudo("new", "my.toml")
    monkeypatch.setenv("LAUDO_MIMIC", JPG)
    monkeypatch.setenv("LAUDO_REPORTS", REPORTS)
    assert laudo("prepare", "my.toml").code == 0


def test_a_byte_order_mark_before_the_settings_changes_nothing(mine):
    """Windows' Notepad saves it."""
    text = Path("my.toml").read_text("utf-8")
    Path("my.toml").write_text("\ufeff" + text, "utf-8")
    assert mine("prepare", "my.toml").code == 0


@pytest.mark.parametrize("named", ["physionet.org", f"{JPG}/files", f"{JPG}/files/p11"])
def test_a_folder_some_levels_off_is_found_and_named(mine, named):
    edit("^root = .*", f'root = "{named}"')
    ended = mine("prepare", "my.toml")
    assert ended.code == 0 and f"{JPG} is used, as" in ended.err.splitlines()[0], ended.err


def test_a_table_saved_with_semicolons_says_so_and_the_original_is_right(mine):
    packed = Path(f"{JPG}/mimic-cxr-2.0.0-metadata.csv.gz")
    text = gzip.decompress(packed.read_bytes()).decode()
    opened = packed.with_suffix("")
    saved = "\ufeff" + text.replace(",", ";")
    original = packed.rename("kept.csv.gz")
    opened.write_text(saved, "utf-8")
    assert_says(mine("prepare", "my.toml"), "separated by semicolons", opened.name, "PhysioNet")
    opened.unlink()
    original.rename(packed)
    assert mine("prepare", "my.toml").code == 0


def test_a_model_that_is_not_on_disk_is_named_before_anything_is_made(mine):
    with_small_models()
    edit('"phantom:encoder-pt"', '"owner/absent"')
    edit('"phantom:translator"', '"owner/absent"')
    assert_says(mine("run", "my.toml"), "owner/absent", "download")
    assert not Path("runs/my/tables/studies").exists()


def test_a_model_without_a_chat_template_is_named_before_anything_is_made(mine):
    with_small_models()
    folder = Path(shutil.copytree(str(files("laudo.phantom") / "models/translator"), "translator"))
    (folder / "chat_template.jinja").unlink()
    edit('"phantom:translator"', '"./translator"')
    assert_says(mine("run", "my.toml"), "chat template", "translator")
    assert not Path("runs/my/tables/studies").exists()
