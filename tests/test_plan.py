"""What a change makes stale: just what is made from it. The cases were worked out by hand from the design."""

import copy
import dataclasses
import gzip
import os
import shutil
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from conftest import TINY, finished
from laudo.errors import InputError
from laudo.experiment import Experiment, Plan, needs, plan
from laudo.store import is_done, make, state
from laudo.store.state import Seen

ARMS = ("zero_shot", "few_shot", "lora")
METRICS = ("label_f1", "bertscore_pt", "bertscore_en")


def each(kind: str, *, arms: tuple[str, ...]) -> set[str]:
    return {f"{kind}={arm}" for arm in arms}


def scores(*, arms: tuple[str, ...] = ARMS, metrics: tuple[str, ...] = METRICS) -> set[str]:
    return {f"scores/arm={arm}/{metric}" for arm in arms for metric in metrics}


GENERATIONS, FACTS, LABELS = "generations/arm", "facts/text", "labels/text"
PREPARED = {"texts", "subset", "films", "studies", "census"}
REFERENCES = {"facts/text=en", "facts/text=pt"}


def of_arms(*arms: str) -> set[str]:
    """What an arm's reports are made into."""
    kinds = (each(kind, arms=arms) for kind in (GENERATIONS, FACTS, LABELS))
    return set().union(*kinds) | scores(arms=arms) | {"summary"}


AFTER_VERDICTS = (
    {"training", "labels/text=pt"} | of_arms("few_shot", "lora") | scores(metrics=("bertscore_pt",))
)
AFTER_FACTS = {"checks", "verdicts"} | each(LABELS, arms=("en", "pt", *ARMS)) | scores(metrics=("label_f1",))
AFTER_FACTS |= AFTER_VERDICTS | {"summary"}
AFTER_STUDIES = REFERENCES | {"census", "translations"} | AFTER_FACTS | of_arms(*ARMS)
EVERYTHING = PREPARED | AFTER_STUDIES

