"""Eight faults of the code of the study that this package follows up; each test fails if its fault comes back.

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
from conftest import study_row
from laudo import (
    bertscore,
    chat_hf,
    evaluate,
    findings,
    generate,
    images,
    prepare,
    prompts,
    records,
    sections,
    train,
)
from laudo.chat import FakeChat
from laudo.config import Arm, Experiment, Model
from laudo.errors import ExperimentError, NotReady
from laudo.plan import Plan, plan
from laudo.stats import Cohort
from laudo.store import fill, is_done, read

PACKAGE = Path(laudo.__path__[0])
REPOSITORY = PACKAGE.parent.parent
REPORTER = Model(model="phantom:reporter")

# --- a study by hand -----------------------------------------------------------------------------------------

TRAIN, VALIDATE, TEST, OTHER_TEST = 51, 52, 53, 54
EN = {"findings": "No pleural effusion. The heart is enlarged.", "impression": "Cardiomegaly."}
PT = {"findings": "Sem derrame pleural. O coração está aumentado.", "impression": "Cardiomegalia."}


def picture(folder: Path, name: str, shade: int) -> dict[str, str]:
    pixels = np.add.outer(np.arange(48), np.arange(40)) + shade
    path = folder / "images" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return {"dicom_id": name, "view": "PA", "path": f"images/{name}.jpg"}


@pytest.fixture
def by_hand(tiny, tmp_path) -> Plan:
    """Four studies up to their verdicts, all with the same two pictures and the same report."""
    tiny["arms"] = {"zero_shot": {}, "few_shot": {"exemplars": [TRAIN]}, "lora": {"adapter": True}}
    made = plan(Experiment.model_validate(tiny), tmp_path)
    shown = [picture(tmp_path, "a", 0), picture(tmp_path, "b", 120)]
    splits = {TRAIN: "train", VALIDATE: "validate", TEST: "test", OTHER_TEST: "test"}
    studies = {
        n: study_row(study_id=n, subject_id=n - 40, split=split, images=shown, sections=EN, target=EN)
        for n, split in splits.items()
    }
    verdicts = {n: {"study_id": n, "verdict": "accepted", "sections_pt": PT} for n in studies}
    fill(made.films, [], lambda keys: [], part_size=9)
    fill(made.studies, [(n,) for n in studies], lambda keys: [studies[n] for (n,) in keys], part_size=9)
    for empty in (made.translations, made.checks):
        fill(empty, [], lambda keys: [], part_size=9)
    fill(made.verdicts, [(n,) for n in verdicts], lambda keys: [verdicts[n] for (n,) in keys], part_size=9)
    return made


def generated(made: Plan, reports: dict[str, str]) -> None:
    """Fills `generations` of every arm with one report for each test study."""
    fill(made.training, [], lambda keys: [], part_size=9)
    for arm, text in reports.items():
        rows = [
            {"study_id": n, "arm": arm, "sample": 0, "prompt": "", "completion": text, "stop": "end", "images": [], "prompt_tokens": 0,
             "new_tokens": 1, "seconds": 0.0}
            for n in (TEST, OTHER_TEST)
        ]  # fmt: skip
        fill(
            made.generations[arm], [(r["study_id"],) for r in rows], lambda keys, rows=rows: rows, part_size=9
        )


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


# --- 1 -------------------------------------------------------------------------------------------------------
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
        for row in read(prepared(tiny, phantom_tree / "mimic", tmp_path / "whole").studies)
    }
    places = sorted(phantom_copy.glob("files/*/*/s*"))
    no_images, no_report = (int(place.name[1:]) for place in (places[3], places[6]))
    shutil.rmtree(places[3])
    with zipfile.ZipFile(phantom_copy / "mimic-cxr-reports.zip") as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if f"s{no_report}" not in name}
    repack(phantom_copy, kept)
    turn_round(phantom_copy)

    made = prepared(tiny, phantom_copy, tmp_path / "torn")
    found = {row["study_id"]: row for row in read(made.studies)}
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
    made = prepared({**tiny, "arms": {"zero_shot": {}}}, phantom_copy, tmp_path / "run")
    used = {row["study_id"]: row for row in read(made.studies) if not row["excluded"]}
    for empty in (made.translations, made.checks):
        fill(empty, [], lambda keys: [], part_size=9)
    rows = [
        {"study_id": n, "verdict": "accepted", "sections_pt": {"findings": f"Laudo de {n}."}} for n in used
    ]
    fill(made.verdicts, [(n,) for n in used], lambda keys: rows, part_size=99)
    pairs = [pair for split in ("train", "validate") for pair in train.answers(made, split)]
    assert len(pairs) >= 4
    for study, answer in pairs:
        assert answer == f"ACHADOS: Laudo de {study['study_id']}." and all(
            f"/s{study['study_id']}/" in i["path"] for i in study["images"]
        )
    generate.run(
        made, open_chat=lambda _: FakeChat(lambda messages: f"{len(messages[0]['content']) - 1} imagens")
    )
    written = read(made.generations["zero_shot"])
    assert len(written) >= 2
    for row in written:
        own = used[row["study_id"]]["images"]
        assert (
            row["images"] == [image["dicom_id"] for image in own]
            and row["completion"] == f"{len(own)} imagens"
        )


# --- 2 -------------------------------------------------------------------------------------------------------
# The whole output was decoded, prompt included; the few-shot prompt held a report, so it scored as one.


def test_fault_2_an_answer_holds_only_new_tokens():
    chat = chat_hf.HFChat(REPORTER)
    pixels = Image.fromarray(np.arange(96 * 96, dtype=np.uint16).reshape(96, 96).astype(np.uint8)).convert(
        "RGB"
    )
    exemplar = "ACHADOS: Sem derrame pleural. Sem pneumotórax. O coração está aumentado. Fratura da sexta costela à esquerda."
    short = prompts.of_pictures([pixels], prompt=prompts.REPORT)
    long = prompts.of_pictures([pixels, pixels], prompt=prompts.REPORT, exemplars=[exemplar])
    # In one batch, so that one of them is padded.
    for messages, reply in zip((short, long), chat.reply([short, long], max_new_tokens=6), strict=True):
        alone = chat_hf.encode(chat.processor, [messages])["input_ids"]
        assert reply.prompt == chat_hf.render(chat.processor, messages)
        assert reply.prompt_tokens == alone.shape[1]
        assert reply.new_tokens <= 6
        assert (
            len(chat_hf.tokenizer_of(chat.processor)(reply.text, add_special_tokens=False).input_ids) <= 6 + 1
        )
        for asked in (prompts.REPORT, exemplar, prompts.EXEMPLAR, "user", "model\n"):
            assert asked not in reply.text
    assert exemplar in reply.prompt


def test_fault_2_prompt_and_completion_are_separate_columns(by_hand):
    arms = {
        "zero_shot": by_hand.experiment.arms["zero_shot"],
        "few_shot": by_hand.experiment.arms["few_shot"],
    }
    fill(by_hand.training, [], lambda keys: [], part_size=9)
    generate.run(by_hand, open_chat=lambda _: FakeChat(lambda _: "Sem alterações."))
    for arm in arms:
        for row in read(by_hand.generations[arm]):
            assert row["completion"] == "Sem alterações."
            assert (sections.render(PT, lang="pt") in row["prompt"]) == (arm == "few_shot")


# --- 3 -------------------------------------------------------------------------------------------------------
# `score(reference, generated)` was called on a function that takes candidates first: P and R were swapped.


def test_fault_3_candidates_and_references_cannot_be_swapped():
    parameters = inspect.signature(bertscore.score).parameters
    assert set(parameters) == {"candidates", "references", "encoder"}
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    # All three words of the candidate are in the reference, and three of the reference's six in the candidate.
    score = bertscore.score(
        candidates=["sem derrame pleural"],
        references=["sem derrame pleural nem outra alteração"],
        encoder=Words(),
    )[0]
    assert (score.precision, score.recall) == (1.0, 0.5)


def test_fault_3_precision_is_of_the_report_and_recall_of_the_reference(by_hand, monkeypatch):
    """By hand: the report's 4 words are all among the reference's 10 (one heading and 7 words, one heading and 1)."""
    monkeypatch.setattr(bertscore, "Encoder", Words)
    generated(by_hand, dict.fromkeys(by_hand.experiment.arms, "Achados: sem derrame pleural."))
    evaluate.run(by_hand)
    values = {
        row["metric"]: row["value"] for row in read(by_hand.scores["zero_shot"]) if row["study_id"] == TEST
    }
    assert values["bertscore_pt_precision"] == pytest.approx(1.0)
    assert values["bertscore_pt_recall"] == pytest.approx(4 / 10)


# --- 4 -------------------------------------------------------------------------------------------------------
# Training and generation differed in the instruction, in images before or after it, in how many images, and
# generation was asked without the header of the model's turn.


def test_fault_4_training_and_generation_ask_in_the_same_way(by_hand, monkeypatch):
    taught = []
    real = train.example

    def example(processor, messages, answer):
        taught.append(messages)
        return real(processor, messages, answer)

    monkeypatch.setattr(train, "example", example)
    train.run(by_hand)
    chat = FakeChat(lambda _: "Sem alterações.")
    generate.run(by_hand, open_chat=lambda adapter: chat if adapter else FakeChat(lambda _: ""))
    processor = chat_hf.load(REPORTER)[1]
    assert len(taught) >= 2 and len(chat.asked) == 2
    lessons, questions = (
        [as_seen(processor, messages) for messages in some] for some in (taught, chat.asked)
    )
    # The four studies have the same pictures, so that all of them must come to the same.
    assert all(lesson == questions[0] for lesson in lessons + questions)


def as_seen(processor, messages):
    """What the model gets: the text, the pictures in their order, and every tensor; checked on the way."""
    text = chat_hf.render(processor, messages)
    kinds = [item["type"] for item in messages[0]["content"]]
    assert len(messages) == 1 and kinds == ["image", "image", "text"], (
        "pictures first, both of them, one turn"
    )
    assert text.endswith("<start_of_turn>model\n")
    assert prompts.REPORT in text
    tensors = chat_hf.encode(processor, [messages])
    bos = chat_hf.tokenizer_of(processor).bos_token_id
    assert tensors["input_ids"][0].tolist().count(bos) == 1 and tensors["input_ids"][0, 0] == bos
    assert len(tensors["pixel_values"]) == 2
    return text, {name: value.tolist() for name, value in tensors.items()}


def test_fault_4_a_study_s_tokens_in_training_begin_with_those_it_is_asked_with(by_hand):
    processor = chat_hf.load(REPORTER)[1]
    study, answer = train.answers(by_hand, "train")[0]
    e = by_hand.experiment
    messages = prompts.report(
        study["images"],
        run=by_hand.run,
        size_px=e.prepare.size_px,
        geometry=e.generate.geometry,
        prompt=e.train.prompt,
    )
    asked, taught = chat_hf.encode(processor, [messages]), train.example(processor, messages, answer)
    length = asked["input_ids"].shape[1]
    for name in ("input_ids", "token_type_ids"):
        assert taught[name][:length].tolist() == asked[name][0].tolist()
    assert taught["pixel_values"].equal(asked["pixel_values"])


def test_the_prior_s_report_is_asked_with_in_training_and_in_generation_alike(by_hand, monkeypatch):
    """As `priors = "supply"` leaves it in `studies`; the words around it are those of `prompts`."""
    prior = "FINDINGS: A small effusion."
    given = lambda p, **o: [r | {"prior_report": prior} if "prior_report" in r else r for r in read(p, **o)]  # noqa: E731
    for stage in (train, generate):
        monkeypatch.setattr(stage, "read", given)
    asked = []
    chat = FakeChat(lambda messages: asked.append(messages) or "Laudo.")
    by_hand.experiment.arms.pop("lora")
    by_hand.experiment.arms.pop("few_shot")
    generate.run(by_hand, open_chat=lambda _: chat)
    monkeypatch.setattr(train, "example", lambda _, messages, answer: asked.append(messages))
    train._Examples(by_hand, None, train.answers(by_hand, "train"))[0]
    texts = [message["content"][-1]["text"] for (message,) in asked]
    assert len(texts) == 3 and set(texts) == {f"{prompts.REPORT}\n\n{prompts.PRIOR}\n{prior}"}


# --- 5 -------------------------------------------------------------------------------------------------------
# The mask compared a tensor with a list, which is False: nothing was masked, neither prompt nor images.


@pytest.mark.parametrize("pictures", [1, 2])
def test_fault_5_what_is_learnt_is_exactly_the_report_and_the_end_of_the_turn(pictures):
    processor = chat_hf.load(REPORTER)[1]
    tokenizer = chat_hf.tokenizer_of(processor)
    shown = [Image.new("RGB", (40, 48), (90 * n, 10, 10)) for n in range(1, pictures + 1)]
    messages, answer = prompts.of_pictures(shown, prompt=prompts.REPORT), sections.render(PT, lang="pt")
    made = train.example(processor, messages, answer)
    learnt = made["labels"] != train.IGNORED
    assert tokenizer.decode(made["labels"][learnt]) == f"{answer}<end_of_turn>\n"
    assert made["input_ids"][learnt].equal(made["labels"][learnt])
    assert tokenizer.decode(made["input_ids"][~learnt]) == tokenizer.decode(
        chat_hf.encode(processor, [messages])["input_ids"][0]
    )
    image_tokens = made["token_type_ids"] == 1
    assert int(image_tokens.sum()) == pictures * processor.image_seq_length
    assert not (image_tokens & learnt).any()
    assert not {tokenizer.bos_token_id, tokenizer.pad_token_id} & set(made["labels"].tolist())


def test_fault_5_padding_is_not_learnt_either():
    processor = chat_hf.load(REPORTER)[1]
    pad = chat_hf.tokenizer_of(processor).pad_token_id
    messages = prompts.of_pictures([Image.new("RGB", (40, 48))], prompt=prompts.REPORT)
    examples = [
        train.example(processor, messages, answer)
        for answer in ("Normal.", "Derrame pleural à esquerda e cardiomegalia.")
    ]
    batch = train.collate(examples, pad=pad)
    for row, made in zip(range(2), examples, strict=True):
        length = len(made["input_ids"])
        assert batch["labels"][row, :length].equal(made["labels"])
        assert set(batch["labels"][row, length:].tolist()) <= {train.IGNORED}
        assert batch["attention_mask"][row].sum() == length


# --- 6 -------------------------------------------------------------------------------------------------------
# Means stood among the studies, in one dictionary with their ids.


def test_fault_6_scores_are_one_row_a_value_and_figures_live_elsewhere(by_hand, monkeypatch):
    monkeypatch.setattr(bertscore, "Encoder", Words)
    generated(by_hand, {"zero_shot": "Cardiomegalia.", "few_shot": "", "lora": "Derrame pleural."})
    evaluate.run(by_hand)
    names = {
        f"bertscore_{lang}_{part}" for lang in ("en", "pt") for part in ("precision", "recall", "f1")
    } | {"label_tp", "label_fp", "label_fn"}
    for arm in by_hand.experiment.arms:
        rows = read(by_hand.scores[arm])
        assert Counter((row["study_id"], row["metric"]) for row in rows) == Counter(
            (n, name) for n in (TEST, OTHER_TEST) for name in names
        )
        assert {row["arm"] for row in rows} == {arm} and {row["subject_id"] for row in rows} == {
            TEST - 40,
            OTHER_TEST - 40,
        }
    figures = read(by_hand.summary)
    assert {row["arm"] for row in figures} == set(by_hand.experiment.arms)
    assert "study_id" not in records.SUMMARY.schema.names and records.SCORES.key == (
        "study_id",
        "arm",
        "metric",
        "reference",
    )


def test_an_empty_report_earns_no_label(by_hand, monkeypatch):
    """Read as a text it would state No Finding, and be right about every normal study."""
    monkeypatch.setattr(bertscore, "Encoder", Words)
    generated(by_hand, {"zero_shot": " \n", "few_shot": "", "lora": "Cardiomegalia."})
    evaluate.run(by_hand)
    for arm in ("zero_shot", "few_shot"):
        assert {row["value"] for row in read(by_hand.labels[arm])} == {None}
        said = {
            (row["metric"], row["value"]) for row in read(by_hand.scores[arm]) if row["metric"][:5] == "label"
        }
        assert said == {("label_tp", 0.0), ("label_fp", 0.0), ("label_fn", 1.0)}


def test_patients_of_excluded_studies_are_not_resampled(by_hand, monkeypatch):
    cohorts = []
    monkeypatch.setattr(bertscore, "Encoder", Words)
    monkeypatch.setattr(
        evaluate, "Cohort", lambda patients, **o: cohorts.append(patients) or Cohort(patients, **o)
    )
    monkeypatch.setattr(
        evaluate, "read",
        # A study is excluded for those who ask for the ones used.
        lambda p, **o: [r for r in read(p, **o) if o.get("where") is None or r["study_id"] != OTHER_TEST],
    )  # fmt: skip
    generated(by_hand, dict.fromkeys(by_hand.experiment.arms, "Cardiomegalia."))
    evaluate.run(by_hand)
    assert set(cohorts[0]) == {TEST}


def test_without_a_test_study_generation_says_so(by_hand, monkeypatch):
    monkeypatch.setattr(
        generate, "read", lambda p, **o: [r for r in read(p, **o) if r.get("split") != "test"]
    )
    with pytest.raises(NotReady, match="no test study"):
        generate.run(by_hand, open_chat=lambda _: FakeChat(lambda chat: ""))


# --- 7 -------------------------------------------------------------------------------------------------------
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
    # The command line's own handlers print a user's mistake, a missing extra or an interrupt, and exit non-zero.
    found = {
        path.name: swallowed(source)
        for path, source in sources.items()
        if swallowed(source) and path.name != "cli.py"
    }
    assert not found
    assert len(swallowed((PACKAGE / "cli.py").read_text("utf-8"))) <= 3


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
    monkeypatch.setattr("laudo.spread.workers", lambda: 1)
    made = prepared(tiny, phantom_tree / "mimic", tmp_path / "run")
    assert is_done(made.studies) and len(read(made.studies)) == 12


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


# --- 8 -------------------------------------------------------------------------------------------------------
# A translated report with `___`, the mark of de-identification, stood in the source as the few-shot example.

MARK = re.compile(r"(?<![_\w\"'`])_{3,}(?![_\w\"'`])")
ID = re.compile(r"\b[sp]?[15]\d{7}\b")
# What is written to be a report: the phantom's wordings, the examples of the lexicon, and the tests' invented texts.
INVENTED = (
    "src/laudo/phantom/",
    "tests/",
    "src/laudo/findings/",
    "docs/findings.md",
    "src/laudo/prepare/sentences.toml",
    "recipes/",
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
EXEMPLARS = re.compile(r"exemplars\s*=\s*\[[^\]]*\]")
# Names studies and says nothing of them: those that MIT-LCP's published section parser treats by their number.
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
    """Four or more statements about the chest, one in fifteen words or more: by `findings`, not by any mark."""
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
        ("src/laudo/prompts.py", f'EXEMPLAR = """{REPORT_IN_SOURCE}"""'),
        ("src/laudo/prompts.py", f'EXEMPLAR = """{REPORT_IN_SOURCE.replace("___", "ontem")}"""'),
        ("src/laudo/experiments/paper.toml", f'[arms.few_shot]\nprompt = """{REPORT_IN_SOURCE}"""'),
        ("docs/example.md", f"# Exemplo\n\n{REPORT_IN_SOURCE}\n"),
        ("docs/example.md", "O estudo s5" + "0414267 é um exemplo.\n"),
        ("src/laudo/prompts.py", 'ASK = "Compare com ___ e descreva."'),
    ],
)
def test_fault_8_the_search_finds_it(name, text):
    assert suspicious(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/data.md", "Dates are replaced by `___`, which must survive translation.\n"),
        ("src/laudo/experiments/paper.toml", "[arms.few_shot]\nexemplars = [5" + "1234567]\n"),
        ("src/laudo/prompts.py", f'REPORT = "{prompts.REPORT}"'),
    ],
)
def test_fault_8_the_search_lets_pass_what_is_no_report(name, text):
    assert not suspicious(name, text)


def test_fault_8_no_report_stands_in_the_repository():
    found = tracked()
    assert {"src/laudo/prompts.py", "src/laudo/experiments/demo.toml", "README.md"} <= set(found) and len(
        found
    ) >= 50
    wrong = {name: some for name, text in found.items() if (some := suspicious(name, text))}
    assert not wrong


def test_fault_8_exemplars_are_studies_of_the_user_s_own_copy(by_hand):
    """They are named by number and never by text, which comes from the run's own tables."""
    with pytest.raises(ValueError, match="exemplars"):
        Arm(exemplars=(sections.render(PT, lang="pt"),))
    fill(by_hand.training, [], lambda keys: [], part_size=9)
    chat = FakeChat(lambda _: "Normal.")
    generate.run(by_hand, open_chat=lambda _: chat)
    asked = [messages[0]["content"][-1]["text"] for messages in chat.asked]
    assert sum(sections.render(PT, lang="pt") in text for text in asked) == 2, (
        "the two test studies, by the few-shot arm alone"
    )


@pytest.mark.parametrize(
    ("exemplars", "said"),
    [
        ((TEST,), f"{TEST} is not an accepted training study"),
        ((TRAIN, 99), "99 is not"),
        (2, "2 asked for, 1 accepted training studies there"),
    ],
)
def test_fault_8_no_exemplar_comes_from_outside_the_accepted_training_studies(by_hand, exemplars, said):
    few_shot = by_hand.experiment.arms["few_shot"].model_copy(update={"exemplars": exemplars})
    e = by_hand.experiment.model_copy(update={"arms": {"few_shot": few_shot}})
    with pytest.raises(ExperimentError, match=said) as caught:
        generate.run(plan(e, by_hand.run), open_chat=lambda _: FakeChat(lambda _: ""))
    assert caught.value.where == "[arms.few_shot] exemplars" and str(TRAIN) in caught.value.mend


def test_the_picture_of_these_tests_is_one_the_reader_takes(tmp_path):
    assert images.load(tmp_path / picture(tmp_path, "a", 0)["path"]).size == (40, 48)
