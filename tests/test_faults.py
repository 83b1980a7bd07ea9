"""Eight faults of the code of the study that this package follows up; a test fails if its fault is back.

The code is github.com/GustavoFA/MIMIC-CXR-PT-BR. What was wrong there is said above each test.
"""

import ast
import csv
import gzip
import inspect
import re
import shutil
import subprocess
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import laudo
from conftest import finished, study_row
from laudo import evaluate, findings, generate, images, prepare, sections, train
from laudo.engines import Sampling, messages, open_engine
from laudo.engines.fake import FakeEngine
from laudo.engines.in_process import encode, render, tokenizer_of
from laudo.engines.loading import load
from laudo.engines.settings import Model
from laudo.errors import ExperimentError, NotReady
from laudo.experiment import Arm, Experiment, Plan, plan
from laudo.metrics import bertscore
from laudo.metrics.statistics import Cohort
from laudo.store import is_done, rows, tables
from laudo.train import examples
from laudo.train.loss import IGNORED

PACKAGE = Path(laudo.__path__[0])
REPOSITORY = PACKAGE.parent.parent
REPORTER = Model(model="phantom:reporter")

# --- a study by hand ----------------------------------------------------------------------------------------

TRAIN, VALIDATE, TEST, OTHER_TEST = 51, 52, 53, 54
EN = {"findings": "No pleural effusion. The heart is enlarged.", "impression": "Cardiomegaly."}
PT = {"findings": "Sem derrame pleural. O coração está aumentado.", "impression": "Cardiomegalia."}


def picture(folder: Path, name: str, shade: int) -> dict[str, str]:
    pixels = np.add.outer(np.arange(48), np.arange(40)) + shade
    path = folder / "images" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return {"dicom_id": name, "view": "PA", "path": f"images/{name}.jpg", "digest": images.film_digest(path)}


@pytest.fixture
def by_hand(tiny, tmp_path) -> Plan:
    """Four studies up to their verdicts, all with the same two pictures and the same report."""
    return study_by_hand(tiny, tmp_path)


def study_by_hand(tiny, run: Path, *, excluded=(), prior_report: str | None = None) -> Plan:
    """The same, with studies that are excluded, or with a prior's report for all."""
    tiny["arms"] = {"zero_shot": {}, "few_shot": {"exemplars": [TRAIN]}, "lora": {"adapter": True}}
    study_plan = plan(Experiment.model_validate(tiny), run)
    images = [picture(run, "a", 0), picture(run, "b", 120)]
    common = {"images": images, "sections": EN, "target": EN, "prior_report": prior_report}
    splits = {TRAIN: "train", VALIDATE: "validate", TEST: "test", OTHER_TEST: "test"}
    studies = [
        study_row(
            study_id=n,
            subject_id=n - 40,
            split=split,
            excluded="no image" if n in excluded else None,
            **common,
        )
        for n, split in splits.items()
    ]
    verdicts = [{"study_id": n, "verdict": "accepted", "sections_pt": PT} for n in splits]
    facts = [row for n in splits for row in (*facts_of(n, EN, "en"), *facts_of(n, PT, "pt"))]
    return finished(study_plan, studies=studies, verdicts=verdicts, facts=facts, until="verdicts")


def facts_of(study_id: int, texts: dict[str, str], lang: str) -> list[dict]:
    """Rows of `facts` for the sections of a study."""
    return [
        {**findings.as_row(fact), "study_id": study_id, "text": lang, "section": section, "number": number}
        for section, text in texts.items()
        for number, fact in enumerate(findings.read(text, lang=lang))
    ]


def generated(study_plan: Plan, reports: dict[str, str]) -> None:
    """Makes `generations` of every arm with one report for each test study."""
    row = {"sample": 0, "prompt": "", "stop": "end", "images": [], "prompt_tokens": 0, "new_tokens": 1}
    generations = [
        {"study_id": study_id, "arm": arm, "completion": text, "seconds": 0.0, **row}
        for arm, text in reports.items()
        for study_id in (TEST, OTHER_TEST)
    ]
    finished(study_plan, generations=generations, until="generations/arm=lora")