CHANGES = {
    "nothing": ({}, set(), set()),
    "the zero-shot arm's prompt": (
        {"arms.zero_shot.prompt": "Laude."},
        {"generations/arm=zero_shot"},
        of_arms("zero_shot"),
    ),
    "an exemplar": ({"arms.few_shot.exemplars": 2}, {"generations/arm=few_shot"}, of_arms("few_shot")),
    # The tuned arm is asked as it was trained.
    "the training prompt": (
        {"train.prompt": "Laude."},
        {"training", "generations/arm=lora"},
        {"training"} | of_arms("lora"),
    ),
    "the learning rate": ({"train.learning_rate": 1e-4}, {"training"}, {"training"} | of_arms("lora")),
    # A control is what is subtracted in the summary.
    "whose pictures an arm sees": (
        {"arms.lora.pictures": "another_patient"},
        {"generations/arm=lora", "summary"},
        of_arms("lora"),
    ),
    "the translation prompt": (
        {"translate.prompt": "Traduza."},
        {"translations"},
        {"translations", "facts/text=pt", "checks", "verdicts"} | AFTER_VERDICTS | {"summary"},
    ),
    "how long a report may be": (
        {"generate.max_new_tokens": 99},
        each(GENERATIONS, arms=ARMS),
        of_arms(*ARMS),
    ),
    "how images become squares": (
        {"reporter.geometry": "squash"},
        each(GENERATIONS, arms=ARMS) | {"training"},
        of_arms(*ARMS) | {"training"},
    ),
    "an encoder's layer": (
        {"evaluate.bertscore_pt.layer": 1},
        scores(metrics=("bertscore_pt",)),
        scores(metrics=("bertscore_pt",)) | {"summary"},
    ),
    "the resampling": ({"evaluate.resamples": 500}, {"summary"}, {"summary"}),
    "a batch size of evaluation": ({"evaluate.batch_size": 1}, set(), set()),
    "the subset": ({"prepare.train": 3}, {"subset"}, EVERYTHING - {"texts"}),
    "how a DICOM becomes grey": ({"prepare.dicom": "mimic_jpg"}, {"films"}, EVERYTHING - {"texts", "subset"}),
    "a policy of the target": ({"prepare.identifiers": "keep"}, {"texts"}, EVERYTHING),
    "the corpus": ({"mimic.phantom.seed": 6}, {"texts", "subset", "studies"}, EVERYTHING),
    "the page": ({"report.examples": 0}, set(), set()),
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


@pytest.fixture(autouse=True)
def without_sync(monkeypatch):
    """What a sync is for is tested in `test_store`."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A finished run of the tiny experiment; every table is without rows, as only what made them counts here."""
    run = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        finished(plan(Experiment.model_validate(tomllib.loads(TINY)), run))
    return run


@pytest.fixture
def run(template, tmp_path):
    """A copy of it that a test may change."""
    return Path(shutil.copytree(template, tmp_path / "finished"))


def words(made: Plan) -> dict[str, str]:
    seen: Seen = {}
    return {partition.name: state(partition, seen).word for partition in made}


def named(made: Plan, *expected: str) -> set[str]:
    return {name for name, word in words(made).items() if word in expected}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_stale_what_it_is_a_setting_of_and_what_follows_waits(tiny, run, change):
    changes, stale, affected = CHANGES[change]
    assert named(plan(changed(tiny, {}), run), "done") == EVERYTHING
    after = plan(changed(tiny, changes), run)
    assert named(after, "stale") == stale
    assert named(after, "waits") == affected - stale
    assert named(after, "done") == EVERYTHING - affected


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_made_again_with_the_same_content_makes_nothing_else(tiny, run, change):
    """Each stale table is made again with the rows it had; what waits for it is then done, untouched."""
    changes, stale, _ = CHANGES[change]
    before = {path: path.stat().st_mtime_ns for path in run.glob("tables/**/done")}
    after = finished(plan(changed(tiny, changes), run))
    assert named(after, "done") == EVERYTHING
    remade = {
        path.parent.relative_to(run / "tables").as_posix()
        for path in before
        if path.stat().st_mtime_ns != before[path]
    }
    assert remade == stale


WORDS = {
    "lexicon_digest": {"texts", "facts/text=en", "facts/text=pt", *each(FACTS, arms=ARMS)},
    "headers_digest": {"texts"},
    "patterns_digest": {"texts"},
    "checks_digest": {"checks", "verdicts"},
    "repairs_digest": {"facts/text=pt", "checks", "verdicts"},
}
"""Which tables read facts, divide reports, cut targets, check and repair."""


@pytest.mark.parametrize("name", WORDS)
def test_a_changed_word_list_counts_where_it_is_used_and_nowhere_else(tiny, run, monkeypatch, name):
    room = {"lexicon": "findings", "headers": "sections", "patterns": "targets"}.get(
        name.split("_")[0], "fidelity"
    )
    monkeypatch.setattr(f"laudo.{room}.{name}", lambda: "another")
    before = {path: path.stat().st_mtime_ns for path in run.glob("tables/**/done")}
    after = finished(plan(changed(tiny, {}), run))
    remade = {
        path.parent.relative_to(run / "tables").as_posix()
        for path in before
        if path.stat().st_mtime_ns != before[path]
    }
    assert remade == WORDS[name] and named(after, "done") == EVERYTHING


def test_the_lexicon_is_no_setting_of_targets_that_keep_every_sentence(tiny, tmp_path, monkeypatch):
    settings = changed(tiny, {"prepare.communication": "keep"})
    finished(plan(settings, tmp_path))
    monkeypatch.setattr("laudo.findings.lexicon_digest", lambda: "another")
    assert named(plan(settings, tmp_path), "stale") == WORDS["lexicon_digest"] - {"texts"}


def test_the_reason_is_the_setting_and_then_what_is_waited_for(tiny, run):
    new = plan(changed(tiny, {"train.learning_rate": 1e-4}), run)
    assert state(new.training).reasons == ("learning_rate: 0.005 -> 0.0001",)
    assert state(new.generations["lora"]).reasons == ("waits for training",)


def test_the_reason_is_then_the_column_that_changed(tiny, run):
    new = plan(changed(tiny, {"train.learning_rate": 1e-4}), run)

    def retrained(folder):
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"other weights")
        return []

    make(new.training, retrained, files="adapter")
    assert state(new.generations["lora"]).reasons == ("training: adapter has changed",)
    assert is_done(new.generations["zero_shot"])


