"""A whole study of a dozen studies: killed at eight moments and gone on with, changed in one place, run again.

The command is `laudo run`, each time in a process of its own, forked from one that has imported the
libraries. The translator is replaced by the phantom's own Portuguese, so that nothing here depends on how
good the small models are; the reporting model is tuned and asked as it is.
"""

import gzip
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from conftest import TINY
from laudo.engines.fake import FakeEngine
from laudo.experiment import Plan, load, plan
from laudo.store import rows
from laudo.store.state import digests_of
from laudo.store.tables import TIME_COLUMNS

LIBRARIES = [
    "laudo.prepare",
    "laudo.check",
    "laudo.train",
    "laudo.evaluate",
    "laudo.report",
    "transformers.models.gemma3",
    "peft",
]

# Parts so small that each table has several.
PART_SIZES = {
    "prepare.texts": 10,
    "prepare.films": 8,
    "translate": 8,
    "check": 5,
    "generate": 3,
    "evaluate": 3,
}

# Each is a file; as soon as it is there, the process is killed.
MOMENTS = {
    "in preparation of the texts": "tables/texts/part-00001.parquet",
    "in preparation of the films": "images/48/*/*.jpg",
    "in translation": "tables/translations/part-00001.parquet",
    "in check": "tables/checks/part-00001.parquet",
    "in training": "tables/training/checkpoints/checkpoint-2/complete.json",
    "in training, again": "tables/training/checkpoints/checkpoint-4/complete.json",
    "in generation": "tables/generations/arm=few_shot/part-00000.parquet",
    "in evaluation": "tables/scores/arm=zero_shot/bertscore_pt/part-00000.parquet",
}


def truth(run: Path) -> FakeEngine:
    """A translator that knows the phantom's Portuguese, sentence for sentence."""
    with gzip.open(run / "phantom" / "truth" / "reports.jsonl.gz", "rt", encoding="utf-8") as lines:
        known = {" ".join(s["en"].split()): s["pt"] for line in lines for s in json.loads(line)["sections"]}
    return FakeEngine(
        lambda messages: known[" ".join(messages[0]["content"][0]["text"].split("\n\n", 1)[1].split())]
    )


def laudo(arguments: list[str], out: Path, change: Callable[[], None] | None) -> None:
    """`laudo ...` in this process, its output in a file; one letter in `lessons` for each example of training.

    `change` changes the package first, as an edit of its files would.
    """
    import importlib

    import torch

    import laudo.store.spread
    from laudo import cli, translate
    from laudo.train import examples

    def example(*arguments):
        with out.with_name("lessons").open("a") as lessons:
            lessons.write(".")
        return real(*arguments)

    real, examples.example = examples.example, example

    torch.set_num_threads(1)
    laudo.store.spread.workers = lambda: 1
    for name, size in PART_SIZES.items():
        importlib.import_module(f"laudo.{name}")._PART_SIZE = size
    translate._open_engine = lambda plan: truth(plan.run)
    if change:
        change()
    sys.argv = ["laudo", *arguments]
    with out.open("w") as sys.stdout:
        sys.stderr = sys.stdout
        cli.main()


def words(shown: str, word: str) -> set[str]:
    """The tables, and the page, of which `laudo status` says this word."""
    lines = [line.split() for line in shown.splitlines() if line[:1].strip()]
    return {line[0] for line in lines if line[1:2] == [word]}


