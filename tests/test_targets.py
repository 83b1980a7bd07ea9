"""The patterns of sentences that images do not show: their own examples, and properties of what is left."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laudo import sections
from laudo.config import Prepare
from laudo.prepare.targets import POLICIES, target, tells

DATA = tomllib.loads(files("laudo.prepare").joinpath("sentences.toml").read_text("utf-8"))
EXAMPLES = [
    (policy, sentence, wanted)
    for policy, some in DATA.items()
    for wanted in (True, False)
    for sentence in some["has" if wanted else "has_not"]
]


@pytest.mark.parametrize(("policy", "sentence", "wanted"), EXAMPLES)
def test_the_examples_of_the_patterns(policy, sentence, wanted):
    assert tells(policy)(sentence) is wanted


def of(text: str, **settings) -> str:
    return target(
        sections.split(f" FINDINGS: {text}").unwrapped, Prepare.model_validate(settings)
    ).sections.get("findings", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Compared to ___, the edema has improved.", "The edema has improved."),
        ("As compared to the previous radiograph from ___, there is edema.", "There is edema."),
        ("The effusion, in comparison with the study of ___, is larger.", "The effusion is larger."),
        ("A small effusion has increased since ___.", "A small effusion has increased."),
        ("Clear. Comparison is made to the film dated ___ at 10:15 a.m.", "Clear."),
        ("Edema, as on the film dated ___ at 10:15 a.m.", "Edema."),
        ("The nodule (as on ___) is calcified.", "The nodule is calcified."),
        ("___ is a man with edema. Clear.", "Clear."),
        ("Clear lungs. In this ___ year old. No edema.", "Clear lungs. No edema."),
        ("1. Edema since ___.\n 2. ___.\n 3. Clear.", "1. Edema.\n2. Clear."),
        ("Seen by Dr. Who. No edema.", "Seen by Dr. Who. No edema."),
        ("A 2.5 cm nodule. 1. It is new. 2. ___ line.", "A 2.5 cm nodule. 1. It is new."),
    ],
)
def test_marks_of_de_identification(text, expected):
    assert of(text) == expected


WORDS = st.sampled_from(
    [
        "The heart is large.",
        "___",
        "Dr. ___",
        "Stable.",
        "1.",
        "2)",
        "\n ",
        "\n \n ",
        "since ___,",
        "paged",
        "(",
        ".",
        "No edema",
    ]
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_nothing_is_invented_and_no_mark_is_left(text):
    report = sections.split(f" FINDINGS: {text}").unwrapped
    kept = target(report, Prepare())
    body = kept.sections.get("findings", "")
    assert "__" not in body
    numbers = {"1.", "2.", "3."}
    assert {word.casefold() for word in body.split()} <= {word.casefold() for word in text.split()} | numbers
    assert set(kept.removed) <= set(POLICIES) and 0 not in kept.removed.values()
    again = target(sections.split(f" FINDINGS: {body}").unwrapped, Prepare())
    assert again.sections.get("findings", "").split() == body.split() if body else True