@pytest.mark.parametrize("table", ["texts", "facts", "checks", "generations", "scores", "summary"])
def test_a_raised_recipe_number_makes_its_tables_stale_with_that_reason(tiny, run, monkeypatch, table):
    from laudo.store import tables

    declared = getattr(tables, table.upper())
    monkeypatch.setattr(tables, table.upper(), dataclasses.replace(declared, recipe=declared.recipe + 1))
    after = plan(changed(tiny, {}), run)
    stale = named(after, "stale")
    assert stale == {partition.name for partition in after if partition.table.name == table}
    first = next(partition for partition in after if partition.table.name == table)
    assert state(first).reasons == (
        f"recipe {declared.recipe} -> {declared.recipe + 1}: its code gives other rows since",
    )


def test_every_setting_of_preparation_counts_for_a_table(tiny, tmp_path):
    """A setting that no table has would change rows and make nothing stale."""
    from laudo.experiment import Prepare

    made = plan(changed(tiny, {}), tmp_path)
    prepared = (made.texts, made.subset, made.films, made.studies)
    counted = {name for partition in prepared for name in partition.settings}
    assert {field.alias or name for name, field in Prepare.model_fields.items()} <= counted


def test_an_experiment_without_a_tuned_arm_has_no_training(tiny, tmp_path):
    del tiny["arms"]["lora"]
    made = plan(changed(tiny, {}), tmp_path)
    assert made.training is None and "training" not in {partition.name for partition in made}


def test_a_changed_model_file_is_a_changed_model(tiny, tmp_path):
    model = Path(
        shutil.copytree(str(files("laudo.phantom").joinpath("models", "translator")), tmp_path / "translator")
    )
    e = changed(tiny, {"translate.model": str(model)})
    finished(plan(e, tmp_path / "run"))
    assert named(plan(e, tmp_path / "run"), "done") == EVERYTHING
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert named(plan(e, tmp_path / "run"), "stale") == {"translations"}


def test_retrained_weights_of_the_same_size_are_noticed(tiny, tmp_path, monkeypatch):
    """Large files are only sampled; training moves every weight. `.bin` is how BERTimbau comes."""
    monkeypatch.setattr("laudo.engines.models._WHOLE_BYTES", 2**10)
    monkeypatch.setattr("laudo.engines.models._SAMPLE_BYTES", 2**6)
    for name in ("model.safetensors", "pytorch_model.bin"):
        model = tmp_path / name
        model.mkdir()
        (model / "config.json").write_text("{}", "utf-8")
        (model / name).write_bytes(bytes(2**16))
        e = changed(tiny, {"translate.model": str(model)})
        finished(plan(e, tmp_path / f"run-{name}"))
        assert named(plan(e, tmp_path / f"run-{name}"), "done") == EVERYTHING
        (model / name).write_bytes(bytes(2**10) + b"\1" * (2**16 - 2**10))
        assert named(plan(e, tmp_path / f"run-{name}"), "stale") == {"translations"}


def test_the_same_model_in_another_place_is_the_same_model(tiny, tmp_path):
    """A run may move to another machine; the files count, not where they lie."""
    model = str(files("laudo.phantom").joinpath("models", "translator"))
    finished(plan(changed(tiny, {"translate.model": model}), tmp_path / "run"))
    moved = shutil.copytree(model, tmp_path / "elsewhere" / "translator")
    assert named(plan(changed(tiny, {"translate.model": str(moved)}), tmp_path / "run"), "done") == EVERYTHING


def test_a_new_arm_leaves_the_others_alone(tiny, run):
    new = plan(changed(tiny, {"arms.brief": {"prompt": "Seja breve."}}), run)
    assert named(new, "missing") == of_arms("brief") - {"summary"}
    assert named(new, "stale") == {"summary"}