class Words:
    """An encoder in which a word is like itself alone; every word counts."""

    def __init__(self, *_, **__):
        self.known: dict[str, int] = {}

    signature = "bertscore|model:words"

    def embed(self, texts):
        return {text: self._embed(re.findall(r"\w+", text.lower())) for text in texts}

    def _embed(self, said):
        places = [self.known.setdefault(word, len(self.known)) for word in said]
        return bertscore.Embedded(np.eye(64, dtype=np.float32)[places], np.ones(len(said), bool), False)


# --- 1 ------------------------------------------------------------------------------------------------------
# Images and reports were two sorted lists joined by position; an image folder that could not be read was
# skipped and its report was not, so that from there on every image had another patient's report.


def prepared(tiny, root: Path, run: Path) -> Plan:
    tiny = {**tiny, "mimic": {"root": str(root)}}
    made = plan(Experiment.model_validate(tiny), run)
    prepare.run(made)
    return made


def reports_of(root: Path) -> dict[int, str]:
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as archive:
        return {int(Path(name).stem[1:]): archive.read(name).decode() for name in archive.namelist()}


def repack(root: Path, texts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip", "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)


def turn_round(root: Path) -> None:
    """The same corpus with its tables and its archive in the opposite order."""
    for table in root.glob("*.csv.gz"):
        with gzip.open(table, "rt", newline="") as stream:
            header, *rows = list(csv.reader(stream))
        with gzip.open(table, "wt", newline="") as stream:
            csv.writer(stream).writerows([header, *rows[::-1]])
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip") as archive:
        texts = {name: archive.read(name) for name in archive.namelist()[::-1]}
    repack(root, texts)


def test_fault_1_nothing_is_joined_by_position(tiny, one_core, phantom_tree, phantom_copy, tmp_path):
    tiny["prepare"] |= {"communication": "keep", "identifiers": "keep", "same_report": "keep"}
    whole = {
        row["study_id"]: row
        for row in rows(prepared(tiny, phantom_tree / "mimic", tmp_path / "whole").studies)
    }
    places = sorted(phantom_copy.glob("files/*/*/s*"))
    no_images, no_report = (int(place.name[1:]) for place in (places[3], places[6]))
    shutil.rmtree(places[3])
    with zipfile.ZipFile(phantom_copy / "mimic-cxr-reports.zip") as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if f"s{no_report}" not in name}
    repack(phantom_copy, kept)
    turn_round(phantom_copy)

    made = prepared(tiny, phantom_copy, tmp_path / "torn")
    found = {row["study_id"]: row for row in rows(made.studies)}
    assert {n: row["excluded"] for n, row in found.items() if row["excluded"]} == {
        no_images: "image file is missing",
        no_report: "no report",
    }
    originals = reports_of(phantom_tree / "mimic")
    for number, row in found.items():
        if number not in (no_images, no_report):
            assert row == whole[number]
            assert all(f"/s{number}/" in image["path"] for image in row["images"])
            assert row["target"] == {
                n: sections.unwrap(b) for n, b in sections.target(sections.split(originals[number])).items()
            }


def test_fault_1_what_is_learnt_and_what_is_asked_keep_to_their_study(tiny, one_core, phantom_copy, tmp_path):
    """On through translation to the pairs that training sees and the pictures that an arm is shown."""
    shutil.rmtree(sorted(phantom_copy.glob("files/*/*/s*"))[0])
    study_plan = prepared({**tiny, "arms": {"zero_shot": {}}}, phantom_copy, tmp_path / "run")
    used = {row["study_id"]: row for row in rows(study_plan.studies) if not row["excluded"]}
    verdicts = [
        {"study_id": n, "verdict": "accepted", "sections_pt": {"findings": f"Laudo de {n}."}} for n in used
    ]
    finished(study_plan, verdicts=verdicts, until="verdicts")
    pairs = [pair for split in ("train", "validate") for pair in examples.training_pairs(study_plan, split)]
    assert len(pairs) >= 4
    for pair in pairs:
        assert pair.answer == f"ACHADOS: Laudo de {pair.study_id}."
        images_shown = [item for item in pair.messages[0]["content"] if item["type"] == "image"]
        assert images_shown and all(f"/s{pair.study_id}/" in item["path"] for item in images_shown)
    engine = FakeEngine(lambda chat: f"{len(chat[0]['content']) - 1} imagens")
    generate.run(study_plan, open_engine=lambda _: engine)
    written = rows(study_plan.generations["zero_shot"])
    assert len(written) >= 2
    for row in written:
        own = used[row["study_id"]]["images"]
        assert row["images"] == [image["dicom_id"] for image in own]
        assert row["completion"] == f"{len(own)} imagens"


