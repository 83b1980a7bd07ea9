"""The patterns of sentences that images do not show: their own examples, and properties of what is left."""

import re
import time
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laudo import sections
from laudo.experiment.settings import Prepare
from laudo.targets import target
from laudo.targets.sentences import find
from laudo.vocabulary import Policy

DATA = tomllib.loads(files("laudo.targets").joinpath("sentences.toml").read_text("utf-8"))


def examples(name: str) -> list[tuple[str, str]]:
    return [(policy, sentence) for policy, data in DATA.items() for sentence in data[name]]


@pytest.mark.parametrize(("policy", "sentence"), examples("must_match"))
def test_a_pattern_is_found_in_each_example(policy, sentence):
    assert find(policy, sentence) is not None


@pytest.mark.parametrize(("policy", "sentence"), examples("must_not_match"))
def test_no_pattern_is_found_in_a_counterexample(policy, sentence):
    assert find(policy, sentence) is None


def findings_of(text: str, **settings) -> str:
    return target(
        sections.split(f" FINDINGS: {text}").unwrapped, Prepare.model_validate(settings)
    ).sections.get("findings", "")


MARKS = [
    ("Compared to ___, the edema has improved.", "The edema has improved."),
    ("Compared to ___ and ___, the edema is better.", "The edema is better."),
    ("Compared to studies from ___ through ___, edema has improved.", "Edema has improved."),
    ("As compared to the previous radiograph from ___, there is edema.", "There is edema."),
    ("AP chest compared to ___ through ___ at 5:30 a.m.: Lungs clear.", "AP chest: Lungs clear."),
    ("A small effusion has increased since ___.", "A small effusion has increased."),
    (
        "A left effusion has increased since ___ and is now moderate.",
        "A left effusion has increased and is now moderate.",
    ),
    ("In the interval since the ___ study, edema has cleared.", "In the interval edema has cleared."),
    ("Right effusion, larger than on ___, and edema.", "Right effusion, larger, and edema."),
    ("There is a PICC in the SVC, placed on ___.", "There is a PICC in the SVC."),
    ("The wire was placed by Dr. ___ and ends in the SVC.", "The wire was placed and ends in the SVC."),
    ("The nodule (as on ___) is calcified.", "The nodule is calcified."),
    ("Nodules (stable since ___) are benign.", "Nodules are benign."),
    ("Edema, as on the film dated ___ at 10:15 a.m.", "Edema."),
    ("Seen by Dr. Who. No edema.", "Seen by Dr. Who. No edema."),
    ("The effusion measures approx. 5 cm.", "The effusion measures approx. 5 cm."),
    ("A 2.5 cm nodule. 1. It is new. 2. A ___ line.", "A 2.5 cm nodule. 1. It is new."),
    ("1. Edema since ___.\n 2. ___.\n 3. Clear.", "1. Edema.\n2. Clear."),
    # What needs its mark, or speaks of another film, goes.
    ("Clear. ___ is a man with edema.", "Clear."),
    ("Clear. ETT tip at ___ cm above the carina.", "Clear."),
    ("Clear. The nodule measures up to ___ mm.", "Clear."),
    ("Clear. Opacity in ___ lobe.", "Clear."),
    ("Clear. St. ___ device is seen.", "Clear."),
    ("Clear. On the ___ radiograph there was an effusion.", "Clear."),
    ("Clear. On ___, there was an effusion.", "Clear."),
    ("Clear. Compared to ___'s film, unchanged nodule.", "Clear."),
    ("Clear. Comparison is made to the film dated ___ at 10:15 a.m.", "Clear."),
]
"""Invented; what should be left was decided sentence by sentence."""

MESSAGES = [
    (
        "Large right pneumothorax with shift, discussed with Dr. ___ at 9 am.",
        "Large right pneumothorax with shift.",
    ),
    ("Findings discussed with Dr. ___ at 9:00: large right pneumothorax.", "Large right pneumothorax."),
    (
        "ETT in the right main bronchus, which was communicated to the ICU team.",
        "ETT in the right main bronchus.",
    ),
    (
        "The ETT is 3 cm above the carina, and Dr. ___ was paged at 10:00.",
        "The ETT is 3 cm above the carina.",
    ),
    ("A large right pneumothorax was discussed with the surgical team.", "A large right pneumothorax."),
    ("Critical result: tension pneumothorax on the right.", "Tension pneumothorax on the right."),
    ("Clear. These findings were communicated to the ordering physician.", "Clear."),
    ("Clear. Findings, including a nodule, were discussed with Dr. ___.", "Clear."),
    ("Clear. Dr. ___ was paged at 3:15 p.m., 5 minutes after discovery of the pneumothorax.", "Clear."),
    ("Findings discussed with Dr. A. B. Jones at 3 pm. Clear.", "Clear."),
    ("lungs are clear. the team was paged. the heart is normal.", "lungs are clear. the heart is normal."),
    ("1. Edema.\n \n 2. Told by phone.\n \n 3. Effusion.", "1. Edema.\n\n2. Effusion."),
    ("1. Mild edema. 2. Told by phone. 3. No nodule.", "1. Mild edema. 2. No nodule."),
    ("1) Edema.\n 2) Told by phone.\n 3) Clear.", "1) Edema.\n2) Clear."),
]
"""A finding that is stated together with a message stays."""


@pytest.mark.parametrize(("text", "expected"), MARKS + MESSAGES)
def test_marks_and_messages(text, expected):
    assert findings_of(text) == expected


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
    result = target(sections.split(f" FINDINGS: {text}").unwrapped, Prepare())
    body = result.sections.get("findings", "")
    assert "__" not in body
    numbers = {"1", "2", "3", "4", "5"}
    assert {w.casefold() for w in re.findall(r"\w+", body)} <= {
        w.casefold() for w in re.findall(r"\w+", text)
    } | numbers
    assert set(result.removed) <= set(Policy) and 0 not in result.removed.values()


@pytest.mark.parametrize("unit", [" ", "and ", "since ", "(", "_", "on the ", "1. ", "paged, ", ", ", ". a"])
def test_a_long_text_takes_less_than_a_minute(unit):
    """Quadratic expressions would take hours for 1 MB of what they look for."""
    started = time.monotonic()
    findings_of("ok" + unit * (1_000_000 // len(unit)) + "x ___.")
    findings_of("ok " + unit * (1_000_000 // len(unit)) + "x paged.")
    assert time.monotonic() - started < 60
