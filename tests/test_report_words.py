"""The two catalogues of the page: complete, alike, all used, and the only place where its words stand."""

import ast
import re
import string
from collections.abc import Iterator
from enum import StrEnum
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from laudo import report, vocabulary
from laudo.mimic import release
from laudo.report.catalogue import Catalogue
from laudo.report.sections import SECTIONS
from laudo.report.sections.corpus import name_of_count
from laudo.vocabulary import EXCLUSION_WITHOUT_IMAGE, LABELS, SPLITS, ImageExclusion

PACKAGE = Path(report.__path__[0])
TEMPLATES = sorted((PACKAGE / "templates").glob("*.j2"))
MODULES = sorted(PACKAGE.rglob("*.py"))
LANGUAGES = ("pt", "en")
ENUMERATIONS = [
    value for value in vars(vocabulary).values() if isinstance(value, type) and issubclass(value, StrEnum)
]
METHODS = {"text", "html"}
"""The methods of a catalogue that take a key."""


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> Catalogue:
    return Catalogue(request.param)


# --- the catalogues ----------------------------------------------------------------------------------------


def test_both_have_the_same_keys_and_placeholders() -> None:
    pt, en = (Catalogue(language).entries for language in LANGUAGES)
    assert list(pt) == list(en)
    assert {key: placeholders(pt[key]) for key in pt} == {key: placeholders(en[key]) for key in pt}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_have_the_same_markup() -> None:
    pt, en = (Catalogue(language).entries for language in LANGUAGES)
    tags = re.compile(r"<.*?>")
    assert {key: sorted(tags.findall(pt[key])) for key in pt} == {
        key: sorted(tags.findall(en[key])) for key in pt
    }


def test_every_word_of_the_vocabulary_has_one_for_the_reader(words: Catalogue) -> None:
    names = {enumeration.__name__ for enumeration in ENUMERATIONS}
    assert names >= {"Verdict", "Exclusion", "ImageExclusion", "ImageWarning", "Policy", "SectionName"}
    for enumeration in ENUMERATIONS:
        assert all(words.word(member) for member in enumeration)
    assert all(words.label(label) for label in LABELS)
    assert all(words.split(split) for split in SPLITS)
    assert all(words.curve(curve) for curve in ("loss", "entropy", "mean_token_accuracy"))


def test_a_reason_to_leave_out_a_studys_first_image_is_a_reason_to_exclude_the_study() -> None:
    # Both presuppose an image that is used, so no first image has them.
    never_first = {ImageExclusion.NOT_NEEDED, ImageExclusion.SAME_EXPOSURE, ImageExclusion.MIRRORED}
    assert set(ImageExclusion) == EXCLUSION_WITHOUT_IMAGE.keys() | never_first
    assert not EXCLUSION_WITHOUT_IMAGE.keys() & never_first


def test_there_is_a_name_for_all_that_is_held_against_the_release(words: Catalogue) -> None:
    names = [name_of_count(count, words) for count in release.CONTENTS]
    assert len(set(names)) == len(release.CONTENTS)


def test_a_word_that_is_not_there_raises(words: Catalogue) -> None:
    class Verdict(StrEnum):
        DOUBTED = "doubted"

    for ask in (
        lambda: words.word(Verdict.DOUBTED),
        lambda: words.label("Hernia"),
        lambda: words.text("main.nothing"),
        lambda: words.text("main.alt", measure="F1"),
    ):
        with pytest.raises(KeyError):
            ask()


def test_an_arm_without_a_word_is_called_as_in_the_experiment(words: Catalogue) -> None:
    assert (words.arm("lora"), words.arm("my_own_arm")) == ("LoRA", "my own arm")


def test_count_chooses_and_values_are_escaped_only_where_markup_is_kept(words: Catalogue) -> None:
    one, many = (words.text("count.studies", count=n) for n in (1, 1234))
    assert one.startswith("1 ") and many.startswith(words.whole(1234)) and one[2:] != many.partition(" ")[2]
    assert words.text("page.title", experiment="<b>").startswith("<b>")
    footer = words.html("page.footer", version="<b>", made_from="x")
    assert "&lt;b&gt;" in footer and "<code>x</code>" in footer