class Study:
    """A run of the tiny experiment in a folder, as a user drives it."""

    def __init__(self, folder: Path, context, **changes) -> None:
        self.folder, self._context, self._turn = folder, context, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.write(**changes)

    def write(self, **changes: str) -> None:
        text = TINY.replace("studies = 14\nseed = 5", "studies = 30\nseed = 3\nproportions = [14, 5, 11]")
        text = text.replace(
            "[prepare]",
            "[prepare]\ntrain = 12\nvalidate = 4\ntest = 8\ncommunication = 'keep'\nidentifiers = 'keep'",
        ).replace("max_new_tokens = 24", "max_new_tokens = 512")
        text = text.replace("epochs = 1", "epochs = 2").replace("evaluations = 2", "evaluations = 3")
        text = text.replace(
            "[evaluate.bertscore_pt]", "[evaluate]\nresamples = 100\n\n[evaluate.bertscore_pt]", 1
        )
        for arm, prompt in changes.items():
            text = text.replace(f"[arms.{arm}]", f'[arms.{arm}]\nprompt = "{prompt}"')
        (self.folder / "tiny.toml").write_text(text, "utf-8")

    @property
    def plan(self) -> Plan:
        return plan(load(str(self.folder / "tiny.toml")), self.folder / "runs" / "tiny")

    @property
    def run_folder(self) -> Path:
        return self.folder / "runs" / "tiny"

    def start(self, command: str, change: Callable[[], None] | None = None):
        self._turn += 1
        self._out = self.folder / f"out-{self._turn}.txt"
        arguments = [command, str(self.folder / "tiny.toml"), "--runs", str(self.folder / "runs")]
        process = self._context.Process(target=laudo, args=(arguments, self._out, change))
        process.start()
        return process

    def run(self, command: str = "run", change: Callable[[], None] | None = None) -> str:
        """Lets it end; what it printed."""
        process = self.start(command, change)
        process.join(300)
        said = self._out.read_text("utf-8")
        assert process.exitcode == 0, said
        return said

    def killed_at(self, pattern: str) -> None:
        """Starts it and kills it as soon as a file is there."""
        process = self.start("run")
        while process.is_alive() and not any(self.run_folder.glob(pattern)):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, self._out.read_text("utf-8")
        assert any(self.run_folder.glob(pattern)) and not (self.run_folder / "results.html").exists()

    def parts(self) -> dict[str, int]:
        """Every part, and the adapter, with the time at which it was written."""
        kinds = ("tables/**/part-*.parquet", "tables/training/adapter/adapter_model.safetensors", "results.*")
        return {
            p.relative_to(self.run_folder).as_posix(): p.stat().st_mtime_ns
            for kind in kinds
            for p in self.run_folder.glob(kind)
        }

    def lessons(self) -> int:
        """How many examples have been made for training and validation, by all its processes."""
        file = self.folder / "lessons"
        return len(file.read_text()) if file.exists() else 0

    def tables(self) -> dict[str, list[dict]]:
        """Every table's rows without the columns of time."""
        return {
            p.name: [{k: v for k, v in row.items() if k not in TIME_COLUMNS} for row in rows(p)]
            for p in self.plan
        }


