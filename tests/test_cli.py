"""The command line: every mistake of a user is one message, every study left out is counted and named."""

import io
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from conftest import TINY, assert_one_message, finished, study_row
from laudo import __version__, cli, findings
from laudo.cli import census
from laudo.experiment import load, plan
from laudo.experiment.corpus import remember
from laudo.store.state import Record
from laudo.vocabulary import LABELS

STAGES = ["prepare", "translate", "check", "train", "generate", "evaluate", "report"]
COMMANDS = [*STAGES, "new", "run", "demo", "status", "sections", "label", "phantom"]


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Makes standard output a terminal of 80 columns without colours."""

    def make():
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "dumb")

    return make


@pytest.fixture
def experiment(tmp_path):
    """Writes the tiny experiment, changed by replacements."""

    def write(*changes):
        text = TINY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def on(root):
    """The change that takes the corpus in `root` instead of the phantom."""
    return re.search(r"\[mimic.phantom\][^\[]*", TINY)[0], f'[mimic]\nroot = "{root}"\n\n'


# --- help ---------------------------------------------------------------------------------------------------


def test_the_commands_are_those_of_the_readme():
    assert sorted(typer.main.get_command(cli.app).commands) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_s_help_shows_an_example(command):
    shown = CliRunner().invoke(cli.app, [command, "--help"])
    assert shown.exit_code == 0
    assert re.search(rf"^ +Example: laudo {command}\b", shown.output, re.MULTILINE)


def test_help_says_what_it_is_and_what_it_is_not():
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    assert "not a medical device" in shown and "laudo demo" in shown


def test_help_lists_every_command_with_a_sentence_that_is_not_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, _, listed = CliRunner().invoke(cli.app, ["--help"]).output.partition("\nCommands:\n")
    lines = [re.fullmatch(r"  (\w+) +(\S.*\.)", line) for line in listed.splitlines()]
    assert all(lines), listed
    assert [line[1] for line in lines] == COMMANDS
    assert not [line[0] for line in lines if line[2].endswith("...")]


def test_help_takes_less_than_a_third_of_a_second(tmp_path):
    """Time on a core, the least of five runs with compiled modules: a busy machine must not fail this."""
    cached = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    command = [sys.executable, "-m", "laudo", "--help"]
    seconds = []
    for _ in range(6):
        subprocess.run(command, check=True, capture_output=True, env=cached)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(spent.ru_utime + spent.ru_stime)
    assert min(after - before for before, after in itertools.pairwise(seconds)) < 0.3


def test_version():
    assert CliRunner().invoke(cli.app, ["--version"]).output.strip() == f"laudo {__version__}"


# --- mistakes -----------------------------------------------------------------------------------------------


def test_a_wrong_key(laudo, experiment, tmp_path):
    path = experiment(("epochs", "epoch"))
    for command in ("prepare", "run", "status"):
        assert_one_message(
            laudo(command, path, "--runs", tmp_path),
            "train.epoch: no such setting",
            "did you mean 'epochs'",
            str(path),
        )


def test_a_missing_experiment(laudo):
    assert_one_message(laudo("run", "nowhere.toml"), "there is no experiment 'nowhere.toml'", "demo")


def test_a_missing_corpus(laudo, experiment, tmp_path):
    ended = laudo("prepare", experiment(on(tmp_path / "nowhere")), "--runs", tmp_path / "runs")
    assert_one_message(ended, "there is no such folder", str(tmp_path / "nowhere"))


def test_a_folder_that_is_no_corpus(laudo, experiment, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_one_message(
        laudo("prepare", experiment(on(tmp_path / "empty")), "--runs", tmp_path / "runs"),
        "mimic-cxr-2.0.0-metadata.csv.gz is absent",
    )


def test_no_corpus_named(laudo, experiment, tmp_path, monkeypatch):
    monkeypatch.delenv("LAUDO_MIMIC", raising=False)
    assert_one_message(
        laudo("prepare", experiment((on("")[0], "")), "--runs", tmp_path),
        "no MIMIC-CXR folder is named",
        "LAUDO_MIMIC",
    )


def test_a_missing_model(laudo, experiment, tmp_path):
    assert_one_message(
        laudo("run", experiment(("phantom:translator", "./models/nobody")), "--runs", tmp_path),
        "there is no model './models/nobody'",
    )


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("translate", "phantom:translator"),
        ("train", "phantom:reporter"),
        ("generate", "phantom:reporter"),
        ("evaluate", "phantom:encoder-pt"),
    ],
)
def test_a_stage_looks_for_its_model_before_its_work(laudo, experiment, tmp_path, command, model):
    changed = experiment((model, "./models/nobody"))
    assert_one_message(laudo(command, changed, "--runs", tmp_path), "there is no model './models/nobody'")


@pytest.mark.parametrize("command", ["prepare", "translate", "generate"])
def test_not_a_shard(laudo, experiment, tmp_path, command):
    assert_one_message(
        laudo(command, experiment(), "--runs", tmp_path, "--shard", "4/4"),
        "'4/4' is not a shard",
        "--shard 0/4",
    )


@pytest.mark.parametrize("command", ["translate", "check", "train", "generate", "evaluate", "report"])
def test_a_stage_before_its_time_names_the_command_that_comes_first(laudo, experiment, tmp_path, command):
    assert_one_message(laudo(command, experiment(), "--runs", tmp_path), "is missing", "fix: laudo ")


def test_a_place_that_cannot_be_written(laudo, experiment, tmp_path, phantom_tree):
    (tmp_path / "runs").write_text("a file", "utf-8")
    ended = laudo("prepare", experiment(on(phantom_tree / "mimic")), "--runs", tmp_path / "runs")
    assert_one_message(ended, "cannot write")


@pytest.mark.parametrize("split", ["60,40", "a,b,c", "-1,1,1", "0,0,0"])
def test_not_a_split(laudo, tmp_path, split):
    assert_one_message(
        laudo("phantom", tmp_path, "--studies", 3, "--split", split), "is not a split", "--split 60,10,30"
    )


def test_a_bug_keeps_its_traceback(monkeypatch, laudo, experiment, tmp_path):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("laudo.prepare.run", broken)
    monkeypatch.setattr(sys, "argv", ["laudo", "prepare", str(experiment()), "--runs", str(tmp_path)])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_an_interrupt_says_that_what_is_finished_is_kept(monkeypatch, laudo, experiment, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("laudo.prepare.run", interrupted)
    ended = laudo("prepare", experiment(), "--runs", tmp_path)
    assert ended.code == 130 and "what is finished is kept" in ended.err


def test_as_a_program(tmp_path):
    """The same through `python -m laudo`, in a process of its own: one message, no traceback, exit code 2."""
    command = [sys.executable, "-m", "laudo", "run", "nowhere.toml"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[0] == "laudo: there is no experiment 'nowhere.toml'"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_a_command_keeps_to_local_models_unless_the_user_s_environment_says_otherwise(
    laudo, monkeypatch, before, after
):
    if before is None:
        monkeypatch.delenv("HF_HUB_OFFLINE")
    else:
        monkeypatch.setenv("HF_HUB_OFFLINE", before)
    laudo("--version")
    assert os.environ["HF_HUB_OFFLINE"] == after


# --- filters ------------------------------------------------------------------------------------------------

# Worked by hand: what both modes make of one report, which repeats a name and has a subheading.
REPORT = (
    " HISTORY: Tosse à noite.\n FINDINGS: Old.\n FINDINGS: Clear.\n RIGHT LUNG: small.\n COMPARISON: None.\n"
)


def test_sections_reads_and_writes_json_lines(laudo, tmp_path):
    path = tmp_path / "reports.jsonl"
    reports = [{"id": "a", "text": REPORT}, {"id": "b", "text": " TECHNIQUE: PA."}]
    path.write_text("\n\n".join(json.dumps(report) for report in reports), "utf-8")
    ended = laudo("sections", "--lang", "en", path)
    assert (ended.code, ended.err) == (0, "")
    findings = "Clear.\n RIGHT LUNG: small."
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        {
            "id": "a",
            "sections": {"history": "Tosse à noite.", "findings": findings, "comparison": "None."},
            "order": ["history", "findings", "findings", "comparison"],
            "target": findings,
            "target_section": "findings",
        },
        {
            "id": "b",
            "sections": {"technique": "PA."},
            "order": ["technique"],
            "target": "",
            "target_section": None,
        },
    ]
    assert "à" in ended.out


def test_sections_by_the_reference_parser_takes_the_id_as_the_study(laudo, tmp_path):
    path = tmp_path / "reports.jsonl"
    text = "\n" + REPORT + " RECOMMENDATION: Repeat.\n"
    path.write_text(
        "".join(json.dumps({"id": id, "text": text}) + "\n" for id in ("a", "s50913680")), "utf-8"
    )
    ended = laudo("sections", "--lang", "en", "--mode", "reference", path)
    plain, special = (json.loads(line) for line in ended.out.splitlines())
    names = ["preamble", "history", "findings", "findings", "right lung", "comparison", "recommendations"]
    assert plain["order"] == special["order"] == names
    assert (plain["target"], plain["target_section"]) == ("Clear.", "findings")
    assert (special["target"], special["target_section"]) == ("Repeat.", "recommendations")


def test_sections_in_portuguese_from_standard_input(laudo, monkeypatch):
    line = '{"id": "a", "text": "ACHADOS: Pulmões limpos.\\nCONCLUSÃO: Normal."}\n'.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line), "ascii"))
    row = json.loads(laudo("sections", "--lang", "pt", "-").out)
    assert row["sections"] == {"findings": "Pulmões limpos.", "impression": "Normal."}


def test_the_reference_parser_knows_no_portuguese(laudo, tmp_path):
    ended = laudo("sections", "--lang", "pt", "--mode", "reference", tmp_path / "reports.jsonl")
    assert_one_message(ended, "English only", "--lang en")


def test_sections_of_a_file_that_is_none(laudo, tmp_path):
    assert_one_message(
        laudo("sections", "--lang", "en", tmp_path / "none"), str(tmp_path / "none"), "No such file"
    )
    assert_one_message(laudo("sections", "--lang", "en", tmp_path), str(tmp_path), "Is a directory")


LAUDO = {"id": "7", "text": "Nódulo de 1,2 cm no lobo superior direito. Não se pode excluir pneumonia."}


def lines_of(tmp_path, *rows):
    path = tmp_path / "reports.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_label_gives_labels_and_facts_with_their_places(laudo, tmp_path):
    labelled = json.loads(laudo("label", "--lang", "pt", lines_of(tmp_path, LAUDO)).out)
    assert labelled["id"] == "7"
    assert labelled["labels"] == dict.fromkeys(LABELS) | {"Lung Lesion": 1, "Pneumonia": -1}
    nodule, pneumonia = labelled["facts"]
    assert nodule == {
        "finding": "nodule",
        "label": "Lung Lesion",
        "status": "present",
        "side": "right",
        "location": "upper_lobe",
        "size": None,
        "measure": {"value": 1.2, "unit": "cm"},
        "change": None,
        "incidental": False,
        "start": 0,
        "end": 6,
        "cues": [],
    }
    assert LAUDO["text"][pneumonia["start"] : pneumonia["end"]] == "pneumonia"
    assert pneumonia["cues"] == [{"text": "Não se pode excluir", "start": 43, "end": 62}]


def test_label_as_the_reference_does(laudo, tmp_path):
    path = lines_of(tmp_path, {"id": "a", "text": "Effusion. No effusion. Possible effusion."})
    modes = (("--mode", "reference"), ())
    rows = [json.loads(laudo("label", "--lang", "en", *mode, path).out) for mode in modes]
    assert [row["labels"]["Pleural Effusion"] for row in rows] == [-1, 1]


def test_label_with_words_of_ones_own(laudo, tmp_path):
    (tmp_path / "concepts").mkdir()
    words = tmp_path / "concepts" / "ours.toml"
    words.write_text('[gizmo]\nterms.en = ["gizmo"]\nexamples.en = ["A gizmo."]\n', "utf-8")
    path = lines_of(tmp_path, {"id": "a", "text": "No gizmo."})
    row = json.loads(laudo("label", "--lang", "en", "--lexicon", tmp_path, path).out)
    assert [(fact["finding"], fact["status"]) for fact in row["facts"]] == [("gizmo", "absent")]
    words.write_text('[gizmo]\nterms.en = ["gizmo"]\nexamples.en = ["A gadget."]\n', "utf-8")
    findings.clear_cache()
    assert_one_message(laudo("label", "--lang", "en", "--lexicon", tmp_path, path), "gizmo, en: A gadget.")


def test_label_names_a_language_it_has_not_even_of_no_lines(laudo, tmp_path):
    assert_one_message(
        laudo("label", "--lang", "es", lines_of(tmp_path)),
        "no lexicon for the language 'es'",
        "one of en, pt",
    )


def test_a_reader_that_has_enough_is_no_mistake(tmp_path):
    path = tmp_path / "reports.jsonl"
    path.write_text((json.dumps({"id": "a", "text": "x" * 1000}) + "\n") * 2000, "utf-8")
    command = [sys.executable, "-m", "laudo", "sections", "--lang", "en", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert json.loads(running.stdout.readline())["target"] == "x" * 1000
        running.stdout.close()
        assert running.stderr.read() == b""


# --- what was left out --------------------------------------------------------------------------------------


def folders(root):
    return sorted(root.glob("files/p*/p*/s*"))


def rewrite_reports(root: Path, changed: dict[str, str | None]):
    """Packs the reports again with some changed, by study; None leaves one out."""
    path = root / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(path) as old:
        texts = {name: old.read(name).decode() for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, text in texts.items():
            packed = changed.get(Path(name).stem, text)
            if packed is not None:
                new.writestr(name, packed)


def test_prepare_counts_and_names_what_it_leaves_out(laudo, experiment, phantom_copy, tmp_path):
    broken, blank, gone, unseen, silent = folders(phantom_copy)[2:7]
    for image in broken.iterdir():
        image.write_bytes(image.read_bytes()[:300])
    for image in unseen.iterdir():
        image.unlink()
    rewrite_reports(phantom_copy, {blank.name: " \n", gone.name: None, silent.name: "FINAL REPORT\n"})
    untuned = ("[arms.lora]\nadapter = true\n", "")  # no study of validate is left
    path = experiment(on(phantom_copy), untuned)
    ended = laudo("prepare", path, "--runs", tmp_path / "runs")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "prepare: done"
    assert sum(map(int, re.findall(r"(\d+) (?:train|validate|test)", lines[1]))) == 12 - 5
    assert sorted(re.findall(r"^left out: 1 \((.*)\)$", ended.out, re.MULTILINE)) == [
        "empty report",
        "image file is missing",
        "no report",
        "no usable section",
        "unreadable image",
    ]
    again = laudo("prepare", path, "--runs", tmp_path / "runs")
    assert again.out.splitlines() == ["prepare: nothing to do", *lines[1:]]


def test_a_shard_of_prepare_that_leaves_the_table_unfinished_ends_well(
    laudo, experiment, phantom_tree, tmp_path
):
    path = experiment(on(phantom_tree / "mimic"))
    first = laudo("prepare", path, "--runs", tmp_path, "--shard", "1/2")
    assert first.code == 0 and "studies: " not in first.out
    last = laudo("prepare", path, "--runs", tmp_path, "--shard", "0/2")
    assert last.code == 0 and "studies: " in last.out


# --- the census ---------------------------------------------------------------------------------------------


def counted(topic, item, **measures):
    """Rows of `census`: a measure is its value, or its value and a note."""
    pairs = {name: value if isinstance(value, tuple) else (value, None) for name, value in measures.items()}
    return [
        {"topic": topic, "item": item, "measure": name.replace("_", " "), "value": value, "note": note}
        for name, (value, note) in pairs.items()
    ]


CENSUS = [
    *counted("corpus", "studies", all=2347.0),
    *counted("used", "train", studies=1200.0, patients=187.0),
    *counted("used", "test", studies=83.0, patients=70.0),
    *counted("excluded", "no report", train=1.0, no_split=2.0),
    *counted("excluded", "outside the subset", train=1000.0, validate=61.0),
    *counted("labels", "Edema", present=83.0, uncertain=11.0, absent=220.0),
    *counted("views", "", images=5.0),
    *counted("views", "PA", images=1495.0),
    *counted("images per study", "2", listed=302.0, cached=448.0),
    *counted("images per study", "10", listed=1.0),
    *counted("images left out", "same exposure", images=2.0),
    *counted("images left out", "not needed", images=210.0),
    *counted("images left out", "same exposure, mirrored", images=1.0),
    *counted("image warnings", "shown inverted", images=3.0),
    *counted("image warnings", "looks inverted", images=2.0),
    *counted("image warnings", "contrast stretched, shown inverted", images=2.0),
    *counted("unreadable images", "abc", reason=(None, "unreadable image: cut short")),
    *counted("sections", "findings", studies=900.0),
    *counted("sections", "impression", studies=901.0),
    *counted("words", "train", low=11.0, median=41.5, high=98.6, most=120.0),
    *counted("removed", "priors", taken=12.0, studies=9.0),
    *counted("encoding", "latin-1", studies=4.0),
]
SUMMARY = """\
studies: 1,200 train, 0 validate, 83 test
left out: 1,061 (outside the subset)
left out: 3 (no report)
(when these files arrive, laudo prepare EXPERIMENT --look-again surely finds them)
images left out: 210 (not needed)
images left out: 2 (same exposure)
images left out: 1 (same exposure, mirrored)
warning: 3 images, shown inverted: the photometric tag contradicts the picture
warning: 2 images, contrast stretched, shown inverted: neither its window nor its photometric tag fits the picture
warning: 2 images, looks inverted: the lungs are brighter than mediastinum and abdomen
warning: 4 reports not in UTF-8, decoded as Latin-1
"""
# Laid out by hand.
EVERYTHING = """
abc: unreadable image: cut short

