"""Checks on invented pairs of sections. Which check must catch which fault was decided by hand."""

import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laudo import fidelity, findings
from laudo.fidelity import (
    CHECK_NAMES,
    LEARNABLE,
    Examined,
    Result,
    checks,
    checks_digest,
    data,
    examine,
    examine_texts,
    repair,
    repairs_digest,
    verdict,
)

NAMES = {
    "complete",
    "structure",
    "negation",
    "laterality",
    "numbers",
    "findings",
    "certainty",
    "change",
    "deid",
    "language",
    "brazilian",
    "preface",
    "markdown",
    "repetition",
    "terminology",
}
CASES = tomllib.loads(Path(__file__).with_name("fidelity_cases.toml").read_text("utf-8"))
CLEAN: dict[str, tuple[str, str]] = {name: (pair["en"], pair["pt"]) for name, pair in CASES["clean"].items()}


def failed(examined: Examined) -> set[str]:
    return {result.check for result in examined.results if not result.passed}


# --- clean pairs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLEAN)
def test_a_faithful_translation_passes_every_check(name: str) -> None:
    source, translation = CLEAN[name]
    examined = examine_texts(source=source, translation=f"\n{translation} ")
    assert [(r.check, r.detail) for r in examined.results if not r.passed] == []
    assert {r.check for r in examined.results} == NAMES
    assert (examined.text, verdict(examined.results)) == (translation, "accepted")


# --- one fault, the checks that must see it ---------------------------------------------------------------


@pytest.mark.parametrize("fault", CASES["fault"], ids=lambda fault: fault["detail"])
def test_a_fault_fails_its_checks_and_no_other(fault: dict[str, Any]) -> None:
    examined = examine_texts(source=fault["en"], translation=fault["pt"])
    assert failed(examined) == set(fault["fails"])
    assert fault["detail"] in {result.detail for result in examined.results}


def test_every_check_has_a_fault() -> None:
    assert {check for fault in CASES["fault"] for check in fault["fails"]} == NAMES


def replace(old: str, new: str) -> Callable[[str], str]:
    return lambda translation: translation.replace(old, new)


def frame(text: str) -> Callable[[str], str]:
    """Puts the translation where the text has braces."""
    return text.format


def swap_sides(translation: str) -> str:
    return translation.replace("esquerd", "#").replace("direit", "esquerd").replace("#", "direit")


MUTATIONS: list[tuple[str, str, Callable[[str], str], str]] = [
    # fault, clean pair, what is done to its translation, the check that fails
    ("sentence dropped", "normal", replace(" Não há derrame pleural ou pneumotórax.", ""), "findings"),
    ("sentence dropped", "sided", replace(" Sem pneumotórax.", ""), "findings"),
    ("finding added", "sided", frame("{} Cardiomegalia."), "findings"),
    ("denial flipped", "normal", replace("Não há", "Há"), "negation"),
    ("denial flipped", "sided", replace("Sem pneumotórax", "Há pneumotórax"), "negation"),
    ("denial flipped", "list", replace("Sem edema", "Há edema"), "negation"),
    ("finding denied", "compared", replace("Cardiomegalia", "Sem cardiomegalia"), "negation"),
    ("one side swapped", "sided", replace("à esquerda", "à direita"), "laterality"),
    ("one side swapped", "lobe", replace("maior à esquerda", "maior à direita"), "laterality"),
    ("both sides swapped", "sided", swap_sides, "laterality"),
    ("both sides swapped", "compared", swap_sides, "laterality"),
    ("digit changed", "measured", replace("4,5", "4,6"), "numbers"),
    ("decimal point lost", "measured", replace("4,5", "45"), "numbers"),
    ("unit changed", "measured", replace("12 mm", "12 cm"), "numbers"),
    ("ordinal changed", "list", replace("6ª", "7ª"), "numbers"),
    ("blank lost", "sided", replace(" desde ___", ""), "deid"),
    ("blank filled", "compared", replace("___", "exame anterior"), "deid"),
    ("hedge lost", "list", replace("Possível p", "P"), "certainty"),
    ("change turned", "compared", replace("diminuiu", "aumentou"), "change"),
    ("change turned", "sided", replace("Nova consolidação", "Consolidação estável"), "change"),
    ("English left", "measured", frame("{} Bony structures are otherwise intact."), "language"),
    ("preface", "normal", frame("Claro, aqui está a tradução do relatório:\n\n{}"), "preface"),
    ("preface", "list", frame("Segue a tradução do laudo para o português:\n{}"), "preface"),
    ("preface", "word", frame("Tradução: {}"), "preface"),
    ("note added", "normal", frame("{}\n\nObservação: mantive os termos técnicos."), "preface"),
    ("bold", "sided", replace("Pequeno", "**Pequeno**"), "markdown"),
    ("heading", "compared", frame("## {}"), "markdown"),
    ("bullets", "normal", lambda t: "- " + t.replace(". ", ".\n- "), "markdown"),
    ("fence", "list", frame("```\n{}\n```"), "markdown"),
    ("loop", "normal", frame("{}" + " A área cardíaca é normal e estável." * 6), "repetition"),
    ("loop of one word", "sided", frame("{}" + " sem" * 12), "repetition"),
    ("false friend", "word", lambda t: "Efusão pleural.", "terminology"),
]