# --- 2 ------------------------------------------------------------------------------------------------------
# The whole output was decoded, prompt included; the few-shot prompt held a report, so it scored as one.


def test_fault_2_an_answer_holds_only_new_tokens(tmp_path):
    engine = open_engine(REPORTER, batch_size=2)
    image = image_reference(tmp_path, "a", 0)
    exemplar = (
        "ACHADOS: Sem derrame pleural. Sem pneumotórax. O coração está aumentado. "
        "Fratura da sexta costela à esquerda."
    )
    short = messages.report([image], prompt=messages.REPORT)
    long = messages.report([image, image], prompt=messages.REPORT, exemplars=[exemplar])
    # In one batch, so that one of them is padded.
    replies = engine.reply([short, long], sampling=Sampling(6))
    for chat, reply in zip((short, long), replies, strict=True):
        alone = encode(engine.processor, [chat])["input_ids"]
        assert reply.prompt == render(engine.processor, chat)
        assert reply.prompt_tokens == alone.shape[1]
        assert reply.new_tokens <= 6
        tokens = tokenizer_of(engine.processor)(reply.text, add_special_tokens=False).input_ids
        assert len(tokens) <= 6 + 1
        for part in (messages.REPORT, exemplar, messages.EXEMPLAR, "user", "model\n"):
            assert part not in reply.text
    assert exemplar in reply.prompt


def image_reference(folder: Path, name: str, shade: int) -> messages.ImageReference:
    """A picture as a model is shown it."""
    return messages.image(folder / picture(folder, name, shade)["path"], size_px=96, geometry="pad")


def test_fault_2_prompt_and_completion_are_separate_columns(by_hand):
    finished(by_hand, until="training")
    generate.run(by_hand, open_engine=lambda _: FakeEngine(lambda _: "Sem alterações."))
    for arm in ("zero_shot", "few_shot"):
        for row in rows(by_hand.generations[arm]):
            assert row["completion"] == "Sem alterações."
            assert (sections.render(PT, lang="pt") in row["prompt"]) == (arm == "few_shot")


# --- 3 ------------------------------------------------------------------------------------------------------
# `score(reference, generated)` was called on a function that takes candidates first: P and R were swapped.


def test_fault_3_candidates_and_references_cannot_be_swapped():
    parameters = inspect.signature(bertscore.score).parameters
    assert set(parameters) == {"candidates", "references", "encoder"}
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    # The candidate's three words are in the reference; three of the reference's six are in the candidate.
    score = bertscore.score(
        candidates=["sem derrame pleural"],
        references=["sem derrame pleural nem outra alteração"],
        encoder=Words(),
    )[0]
    assert (score.precision, score.recall) == (1.0, 0.5)


def test_fault_3_precision_is_of_the_report_and_recall_of_the_reference(by_hand, monkeypatch):
    """By hand: the report's 4 words are all among the reference's 10 (two headings, 7 words and 1)."""
    monkeypatch.setattr(bertscore, "Encoder", Words)
    generated(by_hand, dict.fromkeys(by_hand.experiment.arms, "Achados: sem derrame pleural."))
    evaluate.run(by_hand)
    scores = rows(by_hand.scores["zero_shot", "bertscore_pt"])
    values = {row["metric"]: row["value"] for row in scores if row["study_id"] == TEST}
    assert values["bertscore_pt_precision"] == pytest.approx(1.0)
    assert values["bertscore_pt_recall"] == pytest.approx(4 / 10)


# --- 4 ------------------------------------------------------------------------------------------------------
# Training and generation differed in the instruction, in images before or after it, in how many images, and
# generation was asked without the header of the model's turn.


def test_fault_4_training_and_generation_ask_in_the_same_way(by_hand, monkeypatch):
    taught = []
    real = examples.example

    def example(processor, chat, answer):
        taught.append(chat)
        return real(processor, chat, answer)

    monkeypatch.setattr(examples, "example", example)
    train.run(by_hand)
    tuned = FakeEngine(lambda _: "Sem alterações.")
    generate.run(by_hand, open_engine=lambda adapter: tuned if adapter else FakeEngine(lambda _: ""))
    processor = load(REPORTER).processor
    assert len(taught) >= 2 and len(tuned.chats) == 2
    learnt, asked = ([as_seen(processor, chat) for chat in chats] for chats in (taught, tuned.chats))
    # The four studies have the same pictures, so that all of them must come to the same.
    assert all(seen == asked[0] for seen in learnt + asked)