studies   used  patients
train    1,200       187
test        83        70

left out            train  validate  test  no split
outside the subset  1,000        61     0         0
no report               1         0     0         2

CheXpert label  present  uncertain  absent
Edema                83         11     220

view         images
PA            1,495
(not named)       5

images of a study  studies  studies, cached
2                      302              448
10                       1                0

words of the target  5%  median  95%  most
train                11      42   99   120

section     studies
impression      901
findings        900

removed from targets  taken  studies
priors                   12        9
"""
COMPARED = counted("release", "counts", compared=35.0)


def test_the_summary_of_the_census_names_what_was_left_out(capsys):
    census.show(CENSUS, complete=False)
    assert capsys.readouterr().out == SUMMARY


def test_a_split_with_fewer_studies_than_asked_says_how_many_and_why(capsys):
    rows = counted("used", "train", studies=21.0), counted("excluded", "no report", train=2.0, test=4.0)
    reasons = counted("excluded", "same report as in test", train=1_400.0)
    census.show([*rows[0], *rows[1], *reasons], complete=False, requested={"train": 960, "test": 0})
    lines = [line for line in capsys.readouterr().out.splitlines() if "asked" in line]
    assert lines == ["train: 21 of 960 asked; left out: 1,400 (same report as in test), 2 (no report)"]


def test_a_split_with_every_study_used_and_more_asked_says_that_there_are_no_more(capsys):
    rows = [*counted("used", "train", studies=8.0), *counted("used", "test", studies=2.0)]
    census.show(rows, complete=False, requested={"train": 8, "validate": None, "test": 3})
    shown = capsys.readouterr().out
    assert "test: 2 of 3 asked; the corpus has no more\n" in shown and shown.count("asked") == 1


def test_prepare_says_how_many_of_those_asked_there_are_and_where_a_missing_image_was_looked_for(
    laudo, experiment, phantom_copy, tmp_path
):
    unseen = folders(phantom_copy)[5]
    images = sorted(unseen.iterdir())
    for image in images:
        image.unlink()
    changes = on(phantom_copy / "files"), ("[prepare]\n", "[prepare]\ntrain = 900\n")
    ended = laudo("prepare", experiment(*changes), "--runs", tmp_path / "runs")
    assert ended.code == 0, ended.err
    assert re.search(r"^train: \d of 900 asked; ", ended.out, re.MULTILINE)
    named = [line for line in ended.out.splitlines() if line.startswith("missing image: ")]
    assert named == [f"missing image: {image} (or .png, .dcm)" for image in images]


def test_the_whole_census_has_a_table_for_each_topic(capsys):
    census.show(CENSUS, complete=True)
    assert capsys.readouterr().out == SUMMARY + EVERYTHING


def test_the_tables_of_the_census_have_the_same_numbers_on_a_terminal(capsys, terminal):
    terminal()
    census.show(CENSUS, complete=True)
    words = capsys.readouterr().out.split()
    assert words == (SUMMARY + EVERYTHING).split()


def test_a_count_of_one_is_in_the_singular(capsys):
    one = [{**row, "value": row["value"] and 1.0} for row in CENSUS]
    census.show(one, complete=False)
    shown = capsys.readouterr().out
    assert "warning: 1 image, shown inverted: " in shown
    assert "warning: 1 report not in UTF-8, decoded as Latin-1" in shown


def test_a_phantom_of_one_study_says_so(laudo, tmp_path):
    assert laudo("phantom", tmp_path, "--studies", "1", "--no-images").out.startswith("1 study: ")


def test_of_many_unreadable_images_the_first_ten_are_named_and_the_others_counted(capsys):
    reason = (None, "unreadable image: cut short")
    many = [row for n in range(1_012) for row in counted("unreadable images", f"film-{n:04}", reason=reason)]
    census.show(many, complete=True)
    shown = [line for line in capsys.readouterr().out.splitlines() if "film" in line]
    assert shown == [
        *(f"film-{n:04}: unreadable image: cut short" for n in range(10)),
        "and 1,002 more, in the table films",
    ]


def test_a_full_copy_is_compared_with_the_release(capsys):
    census.show([*CENSUS, *COMPARED], complete=False)
    assert "a full copy: all 35 counts are those of the release" in capsys.readouterr().out
    why = "the CheXpert table was changed, or made by another labeler"
    difference = counted("release", "Edema present", found=(27_000.0, why), expected=27_018.0)
    census.show([*CENSUS, *COMPARED, *difference], complete=True)
    shown = capsys.readouterr().out
    assert "not as in the release: 1 of 35 counts (--describe says which)\n" in shown
    assert f"\nEdema present: 27,000, in the release 27,018; {why}\n" in shown


# --- status -------------------------------------------------------------------------------------------------


@pytest.fixture
def studied(experiment, tmp_path, phantom_tree):
    """The path of an experiment with every table made and twelve studies, and its plan."""
    path = experiment(on(phantom_tree / "mimic"))
    study_plan = plan(load(str(path)), tmp_path / "tiny")
    identity = [{"study_id": number, "subject_id": number, "split": "train"} for number in range(12)]
    return path, finished(study_plan, studies=[study_row(**row) for row in identity])


def words(shown):
    """table -> word, of a status."""
    lines = [line.split() for line in shown.splitlines() if not line.startswith(" ")]
    return {line[0]: line[1] for line in lines}


def test_status_shows_every_table_of_the_plan(laudo, studied, tmp_path):
    path, study_plan = studied
    shown = laudo("status", path, "--runs", tmp_path)
    names = [partition.name for partition in study_plan]
    assert shown.code == 0
    assert words(shown.out) == dict.fromkeys(names, "done") | {"results.html": "missing"}
    assert list(words(shown.out)) == [*names, "results.html"], "in the order in which they are made"


def test_status_pads_names_and_words_and_aligns_rows_to_the_right(laudo, studied, tmp_path):
    path, study_plan = studied
    lines = laudo("status", path, "--runs", tmp_path).out.splitlines()
    name = max(44, *(len(partition.name) for partition in study_plan))
    assert f"{'studies':{name}} {'done':8} {'12':>11}" in lines
    assert f"{'texts':{name}} {'done':8} {'0':>11}" in lines


def test_status_before_anything_is_made(laudo, experiment, tmp_path, phantom_tree):
    shown = laudo("status", experiment(on(phantom_tree / "mimic")), "--runs", tmp_path)
    assert shown.code == 0 and set(words(shown.out).values()) == {"missing"}


def test_status_says_why_a_table_is_stale_and_what_waits_for_it(
    laudo, experiment, studied, tmp_path, phantom_tree
):
    path = experiment(on(phantom_tree / "mimic"), ("size_px = 48", "size_px = 64"))
    shown = laudo("status", path, "--runs", tmp_path).out
    assert re.search(r"^films +stale +0\n    size_px: 48 -> 64$", shown, re.MULTILINE)
    assert re.search(r"^studies +waits +12\n    waits for films$", shown, re.MULTILINE)


def test_status_goes_on_after_a_damaged_table_and_changes_nothing(laudo, studied, tmp_path):
    path, study_plan = studied
    (part,) = study_plan.translations.folder.glob("part-*")
    part.write_bytes(part.read_bytes()[:-1])
    before = {file: file.stat().st_mtime_ns for file in study_plan.run.rglob("*")}
    shown = laudo("status", path, "--runs", tmp_path)
    states = words(shown.out)
    assert shown.code == 0 and len(states) == len(list(study_plan)) + 1
    assert (states["translations"], states["studies"], states["checks"]) == ("damaged", "done", "waits")
    assert "\n    part-00000.parquet has another size\n" in shown.out
    assert {file: file.stat().st_mtime_ns for file in study_plan.run.rglob("*")} == before


def test_status_looks_at_each_table_once(laudo, studied, tmp_path, monkeypatch):
    path, study_plan = studied
    looks = []
    real = Record.of.__func__
    monkeypatch.setattr(Record, "of", classmethod(lambda cls, p: looks.append(p.name) or real(cls, p)))
    laudo("status", path, "--runs", tmp_path)
    tables = [partition.name for partition in study_plan]
    assert sorted(looks) == sorted(tables)


def test_status_without_the_corpus_says_so_first_and_what_is_finished_stays_so(
    laudo, experiment, tmp_path, phantom_copy
):
    path = experiment(on(phantom_copy))
    study_plan = finished(plan(load(str(path)), tmp_path / "tiny"))
    remember(study_plan.corpus, study_plan.run)
    phantom_copy.rename(tmp_path / "elsewhere")
    shown = laudo("status", path, "--runs", tmp_path)
    first, *others = shown.out.splitlines()
    assert first == f"the corpus is not there: {phantom_copy}; finished tables stay finished"
    assert shown.code == 0
    assert words("\n".join(others)) == {p.name: "done" for p in study_plan} | {"results.html": "missing"}


def test_status_on_a_terminal_has_the_same_words_and_reasons(laudo, studied, tmp_path, terminal):
    path, study_plan = studied
    (part,) = study_plan.translations.folder.glob("part-*")
    part.unlink()
    in_file = laudo("status", path, "--runs", tmp_path).out
    terminal()
    on_terminal = laudo("status", path, "--runs", tmp_path).out
    title, *rest = on_terminal.splitlines()
    assert title.split() == ["table", "state", "rows"]
    assert " ".join(rest).split() == in_file.split()
    assert "part-00000.parquet is missing" in on_terminal


# --- run ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stages(monkeypatch):
    """Stands in for the stages: the names of those that were run; those in `working` have something to do."""

    class Stages:
        def __init__(self):
            self.run, self.working = [], set()

        def module(self, name):
            def run(plan):
                self.run.append(name)
                return name in self.working

            return SimpleNamespace(run=run)

    stages = Stages()
    monkeypatch.setattr(
        "laudo.cli.stages.import_module", lambda name: stages.module(name.removeprefix("laudo."))
    )
    return stages


def test_run_calls_the_stages_in_order_and_names_those_that_did_something(
    laudo, experiment, stages, tmp_path
):
    stages.working = {"translate", "report"}
    ended = laudo("run", experiment(), "--runs", tmp_path)
    assert stages.run == STAGES
    assert ended.out.splitlines() == [
        "translate: done",
        "report: done",
        f"page: {tmp_path / 'tiny' / 'results.html'}",
    ]


def test_run_with_nothing_to_do_says_so(laudo, experiment, stages, tmp_path):
    assert laudo("run", experiment(), "--runs", tmp_path).out.splitlines() == [
        "nothing to do: every table is done and the page is up to date",
        f"page: {tmp_path / 'tiny' / 'results.html'}",
    ]


def test_run_trains_nothing_where_no_arm_has_the_adapter(laudo, experiment, stages, tmp_path):
    laudo("run", experiment(("adapter = true", "adapter = false")), "--runs", tmp_path)
    assert stages.run == [name for name in STAGES if name != "train"]


def test_the_demo_is_the_experiment_of_that_name(laudo, stages, tmp_path):
    ended = laudo("demo", "--runs", tmp_path)
    assert stages.run == STAGES
    assert ended.out.splitlines()[-1] == f"page: {tmp_path / 'demo' / 'results.html'}"


# --- the phantom --------------------------------------------------------------------------------------------


def test_phantom_says_where_it_is(laudo, tmp_path):
    ended = laudo("phantom", tmp_path / "corpus", "--studies", 5, "--no-images")
    assert ended.code == 0 and str(tmp_path / "corpus" / "mimic") in ended.out
    assert sorted(p.name for p in (tmp_path / "corpus").iterdir()) == ["mimic", "truth"]


def test_a_phantom_that_cannot_be_written_is_one_message(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("a file, not a folder", "utf-8")
    monkeypatch.setattr(
        sys, "argv", ["laudo", "phantom", str(tmp_path / "file"), "--studies", "2", "--no-images"]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "laudo: cannot write" in said and "fix: " in said and "Traceback" not in said