@pytest.fixture(scope="module")
def processes():
    """Where processes are forked from: one that has imported the libraries and done nothing with them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return context


@pytest.fixture(scope="module")
def uninterrupted(processes, tmp_path_factory) -> Study:
    study = Study(tmp_path_factory.mktemp("whole"), processes)
    said = study.run()
    assert [line for line in said.splitlines() if line.endswith(": done")] == [
        f"{name}: done"
        for name in ("prepare", "translate", "check", "train", "generate", "evaluate", "report")
    ]
    return study


def test_a_study_killed_again_and_again_ends_with_the_same_tables(uninterrupted, processes, tmp_path):
    study, finished = Study(tmp_path, processes), {}
    for moment, pattern in MOMENTS.items():
        lessons = study.lessons()
        study.killed_at(pattern)
        if moment == "in generation":
            assert study.lessons() - lessons == 2 * 4 + 4, (
                "two steps of four examples were left, and the last validation"
            )
        assert study.parts().items() >= finished.items(), (
            f"killed {moment}: what was finished before was made again"
        )
        finished = study.parts()
        if moment == "in training":
            # What a kill leaves while the library removes an old checkpoint: files gone, the marker still there.
            (study.run_folder / "tables/training/checkpoints/checkpoint-2/optimizer.pt").unlink()
    study.run()
    assert study.parts().items() >= finished.items()
    whole, broken = uninterrupted.tables(), study.tables()
    assert set(whole) == set(broken) and all(whole[name] for name in whole), "no table is empty"
    for name in whole:
        assert broken[name] == whole[name], name
    digests = ({p.name: dict(digests_of(p)) for p in each.plan} for each in (study, uninterrupted))
    for own, other in zip(*(each.items() for each in digests), strict=True):
        assert own == other, "the same content has the same digests"
    for name in ("tables/training/adapter/adapter_model.safetensors", "results.json"):
        assert (study.run_folder / name).read_bytes() == (uninterrupted.run_folder / name).read_bytes(), name
    assert not list(study.run_folder.rglob("*.tmp")) and not (study.run_folder / "superseded").exists()


def test_a_further_run_does_nothing_and_says_so(uninterrupted):
    before = uninterrupted.parts()
    said = uninterrupted.run()
    assert (
        said.splitlines()[0].startswith("nothing to do")
        and f"page: {uninterrupted.run_folder / 'results.html'}" in said
    )
    assert uninterrupted.parts() == before


def test_a_changed_prompt_makes_again_only_its_arm_its_scores_and_the_page(
    uninterrupted, processes, tmp_path
):
    shutil.copytree(uninterrupted.folder, tmp_path, dirs_exist_ok=True)
    study = Study(tmp_path, processes)
    before = study.parts()
    study.write(zero_shot="Descreva as imagens")
    shown = study.run("status")
    assert words(shown, "stale") == {"generations/arm=zero_shot"}
    assert words(shown, "waits") == {
        "facts/text=zero_shot",
        "labels/text=zero_shot",
        "scores/arm=zero_shot/label_f1",
        "scores/arm=zero_shot/bertscore_pt",
        "scores/arm=zero_shot/bertscore_en",
        "summary",
        "results.html",
    }
    assert 'prompt: "Dê o diagnóstico das imagens apresentadas" -> "Descreva as imagens"' in shown
    said = study.run()
    assert [line for line in said.splitlines() if line.endswith(": done")] == [
        "generate: done",
        "evaluate: done",
        "report: done",
    ]
    after = study.parts()
    assert set(after) == set(before)
    again = {name for name in after if after[name] != before[name]}
    assert {name.rpartition("/")[0].removeprefix("tables/") for name in again} == (
        words(shown, "stale") | words(shown, "waits")
    ) - {"results.html"} | {""}
    assert {name for name in again if "/" not in name} == {"results.html", "results.json"}
    kept = sorted(p.name.rpartition("-")[0] for p in (study.run_folder / "superseded").iterdir())
    assert kept == sorted(
        name.replace("/", ".") for name in (words(shown, "stale") | words(shown, "waits")) - {"results.html"}
    )
    prompts = {row["prompt"] for row in rows(study.plan.generations["zero_shot"])}
    assert len(prompts) >= 1 and all("Descreva as imagens" in prompt for prompt in prompts)


def test_a_folder_that_names_a_column_repeats_what_is_in_its_rows(uninterrupted):
    """DuckDB and others take such a folder for the column itself, whatever stands in the rows."""
    divided = {name: table for name, table in uninterrupted.tables().items() if "=" in name}
    assert len(divided) == 3 + 5 + 5 + 9, "generations, facts, labels and scores"
    for name, table in divided.items():
        for column, value in (place.split("=") for place in name.split("/") if "=" in place):
            assert {row[column] for row in table} == {value}


def test_training_is_recorded_as_the_study_plots_it(uninterrupted):
    """12 studies, 4 a step, 2 epochs: 6 steps, of which every second ends in validation."""
    rows = uninterrupted.tables()["training"]
    steps = {
        split: sorted({row["step"] for row in rows if row["split"] == split})
        for split in ("train", "validate")
    }
    assert steps == {"train": [1, 2, 3, 4, 5, 6], "validate": [2, 4, 6]}
    assert len(rows) == 9 * 3 and {row["metric"] for row in rows} == {
        "loss",
        "entropy",
        "mean_token_accuracy",
    }


# --- what a change of the package makes again ----------------------------------------------------------------


def replaced(source: str, folder: Path, file: str, old: str, new: str) -> None:
    """Gives a room of the package other data: a copy of its files, in one of which some words are replaced."""
    import importlib
    from importlib.resources import files

    room = importlib.import_module(source)
    copy = folder / source
    if not copy.exists():
        shutil.copytree(
            str(files(room.__package__)), copy, ignore=shutil.ignore_patterns("*.py", "__pycache__")
        )
        text = (copy / file).read_text("utf-8")
        assert text.count(old) == 1, "the words to replace are in the file"
        (copy / file).write_text(text.replace(old, new), "utf-8")
    room.data_folder = lambda: copy


def remade(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The tables of which a part was made again; `page` for the page."""
    changed = {name for name in after if after[name] != before.get(name)}
    return {
        re.sub(r"/[^/]*$", "", name).removeprefix("tables/") if "/" in name else "page" for name in changed
    }