def as_seen(processor, chat):
    """What the model gets: the text, the pictures in their order, and every tensor; checked on the way."""
    text = render(processor, chat)
    kinds = [item["type"] for item in chat[0]["content"]]
    assert len(chat) == 1
    assert kinds == ["image", "image", "text"], "pictures first, both of them, one turn"
    assert text.endswith("<start_of_turn>model\n")
    assert messages.REPORT in text
    tensors = encode(processor, [chat])
    bos = tokenizer_of(processor).bos_token_id
    assert tensors["input_ids"][0].tolist().count(bos) == 1 and tensors["input_ids"][0, 0] == bos
    assert len(tensors["pixel_values"]) == 2
    return text, {name: value.tolist() for name, value in tensors.items()}


def test_fault_4_a_study_s_tokens_in_training_begin_with_those_it_is_asked_with(by_hand):
    processor = load(REPORTER).processor
    pair = examples.training_pairs(by_hand, "train")[0]
    finished(by_hand, until="training")
    tuned = FakeEngine(lambda _: "")
    generate.run(by_hand, open_engine=lambda adapter: tuned if adapter else FakeEngine(lambda _: ""))
    # Every study has the same pictures, so that a test study is asked as this one is learnt.
    asked = encode(processor, [tuned.chats[0]])
    taught = examples.example(processor, pair.messages, pair.answer)
    length = asked["input_ids"].shape[1]
    for name in ("input_ids", "token_type_ids"):
        assert taught[name][:length].tolist() == asked[name][0].tolist()
    assert taught["pixel_values"].equal(asked["pixel_values"])


def test_the_prior_s_report_is_asked_with_in_training_and_in_generation_alike(tiny, tmp_path):
    """As `priors = "supply"` leaves it in `studies`; the words around it are those of `messages`."""
    prior = "FINDINGS: A small effusion."
    study_plan = study_by_hand(tiny, tmp_path, prior_report=prior)
    finished(study_plan, until="training")
    tuned = FakeEngine(lambda _: "Laudo.")
    generate.run(study_plan, open_engine=lambda adapter: tuned if adapter else FakeEngine(lambda _: ""))
    learnt = [pair.messages for pair in examples.training_pairs(study_plan, "train")]
    texts = [chat[0]["content"][-1]["text"] for chat in (*learnt, *tuned.chats)]
    assert len(texts) == 3
    assert set(texts) == {f"{messages.REPORT}\n\n{messages.PRIOR}\n{prior}"}


# --- 5 ------------------------------------------------------------------------------------------------------
# The mask compared a tensor with a list, which is False: nothing was masked, neither prompt nor images.


@pytest.mark.parametrize("pictures", [1, 2])
def test_fault_5_what_is_learnt_is_exactly_the_report_and_the_end_of_the_turn(pictures, tmp_path):
    processor = load(REPORTER).processor
    tokenizer = tokenizer_of(processor)
    references = [image_reference(tmp_path, f"{n}", 90 * n) for n in range(pictures)]
    chat = messages.report(references, prompt=messages.REPORT)
    answer = sections.render(PT, lang="pt")
    tensors = examples.example(processor, chat, answer)
    learnt = tensors["labels"] != IGNORED
    assert tokenizer.decode(tensors["labels"][learnt]) == f"{answer}<end_of_turn>\n"
    assert tensors["input_ids"][learnt].equal(tensors["labels"][learnt])
    prompt_ids = encode(processor, [chat])["input_ids"][0]
    assert tokenizer.decode(tensors["input_ids"][~learnt]) == tokenizer.decode(prompt_ids)
    image_tokens = tensors["token_type_ids"] == 1
    assert int(image_tokens.sum()) == pictures * processor.image_seq_length
    assert not (image_tokens & learnt).any()
    assert not {tokenizer.bos_token_id, tokenizer.pad_token_id} & set(tensors["labels"].tolist())


