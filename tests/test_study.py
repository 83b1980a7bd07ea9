"""A whole study of a dozen studies: killed at six moments and gone on with, changed in one place, run again.

The command is `laudo run`, each time in a process of its own, forked from one that has imported the
libraries. The translator is replaced by the phantom's own Portuguese, so that nothing here depends on how
good the small models are; the reporting model is tuned and asked as it is.
"""

import gzip
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from conftest import TINY
from laudo import config
from laudo.chat import FakeChat
from laudo.plan import Plan, plan
from laudo.records import TIME_COLUMNS
from laudo.store import read

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
PARTS = {"prepare": 8, "translate": 8, "check": 5, "generate": 3, "evaluate": 3}

# Each is a file; as soon as it is there, the process is killed.
MOMENTS = {
    "in preparation": "images/48/*/*.jpg",
    "in translation": "tables/translations/part-00001.parquet",
    "in training": "tables/training/checkpoints/checkpoint-2/complete.json",
    "in training, again": "tables/training/checkpoints/checkpoint-4/complete.json",
    "in generation": "tables/generations/arm=few_shot/part-00000.parquet",
    "in evaluation": "tables/scores/arm=zero_shot/part-00000.parquet",
}


def truth(run: Path) -> FakeChat:
    """A translator that knows the phantom's Portuguese, sentence for sentence."""
    with gzip.open(run / "phantom" / "truth" / "reports.jsonl.gz", "rt", encoding="utf-8") as lines:
        known = {" ".join(s["en"].split()): s["pt"] for line in lines for s in json.loads(line)["sections"]}
    return FakeChat(
        lambda messages: known[" ".join(messages[0]["content"][0]["text"].split("\n\n", 1)[1].split())]
    )


def laudo(arguments: list[str], out: Path) -> None:
    """`laudo ...` in this process, with its output in a file, and one letter in `lessons` for each example learnt or validated."""
    import torch

    import laudo.spread
    from laudo import check, cli, evaluate, generate, prepare, train, translate

    def example(*arguments):
        with out.with_name("lessons").open("a") as lessons:
            lessons.write(".")
        return real(*arguments)

    real, train.example = train.example, example

    torch.set_num_threads(1)
    laudo.spread.workers = lambda: 1
    for stage in (prepare, translate, check, generate, evaluate):
        stage._PART = PARTS[stage.__name__.rpartition(".")[2]]
    translate._own_chat = lambda made: lambda: truth(made.run)
    sys.argv = ["laudo", *arguments]
    with out.open("w") as sys.stdout:
        sys.stderr = sys.stdout
        cli.main()


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
        return plan(config.load(str(self.folder / "tiny.toml")), self.folder / "runs" / "tiny")

    @property
    def run_folder(self) -> Path:
        return self.folder / "runs" / "tiny"

    def start(self, command: str):
        self._turn += 1
        self._out = self.folder / f"out-{self._turn}.txt"
        arguments = [command, str(self.folder / "tiny.toml"), "--runs", str(self.folder / "runs")]
        process = self._context.Process(target=laudo, args=(arguments, self._out))
        process.start()
        return process

    def run(self, command: str = "run") -> str:
        """Lets it end; what it printed."""
        process = self.start(command)
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
            p.name: [{k: v for k, v in row.items() if k not in TIME_COLUMNS} for row in read(p)]
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
    for name in ("tables/training/adapter/adapter_model.safetensors", "results.json"):
        assert (study.run_folder / name).read_bytes() == (uninterrupted.run_folder / name).read_bytes()
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
    stale = {line.split()[0] for line in shown.splitlines() if " stale " in line}
    assert stale == {
        "generations/arm=zero_shot",
        "labels/text=zero_shot",
        "scores/arm=zero_shot",
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
    assert {name.rpartition("/")[0].removeprefix("tables/") for name in again} == stale - {"results.html"} | {
        ""
    }
    assert {name for name in again if "/" not in name} == {"results.html", "results.json"}
    kept = sorted(p.name.rpartition("-")[0] for p in (study.run_folder / "superseded").iterdir())
    assert kept == ["generations.arm=zero_shot", "labels.text=zero_shot", "scores.arm=zero_shot", "summary"]
    prompts = {row["prompt"] for row in read(study.plan.generations["zero_shot"])}
    assert len(prompts) >= 1 and all("Descreva as imagens" in prompt for prompt in prompts)


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
