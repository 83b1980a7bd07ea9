"""The command line: every mistake of a user is one message, every study left out is counted and named."""

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from conftest import TINY
from laudo import __version__, cli, findings

COMMANDS = sorted(typer.main.get_command(cli.app).commands)


class Ended:
    """How a command ended: exit code, standard output, standard error."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def laudo(monkeypatch, capsys, one_core):
    """Runs a command in this process, as `laudo ...` does."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["laudo", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run


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


# --- help ----------------------------------------------------------------------------------------------------


def test_the_commands_are_those_that_exist():
    stages = {"prepare", "translate", "check", "train", "generate", "evaluate", "report"}
    assert stages | {"run", "status", "demo", "phantom", "sections", "label"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_s_help_shows_an_example(command):
    shown = CliRunner().invoke(cli.app, [command, "--help"])
    assert shown.exit_code == 0
    assert re.search(rf"Example: laudo {command}\b", " ".join(re.sub(r"[`│\n]", " ", shown.output).split()))


def test_help_says_what_it_is_and_what_it_is_not():
    shown = CliRunner().invoke(cli.app, ["--help"])
    assert "not a medical device" in shown.output and "laudo demo" in shown.output
    assert not [command for command in COMMANDS if command not in shown.output]


def test_version():
    assert CliRunner().invoke(cli.app, ["--version"]).output.strip() == f"laudo {__version__}"


# --- mistakes ------------------------------------------------------------------------------------------------


def one_message(ended, *words):
    assert ended.code == 2
    assert ended.err.startswith("laudo: ") and ended.err.count("laudo: ") == 1
    assert "Traceback" not in ended.err + ended.out
    for word in words:
        assert word in ended.err


def test_a_wrong_key(laudo, experiment, tmp_path):
    path = experiment(("epochs", "epoch"))
    for command in ("prepare", "run", "status"):
        one_message(
            laudo(command, path, "--runs", tmp_path),
            "train.epoch: no such setting",
            "did you mean 'epochs'",
            str(path),
        )


def test_a_missing_experiment(laudo):
    one_message(laudo("run", "nowhere.toml"), "there is no experiment 'nowhere.toml'", "demo")


def test_a_missing_corpus(laudo, experiment, tmp_path):
    ended = laudo("prepare", experiment(on(tmp_path / "nowhere")), "--runs", tmp_path / "runs")
    one_message(ended, "there is no such folder", str(tmp_path / "nowhere"))


def test_a_folder_that_is_no_corpus(laudo, experiment, tmp_path):
    (tmp_path / "empty").mkdir()
    one_message(
        laudo("prepare", experiment(on(tmp_path / "empty")), "--runs", tmp_path / "runs"),
        "mimic-cxr-2.0.0-metadata.csv.gz is absent",
    )


def test_no_corpus_named(laudo, experiment, tmp_path, monkeypatch):
    monkeypatch.delenv("LAUDO_MIMIC", raising=False)
    one_message(
        laudo("prepare", experiment((on("")[0], "")), "--runs", tmp_path),
        "no MIMIC-CXR folder is named",
        "LAUDO_MIMIC",
    )


def test_a_missing_model(laudo, experiment, tmp_path):
    one_message(
        laudo("run", experiment(("phantom:translator", "./models/nobody")), "--runs", tmp_path),
        "there is no model './models/nobody'",
    )


@pytest.mark.parametrize("command", ["prepare", "translate", "generate"])
def test_not_a_shard(laudo, experiment, tmp_path, command):
    one_message(
        laudo(command, experiment(), "--runs", tmp_path, "--shard", "4/4"),
        "'4/4' is not a shard",
        "--shard 0/4",
    )


@pytest.mark.parametrize("command", ["translate", "check", "train", "generate", "evaluate", "report"])
def test_a_stage_before_its_time_names_the_command_that_comes_first(laudo, experiment, tmp_path, command):
    one_message(laudo(command, experiment(), "--runs", tmp_path), "is missing", "to mend it: laudo ")


def test_a_place_that_cannot_be_written(laudo, experiment, tmp_path, phantom_tree):
    (tmp_path / "runs").write_text("a file", "utf-8")
    ended = laudo("prepare", experiment(on(phantom_tree / "mimic")), "--runs", tmp_path / "runs")
    one_message(ended, "cannot write")


@pytest.mark.parametrize("split", ["60,40", "a,b,c", "-1,1,1", "0,0,0"])
def test_not_a_split(laudo, tmp_path, split):
    one_message(
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


# --- filters -------------------------------------------------------------------------------------------------

# Worked by hand: what both modes make of one report, which repeats a name and has a subheading.
REPORT = (
    " HISTORY: Tosse à noite.\n FINDINGS: Old.\n FINDINGS: Clear.\n RIGHT LUNG: small.\n COMPARISON: None.\n"
)


def test_sections_reads_and_writes_json_lines(laudo, tmp_path):
    path = tmp_path / "reports.jsonl"
    given = [{"id": "a", "text": REPORT}, {"id": "b", "text": " TECHNIQUE: PA."}]
    path.write_text("\n\n".join(json.dumps(row) for row in given), "utf-8")
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
    made = json.loads(laudo("sections", "--lang", "pt", "-").out)
    assert made["sections"] == {"findings": "Pulmões limpos.", "impression": "Normal."}


def test_the_reference_parser_knows_no_portuguese(laudo, tmp_path):
    ended = laudo("sections", "--lang", "pt", "--mode", "reference", tmp_path / "reports.jsonl")
    one_message(ended, "English only", "--lang en")


def test_sections_of_a_file_that_is_none(laudo, tmp_path):
    one_message(laudo("sections", "--lang", "en", tmp_path / "none"), str(tmp_path / "none"), "No such file")
    one_message(laudo("sections", "--lang", "en", tmp_path), str(tmp_path), "Is a directory")


LAUDO = {"id": "7", "text": "Nódulo de 1,2 cm no lobo superior direito. Não se pode excluir pneumonia."}


def lines_of(tmp_path, *rows):
    path = tmp_path / "reports.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_label_gives_labels_and_facts_with_their_places(laudo, tmp_path):
    made = json.loads(laudo("label", "--lang", "pt", lines_of(tmp_path, LAUDO)).out)
    assert made["id"] == "7" and len(made["labels"]) == 14
    assert {k: v for k, v in made["labels"].items() if v is not None} == {"Lung Lesion": 1, "Pneumonia": -1}
    nodule, pneumonia = made["facts"]
    assert nodule == {
        "finding": "nodule", "label": "Lung Lesion", "status": "present", "side": "right", "location": "upper_lobe", "size": None,
        "measure": {"value": 1.2, "unit": "cm"}, "change": None, "incidental": False, "start": 0, "end": 6, "cues": [],
    }  # fmt: skip
    assert LAUDO["text"][pneumonia["start"] : pneumonia["end"]] == "pneumonia"
    assert pneumonia["cues"] == [{"text": "Não se pode excluir", "start": 43, "end": 62}]


def test_label_as_the_reference_does(laudo, tmp_path):
    path = lines_of(tmp_path, {"id": "a", "text": "Effusion. No effusion. Possible effusion."})
    modes = (("--mode", "reference"), ())
    made = [json.loads(laudo("label", "--lang", "en", *mode, path).out)["labels"] for mode in modes]
    assert [labels["Pleural Effusion"] for labels in made] == [-1, 1]


def test_label_with_words_of_ones_own(laudo, tmp_path):
    (tmp_path / "concepts").mkdir()
    words = tmp_path / "concepts" / "ours.toml"
    words.write_text('[gizmo]\nterms.en = ["gizmo"]\nexamples.en = ["A gizmo."]\n', "utf-8")
    path = lines_of(tmp_path, {"id": "a", "text": "No gizmo."})
    made = json.loads(laudo("label", "--lang", "en", "--lexicon", tmp_path, path).out)
    assert [(fact["finding"], fact["status"]) for fact in made["facts"]] == [("gizmo", "absent")]
    words.write_text('[gizmo]\nterms.en = ["gizmo"]\nexamples.en = ["A gadget."]\n', "utf-8")
    findings.forget()
    one_message(laudo("label", "--lang", "en", "--lexicon", tmp_path, path), "gizmo, en: A gadget.")


def test_label_names_a_language_it_has_not_even_of_no_lines(laudo, tmp_path):
    one_message(
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


# --- what was left out ---------------------------------------------------------------------------------------


def folders(root):
    return sorted(root.glob("files/p*/p*/s*"))


def rewrite_reports(root: Path, changed: dict[str, str | None]):
    """Packs the reports again with some changed, by study; None leaves one out."""
    path = root / "mimic-cxr-reports.zip"
    with zipfile.ZipFile(path) as old:
        texts = {name: old.read(name).decode() for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, text in texts.items():
            kept = changed.get(Path(name).stem, text)
            if kept is not None:
                new.writestr(name, kept)


def test_prepare_counts_and_names_what_it_leaves_out(laudo, experiment, phantom_copy, tmp_path):
    broken, blank, gone, unseen, silent = folders(phantom_copy)[2:7]
    for image in broken.iterdir():
        image.write_bytes(image.read_bytes()[:300])
    for image in unseen.iterdir():
        image.unlink()
    rewrite_reports(phantom_copy, {blank.name: " \n", gone.name: None, silent.name: "FINAL REPORT\n"})
    ended = laudo("prepare", experiment(on(phantom_copy)), "--runs", tmp_path / "runs")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "prepare: done"
    assert sum(map(int, re.findall(r"(\d+) (?:train|validate|test)", lines[1]))) == 12 - 5
    left_out = sorted(
        found[1] for line in lines[2:] if (found := re.fullmatch(r"left out: 1 \((.*)\)", line))
    )
    assert left_out == [
        "empty report",
        "image file is missing",
        "no report",
        "no usable section",
        "unreadable image",
    ]
    again = laudo("prepare", experiment(on(phantom_copy)), "--runs", tmp_path / "runs")
    assert again.out.splitlines() == ["prepare: nothing to do", *lines[1:]]


def test_a_shard_of_prepare_that_leaves_the_table_unfinished_ends_well(
    laudo, experiment, phantom_tree, tmp_path
):
    path = experiment(on(phantom_tree / "mimic"))
    assert laudo("prepare", path, "--runs", tmp_path, "--shard", "1/2").code == 0
    whole = laudo("prepare", path, "--runs", tmp_path, "--shard", "0/2")
    assert whole.code == 0 and "studies: " in whole.out


def test_status_shows_every_table(laudo, experiment, tmp_path, phantom_tree):
    path = experiment(on(phantom_tree / "mimic"))
    laudo("prepare", path, "--runs", tmp_path)
    shown = laudo("status", path, "--runs", tmp_path).out
    assert re.search(r"^studies +done +12 rows$", shown, re.MULTILINE)
    assert re.search(r"^generations/arm=lora +missing +0 rows$", shown, re.MULTILINE)
    assert re.search(r"^results.html +stale or missing$", shown, re.MULTILINE)
    path = experiment(on(phantom_tree / "mimic"), ("size_px = 48", "size_px = 64"))
    shown = laudo("status", path, "--runs", tmp_path).out
    assert re.search(r"^studies +stale +12 rows\n +size_px: 48 -> 64$", shown, re.MULTILINE)


def test_phantom_says_where_it_is(laudo, tmp_path):
    ended = laudo("phantom", tmp_path / "corpus", "--studies", 5, "--no-images")
    assert ended.code == 0 and str(tmp_path / "corpus" / "mimic") in ended.out
    assert sorted(p.name for p in (tmp_path / "corpus").iterdir()) == ["mimic", "truth"]