def test_fault_5_padding_is_not_learnt_either(tmp_path):
    processor = load(REPORTER).processor
    pad = tokenizer_of(processor).pad_token_id
    chat = messages.report([image_reference(tmp_path, "a", 0)], prompt=messages.REPORT)
    answers = ("Normal.", "Derrame pleural à esquerda e cardiomegalia.")
    alone = [examples.example(processor, chat, answer) for answer in answers]
    batch = examples.collate(alone, pad=pad)
    for row, tensors in zip(range(2), alone, strict=True):
        length = len(tensors["input_ids"])
        assert batch["labels"][row, :length].equal(tensors["labels"])
        assert set(batch["labels"][row, length:].tolist()) <= {IGNORED}
        assert batch["attention_mask"][row].sum() == length


# --- 6 ------------------------------------------------------------------------------------------------------
# Means stood among the studies, in one dictionary with their ids.


def test_fault_6_scores_are_one_row_a_value_and_figures_live_elsewhere(by_hand, monkeypatch):
    monkeypatch.setattr(bertscore, "Encoder", Words)
    generated(by_hand, {"zero_shot": "Cardiomegalia.", "few_shot": "", "lora": "Derrame pleural."})
    evaluate.run(by_hand)
    parts = ("precision", "recall", "f1")
    names = {f"bertscore_{lang}_{part}" for lang in ("en", "pt") for part in parts} | {"label_f1"}
    for arm in by_hand.experiment.arms:
        scores = [row for (a, _), partition in by_hand.scores.items() if a == arm for row in rows(partition)]
        values = Counter((row["study_id"], row["metric"]) for row in scores if not row["label"])
        assert values == Counter((n, name) for n in (TEST, OTHER_TEST) for name in names)
        assert {row["arm"] for row in scores} == {arm}
        assert {row["subject_id"] for row in scores} == {TEST - 40, OTHER_TEST - 40}
    figures = rows(by_hand.summary)
    assert {row["arm"] for row in figures} == set(by_hand.experiment.arms)
    assert "study_id" not in tables.SUMMARY.schema.names
    assert tables.SCORES.key == ("study_id", "arm", "metric", "label")


def test_an_empty_report_earns_no_label(by_hand, monkeypatch):
    """Read as a text it would state No Finding, and be right about every normal study."""
    monkeypatch.setattr(bertscore, "Encoder", Words)
    generated(by_hand, {"zero_shot": " \n", "few_shot": "", "lora": "Cardiomegalia."})
    evaluate.run(by_hand)
    for arm in ("zero_shot", "few_shot"):
        assert {row["value"] for row in rows(by_hand.labels[arm])} == {None}
        scores = [row for row in rows(by_hand.scores[arm, "label_f1"]) if not row["label"]]
        # No label is right, none is invented, and cardiomegaly is missed.
        assert [row["statistics"] for row in scores] == [[0.0, 0.0, 1.0]] * 2


def test_patients_of_excluded_studies_are_not_resampled(tiny, tmp_path, monkeypatch):
    cohorts = []
    monkeypatch.setattr(bertscore, "Encoder", Words)
    monkeypatch.setattr(
        evaluate, "Cohort", lambda patients, **o: cohorts.append(patients) or Cohort(patients, **o)
    )
    study_plan = study_by_hand(tiny, tmp_path, excluded=(OTHER_TEST,))
    generated(study_plan, dict.fromkeys(study_plan.experiment.arms, "Cardiomegalia."))
    evaluate.run(study_plan)
    assert set(cohorts[0]) == {TEST}


def test_without_a_test_study_generation_says_so(tiny, tmp_path):
    study_plan = study_by_hand(tiny, tmp_path, excluded=(TEST, OTHER_TEST))
    with pytest.raises(NotReady, match="no test study"):
        generate.run(study_plan, open_engine=lambda _: FakeEngine(lambda chat: ""))


# --- 7 ------------------------------------------------------------------------------------------------------
# `except Exception: print(...)` in five places turned failures into missing rows; the section parser was
# marked "not working good".

WIDE = {"Exception", "BaseException"}