# --- where they are used -----------------------------------------------------------------------------------


def calls_in_templates() -> Iterator[tuple[str, str, nodes.Expr]]:
    for path in TEMPLATES:
        for call in Environment().parse(path.read_text("utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in METHODS:
                yield path.name, call.node.name, call.args[0]


def calls_in_modules() -> Iterator[tuple[str, str, ast.expr]]:
    for path in MODULES:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in METHODS
            ):
                yield path.name, call.func.attr, call.args[0]


def used_keys() -> dict[str, set[str]]:
    """key -> the methods that it is given to. Only the keys of the sections' titles are put together."""
    used: dict[str, set[str]] = {f"{section.id}.title": {"text"} for section in SECTIONS}
    for place, method, key in calls_in_templates():
        assert isinstance(key, nodes.Const), f"{place}: a key that is put together cannot be checked"
        used.setdefault(key.value, set()).add(method)
    for place, method, argument in calls_in_modules():
        if isinstance(argument, ast.Constant):
            used.setdefault(argument.value, set()).add(method)
        else:
            assert ast.unparse(argument) == "f'{section.id}.title'", f"{place}: {ast.unparse(argument)}"
    return used


def test_every_key_is_used_and_every_key_that_is_used_exists(words: Catalogue) -> None:
    formats = {"number.decimal", "number.thousands"}
    texts = {re.sub(r"\.(one|many)$", "", key) for key in words.entries if not key.startswith("word.")}
    assert texts - formats == set(used_keys())
    assert len(texts) > 100


def test_markup_is_kept_only_where_a_text_has_some(words: Catalogue) -> None:
    for key, methods in used_keys().items():
        texts = [text for name, text in words.entries.items() if re.sub(r"\.(one|many)$", "", name) == key]
        assert methods == ({"html"} if any("<" in text for text in texts) else {"text"}), key


# --- where they are not ------------------------------------------------------------------------------------


class Words(HTMLParser):
    """The letters of a template that a reader would see or hear."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found += re.findall(r"[^\W\d_]+", data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("alt", "title", "aria-label", "placeholder") or name.startswith("data-"):
                self.found += re.findall(r"[^\W\d_]+", value or "")


def words_in_template(source: str) -> list[str]:
    parser = Words()
    parser.feed(re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", source, flags=re.S))
    return parser.found


def strings_in_template(source: str) -> list[str]:
    """The strings inside expressions that are no keys and no names of templates: `loop.first else ", "`."""
    tree = Environment().parse(source)
    keys = {
        call.args[0].value
        for call in tree.find_all(nodes.Call)
        if call.args and isinstance(call.args[0], nodes.Const)
    }
    files = {node.template.value for node in tree.find_all((nodes.Include, nodes.FromImport))}
    strings = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return [text for text in strings if text not in keys | files]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_word_of_its_own(path: Path) -> None:
    source = path.read_text("utf-8")
    assert not words_in_template(source)
    assert not [text for text in strings_in_template(source) if re.search(r"[^\W\d_]", text)]


def test_the_tests_see_a_word_in_a_template() -> None:
    assert words_in_template("<p>{{ n }} laudos</p>") == ["laudos"]
    assert words_in_template('<img alt="Tórax {{ n }}">') == ["Tórax"]
    assert strings_in_template('{{ "laudo" if n == 1 else text("main.title") }}') == ["laudo"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_has_a_word_of_the_pages_languages(path: Path) -> None:
    strings = [
        node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)
    ]
    texts = [text for text in strings if isinstance(text, str)]
    assert not [text for text in texts if any(letter.isalpha() and not letter.isascii() for letter in text)]
    pt, en = (Catalogue(language).entries for language in LANGUAGES)
    portuguese = {
        text.casefold() for key, text in pt.items() if text.casefold() != en[key].casefold() and len(text) > 1
    }
    assert not {text.casefold() for text in texts} & portuguese