@pytest.mark.parametrize(("fault", "name", "inject", "catches"), MUTATIONS)
def test_an_injected_fault_is_caught(
    fault: str, name: str, inject: Callable[[str], str], catches: str
) -> None:
    source, translation = CLEAN[name]
    assert inject(translation) != translation
    assert catches in failed(examine_texts(source=source, translation=inject(translation)))


@pytest.mark.parametrize("name", CLEAN)
def test_a_text_cut_at_the_limit_is_not_complete(name: str) -> None:
    source, translation = CLEAN[name]
    assert failed(examine_texts(source=source, translation=translation, stop="length")) == {"complete"}


def test_sharp_angles_and_a_denied_process_are_nothing_acute() -> None:
    source = "Costophrenic angles are sharp. No acute cardiopulmonary process."
    translation = "Seios costofrênicos agudos. Ausência de processo cardiopulmonar agudo."
    assert failed(examine_texts(source=source, translation=translation)) == set()


def test_sentences_are_counted_alike_in_lists_and_in_lines() -> None:
    source = "1. Pneumonia. 2. Edema. 3. Cardiomegaly. 4. Fracture.\n"
    translation = "1. Pneumonia\n2. Edema\n3. Cardiomegalia\n4. Fratura"
    assert failed(examine_texts(source=source, translation=translation)) == set()


def test_a_side_that_is_understood_may_be_broken_over_two_lines() -> None:
    source, translation = "Scarring in the right\nmiddle lobe.", "Cicatriz no lobo médio."
    assert failed(examine_texts(source=source, translation=translation)) == set()


@pytest.mark.parametrize(("letters", "fails"), [("LIE", {"laterality"}), ("lie", set())])
def test_an_abbreviation_is_a_side_only_in_capitals(letters: str, fails: set[str]) -> None:
    assert failed(examine_texts(source="Scarring.", translation=f"Cicatriz {letters}.")) == fails


@given(source=st.text(max_size=80), translation=st.text(max_size=80))
def test_any_text_is_examined_by_every_check(source: str, translation: str) -> None:
    examined = examine_texts(source=source, translation=translation)
    assert {result.check for result in examined.results} == NAMES
    assert all(result.passed == (result.detail == "") for result in examined.results)


REPORT_WORDS = {
    "derrame",
    "pulmões",
    "lobo",
    "carina",
    "tubo",
    "costela",
    "cardíaca",
    "lungs",
    "heart",
    "lobe",
    "rib",
    "tube",
}


@given(
    st.sampled_from([text for pair in CLEAN.values() for text in pair]),
    st.sampled_from([text for pair in CLEAN.values() for text in pair]),
)
def test_a_reason_quotes_nothing_of_the_texts_but_numbers_findings_and_sides(
    source: str, translation: str
) -> None:
    for result in examine_texts(source=source, translation=translation).results:
        assert not REPORT_WORDS & set(result.detail.split())