def swallowed(source: str) -> list[int]:
    """Lines of handlers that catch everything without raising, do nothing, or print; and of `suppress`."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = (
                {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else WIDE
            )
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            idle = all(isinstance(line, ast.Pass) for line in node.body)
            prints = any(
                isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id == "print"
                for c in ast.walk(node)
            )
            if (caught & WIDE and not raises) or idle or prints:
                lines.append(node.lineno)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    "body",
    [
        "except Exception as e:\n  print(e)",
        "except:\n  x = 1",
        "except OSError:\n  pass",
        "except (ValueError, Exception):\n  x = None",
    ],
)
def test_fault_7_the_search_finds_it(body):
    assert swallowed(f"try:\n  f()\n{body}") == [3]


def test_fault_7_nothing_is_swallowed():
    sources = {path: path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    assert len(sources) >= 25
    # The command line's handlers print a user's mistake, a missing extra or an interrupt, and exit non-zero.
    main = PACKAGE / "cli" / "__init__.py"
    handlers = {path: lines for path, source in sources.items() if (lines := swallowed(source))}
    assert len(handlers.pop(main, [])) <= 3
    assert not handlers


def test_fault_7_a_part_that_fails_stops_the_stage_with_its_own_error(
    tiny, one_core, phantom_tree, tmp_path, monkeypatch
):
    real, seen = sections.split, []

    def split(text, **options):
        seen.append(text)
        if len(seen) == 7:
            raise ZeroDivisionError("the seventh report")
        return real(text, **options)

    monkeypatch.setattr(sections, "split", split)
    with pytest.raises(ZeroDivisionError, match="the seventh report"):
        prepared(tiny, phantom_tree / "mimic", tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr("laudo.store.spread.workers", lambda: 1)
    made = prepared(tiny, phantom_tree / "mimic", tmp_path / "run")
    assert is_done(made.studies) and len(rows(made.studies)) == 12


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (
            " FINDINGS:\n Clear lungs.\n \n IMPRESSION:\n Normal chest.\n",
            {"findings": "Clear lungs.", "impression": "Normal chest."},
        ),
        (" INDICATION: Cough.\n \n IMPRESSION: Normal chest.\n", {"impression": "Normal chest."}),
        (" INDICATION: Cough.\n \n The lungs are clear.\n", {"last_paragraph": "The lungs are clear."}),
        (
            " Heart size is normal. RIGHT LUNG: clear.\n",
            {"full_report": "Heart size is normal. RIGHT LUNG: clear."},
        ),
        (" FINDINGS:\n \n IMPRESSION: Pneumonia.\n", {"impression": "Pneumonia."}),
        (" INDICATION: Cough.\n", {}),
    ],
)
def test_fault_7_the_section_parser_finds_what_is_to_be_scored(text, target):
    assert sections.target(sections.split(f"FINAL REPORT\n{text}")) == target


# --- 8 ------------------------------------------------------------------------------------------------------
# A translated report with `___`, the mark of de-identification, stood in the source as the few-shot example.

MARK = re.compile(r"(?<![_\w\"'`])_{3,}(?![_\w\"'`])")
ID = re.compile(r"\b[sp]?[15]\d{7}\b")
# What is written to be a report: the phantom's wordings, the lexicon's examples, the tests' invented texts.
INVENTED = (
    "src/laudo/phantom/",
    "tests/",
    "src/laudo/findings/",
    "docs/findings.md",
    "src/laudo/targets/sentences.toml",
    "recipes/",
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
EXEMPLARS = re.compile(r"exemplars\s*=\s*\[[^\]]*\]")
# Names studies and says nothing of them: those that MIT-LCP's published parser treats by their number.
PUBLISHED = "src/laudo/sections/reference.toml"


def tracked() -> dict[str, str]:
    """The text files of the repository that are, or are about to be, under version control."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout of the repository")
    found = {}
    for name in listed.stdout.splitlines():
        path = REPOSITORY / name
        if path.is_file() and path.suffix in {
            ".py",
            ".toml",
            ".md",
            ".j2",
            ".jinja",
            ".json",
            ".jsonl",
            ".txt",
            ".csv",
            ".html",
            ".yaml",
        }:
            found[name] = path.read_text("utf-8")
    return found


def passages(name: str, text: str) -> list[str]:
    """The texts that a file holds: strings of a program or of TOML, paragraphs of anything else."""
    if name.endswith(".py"):
        nodes = list(ast.walk(ast.parse(text)))
        # A docstring quotes the rules of language that it explains; no program shows one to a model.
        documents = {
            id(n.body[0].value)
            for n in nodes
            if isinstance(n, DOCUMENTED) and n.body and isinstance(n.body[0], ast.Expr)
        }
        return [
            n.value
            for n in nodes
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in documents
        ]
    if name.endswith(".toml"):
        return list(strings_in(tomllib.loads(text)))
    return re.split(r"\n\s*\n", text)


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings_in(inner)