def test_each_table_comes_after_what_it_is_made_from(tiny, tmp_path):
    seen: set[str] = set()
    for partition in plan(changed(tiny, {}), tmp_path):
        assert {source.partition.name for source in partition.sources} <= seen
        assert all(
            set(source.columns) <= {*source.partition.table.schema.names, "adapter"}
            for source in partition.sources
        )
        seen.add(partition.name)


@pytest.mark.parametrize("model", ["phantom:nobody", "./nowhere", "/nowhere/at/all"])
def test_a_model_folder_that_is_not_there_is_named_before_anything_runs(tiny, tmp_path, model):
    looked_at = plan(changed(tiny, {"translate.model": model}), tmp_path)
    with pytest.raises(InputError, match=f"there is no model '{model}'"):
        needs.require(looked_at, "prepare", "translate")


def test_a_model_of_a_hub_is_its_name_and_revision(tiny, tmp_path):
    old, new = (
        {"translate.model": "someone/model", "translate.revision": revision} for revision in ("v1", "v2")
    )
    finished(plan(changed(tiny, old), tmp_path))
    assert named(plan(changed(tiny, old), tmp_path), "done") == EVERYTHING
    assert named(plan(changed(tiny, new), tmp_path), "stale") == {"translations"}


# --- the corpus --------------------------------------------------------------------------------------


@pytest.fixture
def on_disk(tiny, phantom_copy, tmp_path):
    """A finished run on a copy of the phantom tree, as a plan that is made anew at each call."""
    from laudo.experiment.corpus import remember

    experiment = changed(tiny, {"mimic": {"root": str(phantom_copy)}})

    def planned() -> Plan:
        return plan(experiment, tmp_path / "run")

    first = planned()
    first.run.mkdir()
    remember(first.corpus, first.run)
    finished(first)
    return planned


def test_a_file_put_beside_the_tables_changes_nothing(on_disk, phantom_copy):
    (phantom_copy / "my_notes.csv").write_text("a,b\n", "utf-8")
    (phantom_copy / "mimic-cxr-2.0.0-metadata.csv.gz.bak").write_bytes(b"old")
    assert named(on_disk(), "done") == EVERYTHING


def test_a_table_unzipped_in_its_place_changes_nothing(on_disk, phantom_copy):
    zipped = phantom_copy / "mimic-cxr-2.0.0-split.csv.gz"
    (phantom_copy / "mimic-cxr-2.0.0-split.csv").write_bytes(gzip.decompress(zipped.read_bytes()))
    zipped.unlink()
    assert named(on_disk(), "done") == EVERYTHING


def test_a_changed_table_is_another_corpus(on_disk, phantom_copy):
    table = phantom_copy / "mimic-cxr-2.0.0-chexpert.csv.gz"
    table.write_bytes(gzip.compress(gzip.decompress(table.read_bytes()) + b"\n"))
    assert named(on_disk(), "stale") == {"texts", "subset", "studies"}
    assert state(on_disk().texts).reasons[0].startswith("tables.mimic-cxr-2.0.0-chexpert.csv: ")


def test_a_corpus_that_is_not_mounted_leaves_finished_tables_finished(on_disk, phantom_copy):
    phantom_copy.rename(phantom_copy.with_name("unmounted"))
    assert named(on_disk(), "done") == EVERYTHING
    assert on_disk().corpus.absent == str(phantom_copy)


def test_without_a_name_for_the_corpus_finished_tables_are_finished(on_disk, tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("LAUDO_MIMIC", raising=False)
    del tiny["mimic"]
    made = plan(changed(tiny, {}), tmp_path / "run")
    assert named(made, "done") == EVERYTHING and "no folder is named" in made.corpus.absent


@pytest.mark.parametrize("damage", ["", "{", "[]", "7", '{"tables": 1}'])
def test_a_damaged_memory_of_the_corpus_is_made_again(on_disk, damage):
    (on_disk().run / "corpus.json").write_text(damage, "utf-8")
    assert named(on_disk(), "done") == EVERYTHING
