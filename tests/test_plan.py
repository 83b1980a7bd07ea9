"""What a change makes stale: exactly what is made from it. The cases were worked out by hand from the design."""

import copy
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from laudo.config import Experiment
from laudo.errors import InputError
from laudo.plan import Plan, plan
from laudo.store import fill, state

ARMS = ("zero_shot", "few_shot", "lora")


def each(*kinds: str, arms: tuple[str, ...]) -> set[str]:
    return {f"{kind}={arm}" for kind in kinds for arm in arms}


GENERATIONS, LABELS, SCORES = "generations/arm", "labels/text", "scores/arm"
PER_ARM = (GENERATIONS, LABELS, SCORES)
EVERYTHING = {
    "films",
    "studies",
    "translations",
    "checks",
    "verdicts",
    "training",
    "labels/text=en",
    "labels/text=pt",
    "summary",
} | each(*PER_ARM, arms=ARMS)
ALL_SCORES = each(SCORES, arms=ARMS) | {"summary"}
TUNED = {"training", "summary"} | each(*PER_ARM, arms=("lora",))
# The reference in Portuguese enters every score; the exemplar and what is learnt are translations too.
AFTER_TRANSLATIONS = (
    {"translations", "checks", "verdicts", "labels/text=pt", "training"}
    | each(GENERATIONS, LABELS, arms=("few_shot", "lora"))
    | ALL_SCORES
)

CHANGES = {
    "nothing": ({}, set()),
    "the zero-shot arm's prompt": (
        {"arms.zero_shot.prompt": "Laude."},
        each(*PER_ARM, arms=("zero_shot",)) | {"summary"},
    ),
    "an exemplar": ({"arms.few_shot.exemplars": 2}, each(*PER_ARM, arms=("few_shot",)) | {"summary"}),
    "the training prompt": ({"train.prompt": "Laude."}, TUNED),
    "the learning rate": ({"train.learning_rate": 1e-4}, TUNED),
    "whose pictures an arm sees": ({"arms.lora.pictures": "another_patient"}, TUNED - {"training"}),
    "the translation prompt": ({"translate.prompt": "Traduza."}, AFTER_TRANSLATIONS),
    "how long a report may be": ({"generate.max_new_tokens": 99}, each(*PER_ARM, arms=ARMS) | {"summary"}),
    "how images are squared": (
        {"generate.geometry": "squash"},
        each(*PER_ARM, arms=ARMS) | {"training", "summary"},
    ),
    "an encoder's layer": ({"evaluate.bertscore_pt.layer": 1}, ALL_SCORES),
    "the resampling": ({"evaluate.resamples": 500}, {"summary"}),
    "a batch size of evaluation": ({"evaluate.batch_size": 1}, set()),
    "the subset": ({"prepare.train": 3}, EVERYTHING),
    "the corpus": ({"mimic.phantom.seed": 6}, EVERYTHING),
    "the page": ({"report.examples": 0}, set()),
}


def changed(settings: dict, changes: dict) -> Experiment:
    settings = copy.deepcopy(settings)
    for path, value in changes.items():
        *sections, key = path.split(".")
        inner = settings
        for section in sections:
            inner = inner[section]
        inner[key] = value
    return Experiment.model_validate(settings)


def finished(made: Plan) -> Plan:
    """Every table done, without rows: only what they were made from counts here."""
    for partition in made:
        fill(partition, [], lambda keys: [], part_size=1)
    return made


def stale(made: Plan) -> set[str]:
    words = {partition.name: state(partition).word for partition in made}
    assert set(words.values()) <= {"done", "stale"}
    return {name for name, word in words.items() if word == "stale"}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_exactly_what_depends_on_it_stale(tiny, tmp_path, change):
    changes, expected = CHANGES[change]
    assert {partition.name for partition in finished(plan(changed(tiny, {}), tmp_path))} == EVERYTHING
    assert stale(plan(changed(tiny, changes), tmp_path)) == expected


def test_the_reason_is_the_setting_and_then_the_table_that_changed(tiny, tmp_path):
    finished(plan(changed(tiny, {}), tmp_path))
    new = plan(changed(tiny, {"train.learning_rate": 1e-4}), tmp_path)
    assert state(new.training).reasons == ("learning_rate: 0.005 -> 0.0001",)
    assert state(new.generations["lora"]).reasons == ("training has changed",)