def reads_like_a_report(text: str) -> bool:
    """Four or more statements about the chest, one in fifteen words or more: by `findings`, not by marks."""
    return any(len(findings.read(text, lang=lang)) >= max(4, len(text.split()) / 15) for lang in ("en", "pt"))


def suspicious(name: str, text: str) -> list[str]:
    """Passages that may be somebody's report, in files that are not there to hold invented ones."""
    if name.startswith(INVENTED):
        return []
    return [
        p
        for p in passages(name, text)
        if MARK.search(p) or reads_like_a_report(p) or (ID.search(EXEMPLARS.sub("", p)) and name != PUBLISHED)
    ]


# Invented here, in the form of the one that stood in the source of the study.
REPORT_IN_SOURCE = """Comparação: ___. Achados: há pequeno derrame pleural à esquerda. Não há pneumotórax.
O coração está aumentado. Atelectasia na base direita."""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src/laudo/engines/messages.py", f'EXEMPLAR = """{REPORT_IN_SOURCE}"""'),
        ("src/laudo/engines/messages.py", f'EXEMPLAR = """{REPORT_IN_SOURCE.replace("___", "ontem")}"""'),
        ("src/laudo/experiment/shipped/paper.toml", f'[arms.few_shot]\nprompt = """{REPORT_IN_SOURCE}"""'),
        ("docs/example.md", f"# Exemplo\n\n{REPORT_IN_SOURCE}\n"),
        ("docs/example.md", "O estudo s5" + "0414267 é um exemplo.\n"),
        ("src/laudo/engines/messages.py", 'ASK = "Compare com ___ e descreva."'),
    ],
)
def test_fault_8_the_search_finds_it(name, text):
    assert suspicious(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/data.md", "Dates are replaced by `___`, which must survive translation.\n"),
        ("src/laudo/experiment/shipped/paper.toml", "[arms.few_shot]\nexemplars = [5" + "1234567]\n"),
        ("src/laudo/engines/messages.py", f'REPORT = "{messages.REPORT}"'),
    ],
)
def test_fault_8_the_search_lets_pass_what_is_no_report(name, text):
    assert not suspicious(name, text)


def test_fault_8_no_report_stands_in_the_repository():
    found = tracked()
    assert {"src/laudo/engines/messages.py", "src/laudo/experiment/shipped/demo.toml", "README.md"} <= set(
        found
    ) and len(found) >= 50
    wrong = {name: some for name, text in found.items() if (some := suspicious(name, text))}
    assert not wrong


def test_fault_8_exemplars_are_studies_of_the_user_s_own_copy(by_hand):
    """They are named by number and never by text, which comes from the run's own tables."""
    with pytest.raises(ValueError, match="exemplars"):
        Arm(exemplars=(sections.render(PT, lang="pt"),))
    finished(by_hand, until="training")
    engine = FakeEngine(lambda _: "Normal.")
    generate.run(by_hand, open_engine=lambda _: engine)
    texts = [chat[0]["content"][-1]["text"] for chat in engine.chats]
    exemplar = sections.render(PT, lang="pt")
    assert sum(exemplar in text for text in texts) == 2, "the two test studies, by the few-shot arm alone"


@pytest.mark.parametrize(
    ("exemplars", "message"),
    [
        ((TEST,), f"{TEST} is not an accepted training study"),
        ((TRAIN, 99), "99 is not"),
        (2, "exemplars requested: 2; accepted training studies: 1"),
    ],
)
def test_fault_8_no_exemplar_comes_from_outside_the_accepted_training_studies(by_hand, exemplars, message):
    few_shot = by_hand.experiment.arms["few_shot"].model_copy(update={"exemplars": exemplars})
    experiment = by_hand.experiment.model_copy(update={"arms": {"few_shot": few_shot}})
    with pytest.raises(ExperimentError, match=message) as caught:
        generate.run(plan(experiment, by_hand.run), open_engine=lambda _: FakeEngine(lambda _: ""))
    assert caught.value.where == "[arms.few_shot] exemplars" and str(TRAIN) in caught.value.fix


def test_the_picture_of_these_tests_is_one_the_reader_takes(tmp_path):
    assert images.decode(tmp_path / picture(tmp_path, "a", 0)["path"]).image.size == (40, 48)