@pytest.fixture
def study(uninterrupted, processes, tmp_path) -> Study:
    """A copy of the finished study, to be changed."""
    shutil.copytree(uninterrupted.folder, tmp_path / "study", dirs_exist_ok=True)
    return Study(tmp_path / "study", processes)


FACTS = {
    "facts/text=en",
    "facts/text=pt",
    *(f"facts/text={arm}" for arm in ("zero_shot", "few_shot", "lora")),
}


LEXICON = ("laudo.findings.sources", "concepts/chexpert.toml")
CHECKS = ("laudo.fidelity.data", "checks.toml")


def test_a_synonym_that_changes_no_fact_remakes_what_reads_facts_and_nothing_after(study, tmp_path):
    """The study keeps every sentence (`communication = "keep"`), so that its targets read no facts."""
    old = '"pnemothora*", "ptx",'
    synonym = partial(replaced, LEXICON[0], tmp_path, LEXICON[1], old, f'{old} "gas outside a lung",')
    before = study.parts()
    shown = study.run("status", synonym)
    assert words(shown, "stale") == FACTS and "lexicon: " in shown and "waits for facts/text=en" in shown
    study.run("run", synonym)
    assert remade(before, study.parts()) == FACTS
    assert study.run("run", synonym).startswith("nothing to do")


def test_a_word_that_changes_facts_makes_what_uses_them_stale(study, tmp_path):
    """Without its English word, a pneumothorax that is denied in both texts is stated by one alone."""
    old, new = '"pneumothora*", "pneumothroax"', '"gas outside a lung", "pneumothroax"'
    other = partial(replaced, LEXICON[0], tmp_path, LEXICON[1], old, new)
    before = study.parts()
    study.run("check", other)
    assert remade(before, study.parts()) == {"facts/text=en", "facts/text=pt", "checks", "verdicts"}
    shown = study.run("status", other)
    assert "verdicts: verdict has changed" in shown and {"training", "labels/text=en"} <= words(
        shown, "stale"
    )


def test_a_check_word_that_changes_no_verdict_remakes_checks_and_verdicts_alone(study, tmp_path):
    old, new = 'phrases = ["facto", "factos"]', 'phrases = ["facto", "factos", "factozinho"]'
    word = partial(replaced, CHECKS[0], tmp_path, CHECKS[1], old, new)
    before = study.parts()
    assert words(study.run("status", word), "stale") == {"checks", "verdicts"}
    study.run("run", word)
    assert remade(before, study.parts()) == {"checks", "verdicts"}


def test_a_check_word_that_changes_verdicts_makes_what_depends_on_them_stale(study, tmp_path):
    """If the Brazilian word for a lung were a European form, most translations would be flagged."""
    old, new = 'phrases = ["ecrã", "ecrãs"]', 'phrases = ["ecrã", "pulm*"]'
    word = partial(replaced, CHECKS[0], tmp_path, CHECKS[1], old, new)
    before = study.parts()
    study.run("check", word)
    assert remade(before, study.parts()) == {"checks", "verdicts"}
    shown = study.run("status", word)
    assert words(shown, "stale") == {"training", "generations/arm=few_shot"}, "the texts are as they were"
    assert "verdicts: verdict has changed" in shown


def test_a_pattern_that_changes_no_target_remakes_the_texts_alone(study, tmp_path):
    old, new = "  'made aware',", "  'made aware',\n  'sent by pigeon',"
    pattern = partial(replaced, "laudo.targets.sentences", tmp_path, "sentences.toml", old, new)
    before = study.parts()
    assert words(study.run("status", pattern), "stale") == {"texts"}
    study.run("run", pattern)
    assert remade(before, study.parts()) == {"texts"}