# --- the data files ---------------------------------------------------------------------------------------


class Example(NamedTuple):
    """An example of `checks.toml`: what it must do to its check."""

    check: str
    source: str
    translation: str
    passes: bool


def examples(check: str, entry: dict[str, Any]) -> Iterator[Example]:
    """Gives the examples of an entry and of the entries in it."""
    for key, passes in (("faithful", True), ("faulty", False)):
        if key in entry:
            pair = {"en": "", "pt": entry[key]} if isinstance(entry[key], str) else entry[key]
            yield Example(check, pair["en"], pair["pt"], passes)
    for key, inner in entry.items():
        if isinstance(inner, dict) and key not in ("faithful", "faulty"):
            yield from examples(check, inner)


EXAMPLES = [example for check, entry in data.check_data().items() for example in examples(check, entry)]


def entries(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Gives the tables in a table that hold words or limits."""
    if any(not isinstance(value, dict) for key, value in table.items()):
        yield table
        return
    for key, value in table.items():
        if key not in ("faithful", "faulty"):
            yield from entries(value)


def test_every_entry_of_the_checks_has_both_examples() -> None:
    found = list(entries(data.check_data()))
    assert len(found) >= 45
    assert all({"faithful", "faulty"} <= entry.keys() for entry in found)
    assert {example.check for example in EXAMPLES} <= NAMES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.check}: {example.translation}")
def test_an_example_passes_or_fails_its_check(example: Example) -> None:
    examined = examine_texts(source=example.source, translation=example.translation)
    assert (example.check not in failed(examined)) == example.passes


@pytest.mark.parametrize("meaning", [*data.check_data()["brazilian"], *data.check_data()["terminology"]])
def test_an_example_of_a_form_has_that_form_and_no_other(meaning: str) -> None:
    entry = {**data.check_data()["brazilian"], **data.check_data()["terminology"]}[meaning]
    results = examine_texts(source="", translation=entry["faulty"]).results
    details = [r.detail for r in results if r.check in ("brazilian", "terminology") and not r.passed]
    assert [detail.partition(": ")[2] for detail in details] == [meaning.replace("_", " ")]


REPAIR_ENTRIES = {
    f"{kind}.{name}": entry for kind, entries in data.repair_data().items() for name, entry in entries.items()
}


@pytest.mark.parametrize("name", REPAIR_ENTRIES)
def test_an_example_is_repaired(name: str) -> None:
    entry = REPAIR_ENTRIES[name]
    assert entry["raw"] != entry["repaired"]
    assert repair(source="Clear lungs.", raw=entry["raw"]) == entry["repaired"]
    kind = "markdown" if name.startswith("markdown") else "preface"
    assert {kind} == failed(examine_texts(source="Clear lungs.", translation=entry["raw"])) - {"structure"}


@pytest.mark.parametrize("name", REPAIR_ENTRIES)
def test_the_untouched_example_of_a_repair_stays(name: str) -> None:
    pair = REPAIR_ENTRIES[name]["untouched"]
    assert repair(source=pair["en"], raw=pair["pt"]) == pair["pt"]


@pytest.mark.parametrize(
    ("file", "changes", "stays"),
    [("checks.toml", checks_digest, repairs_digest), ("repairs.toml", repairs_digest, checks_digest)],
)
def test_a_changed_byte_changes_the_digest(
    file: str,
    changes: Callable[[], str],
    stays: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, other = changes(), stays()
    folder = tmp_path / "fidelity"
    shutil.copytree(Path(fidelity.__path__[0]), folder)
    monkeypatch.setattr(data, "data_folder", lambda: folder)
    assert (changes(), stays()) == (before, other)
    content = bytearray((folder / file).read_bytes())
    content[0] ^= 1
    (folder / file).write_bytes(content)
    assert changes() != before
    assert stays() == other
    assert len(changes()) == 16 and int(changes(), 16) >= 0


# --- repair -----------------------------------------------------------------------------------------------

REPAIRS = [
    ("preface", "Certamente. Segue abaixo a tradução do relatório:\n\n{}"),
    ("preface", "Here is the translation:\n{}"),
    ("preface", "**Tradução para o português:** {}"),
    ("preface", "{}\n\n(Nota: os termos foram adaptados.)"),
    ("preface", "{} Observação: texto traduzido do inglês."),
    ("markdown", "```\n{}\n```"),
    ("markdown", "---\n{}\n---"),
    ("markdown", "*{}*"),
]


@pytest.mark.parametrize(("kind", "around"), REPAIRS)
def test_what_is_put_around_a_translation_is_taken_out(kind: str, around: str) -> None:
    source, translation = CLEAN["normal"]
    examined = examine_texts(source=source, translation=around.format(translation))
    assert examined.text == translation == repair(source=source, raw=around.format(translation))
    assert kind in failed(examined)
    assert verdict(examined.results) == "repaired"


KEPT = [
    ("- Pneumonia.\n- Edema.", "- Pneumonia.\n- Edema."),
    ("Heart size is normal. Note: patient is rotated.", "Área cardíaca normal. Nota: paciente rodado."),
    ("There is enlargement of the heart.", "Nota-se aumento da área cardíaca."),
    ("Patient ___, seen at ___.", "Paciente ___, visto às ___."),
    ("Follow-up of the nasogastric tube.", "Segue em acompanhamento a sonda nasogástrica."),
]


@pytest.mark.parametrize(("source", "translation"), KEPT)
def test_what_the_source_has_too_is_no_addition(source: str, translation: str) -> None:
    examined = examine_texts(source=source, translation=translation)
    assert examined.text == translation
    assert not failed(examined) & {"preface", "markdown"}


# --- facts and checks from outside ------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLEAN)
def test_facts_that_are_passed_in_give_the_same_results(name: str) -> None:
    source, translation = CLEAN[name]
    raw = f"Tradução: {swap_sides(translation)}"
    text = repair(source=source, raw=raw)
    results = examine(
        source=source,
        raw=raw,
        stop="end",
        source_facts=findings.read(source, lang="en"),
        translation_facts=findings.read(text, lang="pt"),
    )
    assert (text, results) == examine_texts(source=source, translation=raw)


def test_examine_believes_the_facts_it_is_given() -> None:
    facts = findings.read("Pneumonia. Pneumothorax.", lang="en")
    results = examine(
        source="Word.", raw="Palavra.", stop="end", source_facts=facts, translation_facts=facts[:1]
    )
    assert [r.detail for r in results if r.check == "findings"] == ["pneumothorax only in the source"]


def test_results_come_in_the_order_of_the_checks() -> None:
    assert set(CHECK_NAMES) == NAMES and len(CHECK_NAMES) == len(NAMES)
    assert [r.check for r in examine_texts(source="Pneumonia.", translation="Pneumonia.").results] == [
        *CHECK_NAMES
    ]


def test_a_check_is_a_function_and_its_line_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def shouting(pair: Any) -> str:
        return "capitals" if pair.translation.isupper() else ""

    monkeypatch.setitem(checks.CHECKS, "shouting", shouting)
    examined = examine_texts(source="Pneumonia.", translation="PNEUMONIA.")
    assert examined.results[-1] == Result("shouting", False, "capitals")
    assert verdict(examined.results) == "flagged"
    assert failed(examine_texts(source="Pneumonia.", translation="Pneumonia.")) == set()


# --- verdicts ---------------------------------------------------------------------------------------------

VERDICTS = [
    ((), "accepted"),
    (("preface", "markdown"), "repaired"),
    (("preface", "language"), "flagged"),
    (("change",), "flagged"),
    (("change", "preface", "numbers"), "quarantined"),
    (("laterality",), "quarantined"),
]


@pytest.mark.parametrize(("failing", "word"), VERDICTS)
def test_the_gravest_failure_decides(failing: tuple[str, ...], word: str) -> None:
    results = [Result(name, name not in failing, "why" if name in failing else "") for name in sorted(NAMES)]
    assert verdict(results) == word


def test_only_accepted_and_repaired_translations_may_be_learnt() -> None:
    assert {"accepted", "repaired"} == LEARNABLE
