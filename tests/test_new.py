"""`laudo new`: an experiment that shows and explains every setting, and does what `default` does."""

import re
import tomllib

import pytest
from pydantic import BaseModel

from conftest import assert_one_message
from laudo.errors import ExperimentError
from laudo.experiment import Experiment, load, shipped
from laudo.experiment.writing import write_new

# As the file itself says: a setting that is not used begins with # and no blank.
UNUSED = re.compile(r"^#(?=[\w\[])", re.MULTILINE)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("new") / "my.toml"
    write_new(str(path))
    return path.read_text("utf-8")


def settings_of(model, value, place=()):
    """The dotted names of the settings of a section, and which of them `value`, a TOML table, holds."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        candidates = getattr(field.annotation, "__args__", (field.annotation,))
        section = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if key == "arms":
            yield from settings_of(section, value["arms"]["zero_shot"], ("arms", "zero_shot"))
        elif section:
            yield from settings_of(section, value.get(key, {}), (*place, key))
        else:
            yield ".".join((*place, key)), key in value, field


def test_every_setting_is_in_the_file_as_a_line_or_as_one_that_is_not_used(text):
    """The names come from the settings themselves, so that a setting that is added must be explained."""
    all_lines = tomllib.loads(UNUSED.sub("", text))
    names = {name: is_there for name, is_there, _ in settings_of(Experiment, all_lines)}
    assert {"mimic.phantom.studies", "prepare.validate", "arms.zero_shot.prompt", "report.note"} <= set(names)
    assert [name for name, is_there in names.items() if not is_there] == []


def unused_lines(text):
    """The file with one setting more in use, for every one that is not used: `(dotted name, file)`."""
    lines, section = text.splitlines(), ""
    for number, line in enumerate(lines):
        header = re.fullmatch(r"#?\[([\w.]+)\]", line)
        section = header[1] if header else section
        setting = re.match(r"#(\w+) = ", line)
        if setting and section != "mimic.phantom":  # its lines are an example as a whole
            end = number + 2 if line.endswith("\\") else number + 1  # a text of two lines
            changed = [*lines[:number], *(used[1:] for used in lines[number:end]), *lines[end:]]
            yield f"{section}.{setting[1]}", "\n".join(changed)


def test_a_setting_that_is_not_used_shows_the_value_that_holds_without_it(text, tmp_path):
    """Of a setting that may be absent there is no such value, and the explanation says what holds."""
    used = tomllib.loads(text)
    may_be_absent = {name for name, _, field in settings_of(Experiment, used) if field.default is None}
    without = Experiment.model_validate(used)
    seen = []
    for name, changed in unused_lines(text):
        experiment = Experiment.model_validate(tomllib.loads(changed))
        assert experiment == without or name in may_be_absent, name
        seen.append(name)
    assert {"translate.prompt", "train.r", "evaluate.resamples", "arms.zero_shot.exemplars"} <= set(seen)


def test_the_examples_of_the_prompts_are_those_that_hold(text):
    all_lines = Experiment.model_validate(tomllib.loads(UNUSED.sub("", text)))
    used = load("default")
    assert {arm: all_lines.prompt_of(arm) for arm in used.arms} == {
        arm: used.prompt_of(arm) for arm in used.arms
    }


def test_a_value_that_is_not_the_setting_s_own_says_what_holds_without_the_line(text):
    used = tomllib.loads(text)
    for name, is_there, field in settings_of(Experiment, used):
        if not is_there or field.is_required() or field.default is None:
            continue
        *section, key = name.split(".")
        value = used
        for part in (*section, key):
            value = value[part]
        if value != field.default:
            explained = text.partition(f"[{'.'.join(section)}]")[2].partition(f"\n{key} = ")[0]
            last = explained.rpartition("\n\n")[2]
            shown = str(field.default).lower() if isinstance(field.default, bool) else repr(field.default)
            assert f"Without this line: {shown.replace(chr(39), chr(34))}." in last, name


def test_what_new_writes_does_what_default_does(tmp_path, laudo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = laudo("new", "my-study.v2.toml")
    assert (ended.code, ended.err) == (0, "")
    assert "laudo prepare my-study.v2.toml --describe" in ended.out
    experiment = load("my-study.v2.toml")
    assert experiment.name == "my-study.v2"
    assert experiment.model_copy(update={"name": "default"}) == load("default")


def test_a_file_is_never_overwritten(tmp_path, laudo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.toml").write_text("mine", "utf-8")
    assert_one_message(laudo("new", "my.toml"), "my.toml exists", "fix: laudo new my_2.toml")
    assert (tmp_path / "my.toml").read_text("utf-8") == "mine"
    assert laudo("new", "my_2.toml").code == 0
    assert_one_message(laudo("new", "my.toml"), "fix: laudo new my_3.toml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.toml", "my_2.toml"]


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("my", "my.toml"),
        ("my.tml", "my.tml.toml"),
        ("meu estudo.toml", "meu_estudo.toml"),
        ("Experiência nº 2.toml", "Experiencia_no_2.toml"),
        ("-x.toml", "x.toml"),
        (".toml", "my.toml"),
        ("..toml", "my.toml"),
        ("实验.toml", "my.toml"),
        *[(f"{name}.toml", f"my_{name}.toml") for name in shipped()],
    ],
)
def test_a_name_that_cannot_be_one_is_refused_with_one_that_can(tmp_path, name, fixed):
    with pytest.raises(ExperimentError) as caught:
        write_new(str(tmp_path / name))
    assert caught.value.fix.startswith("laudo new ") and caught.value.fix.endswith(f"/{fixed}")
    assert list(tmp_path.iterdir()) == []
    write_new(str(tmp_path / fixed))
    assert load(str(tmp_path / fixed)).name == fixed.removesuffix(".toml")


def test_a_folder_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(ExperimentError, match="no folder") as caught:
        write_new(str(tmp_path / "studies" / "my.toml"))
    assert caught.value.fix == f"mkdir -p {tmp_path / 'studies'}"


@pytest.mark.parametrize("name", ["default", "paper"])
def test_the_shipped_experiments_show_where_the_corpus_and_its_reports_are_named(name):
    from importlib.resources import files

    shown = (files("laudo.experiment") / "shipped" / f"{name}.toml").read_text("utf-8")
    mimic = tomllib.loads(UNUSED.sub("", shown))["mimic"]
    assert {"root", "reports"} <= set(mimic)
    assert load(name).mimic.root is None is load(name).mimic.reports
    for variable in ("LAUDO_MIMIC", "LAUDO_REPORTS"):
        assert variable in shown