def test_a_changed_model_file_is_a_changed_model(tiny, tmp_path):
    model = Path(
        shutil.copytree(str(files("laudo.phantom").joinpath("models", "translator")), tmp_path / "translator")
    )
    e = changed(tiny, {"translate.model": str(model)})
    finished(plan(e, tmp_path / "run"))
    assert stale(plan(e, tmp_path / "run")) == set()
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert stale(plan(e, tmp_path / "run")) == AFTER_TRANSLATIONS


def test_retrained_weights_of_the_same_size_are_noticed(tiny, tmp_path, monkeypatch):
    """Large files are only sampled; training moves every weight. `.bin` is how BERTimbau comes."""
    monkeypatch.setattr("laudo.models._WHOLE_BYTES", 2**10)
    monkeypatch.setattr("laudo.models._SAMPLE_BYTES", 2**6)
    for name in ("model.safetensors", "pytorch_model.bin"):
        model = tmp_path / name
        model.mkdir()
        (model / "config.json").write_text("{}", "utf-8")
        (model / name).write_bytes(bytes(2**16))
        e = changed(tiny, {"translate.model": str(model)})
        finished(plan(e, tmp_path / f"run-{name}"))
        assert stale(plan(e, tmp_path / f"run-{name}")) == set()
        (model / name).write_bytes(bytes(2**10) + b"\1" * (2**16 - 2**10))
        assert stale(plan(e, tmp_path / f"run-{name}")) == AFTER_TRANSLATIONS


def test_the_same_model_in_another_place_is_the_same_model(tiny, tmp_path):
    """A run may move to another machine; the files count, not where they lie."""
    model = str(files("laudo.phantom").joinpath("models", "translator"))
    finished(plan(changed(tiny, {"translate.model": model}), tmp_path / "run"))
    moved = shutil.copytree(model, tmp_path / "elsewhere" / "translator")
    assert stale(plan(changed(tiny, {"translate.model": str(moved)}), tmp_path / "run")) == set()


def test_a_new_arm_leaves_the_others_alone(tiny, tmp_path):
    finished(plan(changed(tiny, {}), tmp_path))
    new = plan(changed(tiny, {"arms.brief": {"prompt": "Seja breve."}}), tmp_path)
    words = {partition.name: state(partition).word for partition in new}
    assert {name for name, word in words.items() if word == "missing"} == each(*PER_ARM, arms=("brief",))
    assert {name for name, word in words.items() if word == "stale"} == {"summary"}


def test_each_table_comes_after_what_it_is_made_from(tiny, tmp_path):
    seen: set[str] = set()
    for partition in plan(changed(tiny, {}), tmp_path):
        assert {made.name for made in partition.inputs} <= seen
        seen.add(partition.name)


@pytest.mark.parametrize("model", ["phantom:nobody", "./nowhere", "/nowhere/at/all"])
def test_a_model_folder_that_is_not_there_is_named_before_anything_runs(tiny, tmp_path, model):
    with pytest.raises(InputError, match=f"there is no model '{model}'"):
        plan(changed(tiny, {"translate.model": model}), tmp_path)


def test_a_model_of_a_hub_is_its_name_and_revision(tiny, tmp_path):
    old, new = (
        {"translate.model": "someone/model", "translate.revision": revision} for revision in ("v1", "v2")
    )
    finished(plan(changed(tiny, old), tmp_path))
    assert stale(plan(changed(tiny, old), tmp_path)) == set()
    assert stale(plan(changed(tiny, new), tmp_path)) == AFTER_TRANSLATIONS


def test_another_table_in_the_mimic_folder_is_another_corpus(tiny, tmp_path):
    root = tmp_path / "mimic"
    root.mkdir()
    (root / "mimic-cxr-2.0.0-metadata.csv").write_text("a,b\n", "utf-8")
    e = changed(tiny, {"mimic": {"root": str(root)}})
    finished(plan(e, tmp_path / "run"))
    (root / "mimic-cxr-2.0.0-metadata.csv").write_text("a,b\n1,2\n", "utf-8")
    assert stale(plan(e, tmp_path / "run")) == EVERYTHING
