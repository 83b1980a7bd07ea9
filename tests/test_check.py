"""Checks on invented pairs of sections; which check must catch which fault was decided by hand, pair by pair."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import study_row
from laudo import check, plan
from laudo.config import Experiment
from laudo.fidelity import Examined, Result, examine, verdict
from laudo.plan import Plan
from laudo.store import fill, read

NAMES = {
    "complete", "structure", "negation", "laterality", "numbers", "findings", "certainty", "change", "deid", "language",
    "brazilian", "preface", "markdown", "repetition", "terminology",
}  # fmt: skip


def failed(examined: Examined) -> set[str]:
    return {result.check for result in examined.results if not result.passed}


# --- clean pairs ---------------------------------------------------------------------------------------------

CLEAN = {
    "normal": (
        "The lungs are clear. There is no pleural effusion or pneumothorax. Heart size is normal.",
        "Os pulmões estão limpos. Não há derrame pleural ou pneumotórax. A área cardíaca é normal.",
    ),
    "sided": (
        "Small left pleural effusion is unchanged since ___. New consolidation in the right lower lobe. No pneumothorax.",
        "Pequeno derrame pleural à esquerda, inalterado desde ___. Nova consolidação no lobo inferior direito. Sem pneumotórax.",
    ),
    "measured": (
        "The endotracheal tube ends 4.5 cm above the carina. A 12-mm nodule is seen in the left upper lobe. No fracture.",
        "O tubo endotraqueal termina 4,5 cm acima da carina. Observa-se nódulo de 12 mm no lobo superior esquerdo. Sem fratura.",
    ),
    "list": (
        "1. Possible right lower lobe pneumonia.\n2. No pulmonary edema.\n3. Fracture of the sixth left rib.",
        "1. Possível pneumonia no lobo inferior direito.\n2. Sem edema pulmonar.\n3. Fratura da 6ª costela esquerda.",
    ),
    "compared": (
        "Compared with ___, right pleural effusion has decreased. Left basilar atelectasis has increased. Cardiomegaly.",
        "Em comparação com ___, o derrame pleural à direita diminuiu. A atelectasia na base esquerda aumentou. Cardiomegalia.",
    ),
    "lobe": (
        "Opacity in the right middle lobe. Bilateral pleural effusions, left greater than right. There is no edema.",
        "Opacidade no lobo médio. Derrames pleurais bilaterais, maior à esquerda. Não há edema.",
    ),
    "word": ("Pneumonia.", "Pneumonia."),
}  # fmt: skip


@pytest.mark.parametrize("name", CLEAN)
def test_a_faithful_translation_passes_every_check(name: str) -> None:
    source, translation = CLEAN[name]
    examined = examine(source=source, translation=f"\n{translation} ", stop="end")
    assert [(r.check, r.detail) for r in examined.results if not r.passed] == []
    assert {r.check for r in examined.results} == NAMES
    assert (examined.text, verdict(examined.results)) == (translation, "accepted")


# --- one fault, the checks that must see it ------------------------------------------------------------------

FAULTS = [
    # source, translation, checks that fail, what one of them says
    ("Unchanged since the prior study.", "", {"complete"}, "empty"),
    ("Unchanged since the prior study.", "Unchanged since the prior study.", {"complete", "language"}, "an echo of the source"),
    (
        "The study is limited. The patient moved. Lungs are expanded. Bones are intact. Heart size is normal.",
        "O estudo é limitado. Pulmões expandidos. Área cardíaca normal.",
        {"structure"}, "5 sentences in the source, 3 in the translation",
    ),
    ("There is no pneumothorax.", "Há pneumotórax.", {"negation"}, "stated in one text, denied in the other: pneumothorax"),
    ("No acute cardiopulmonary process.", "Há processo cardiopulmonar agudo.", {"negation"}, "stated in one text, denied in the other: acute process"),
    ("Small left pleural effusion.", "Pequeno derrame pleural à direita.", {"laterality"}, "left: 1 in the source, 0 in the translation; right: 0 in the source, 1 in the translation; another side: pleural_effusion"),
    ("Right effusion. Left atelectasis.", "Derrame à esquerda. Atelectasia à direita.", {"laterality"}, "another side: atelectasis, pleural_effusion"),
    ("The tube ends 4.5 cm above the carina.", "O tubo termina 45 cm acima da carina.", {"numbers"}, "4.5 cm only in the source; 45 cm only in the translation"),
    ("The tube ends 4 cm above the carina.", "O tubo termina 4 mm acima da carina.", {"numbers"}, "4 cm only in the source; 4 mm only in the translation"),
    ("1. Pneumonia.\n2. Edema.", "Pneumonia.\nEdema.", {"numbers"}, "1, 2 only in the source"),
    ("Pneumonia and pleural effusion.", "Pneumonia.", {"findings"}, "pleural_effusion only in the source"),
    ("Pneumonia.", "Pneumonia e fratura de costela.", {"findings"}, "fracture only in the translation"),
    ("Possible pneumonia.", "Pneumonia.", {"certainty"}, "certain in one text, uncertain in the other: pneumonia"),
    ("Right pleural effusion has increased.", "O derrame pleural à direita diminuiu.", {"change"}, "another change over time: pleural_effusion"),
    ("Discussed with Dr. ___ at ___.", "Discutido com o Dr. ___ às 10.", {"deid", "numbers"}, "2 blanks in the source, 1 in the translation"),
    ("Lungs are expanded. The bones are intact today.", "Pulmões expandidos. The bones are intact today.", {"language"}, "1 of 1 sentences in English"),
    ("Chronic changes of the spine.", "Alterações crónicas da coluna.", {"brazilian"}, "European form of: chronic"),
    ("The lungs are clear.", "Pulmões claros.", {"terminology"}, "false friend of: clear"),
    ("Heart size is normal.", "Claro! Aqui está a tradução:\n\nÁrea cardíaca normal.", {"preface"}, "words around the translation, taken out"),
    ("Heart size is normal.", "**Área cardíaca** normal.", {"markdown"}, "markdown, taken out"),
    ("Lungs are expanded.", "Os pulmões estão bem expandidos hoje e " * 4, {"repetition"}, "the same six words 4 times"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "translation", "checks", "says"), FAULTS)
def test_a_fault_fails_its_checks_and_no_other(
    source: str, translation: str, checks: set[str], says: str
) -> None:
    examined = examine(source=source, translation=translation, stop="end")
    assert failed(examined) == checks
    assert says in {result.detail for result in examined.results}


def test_every_check_has_a_fault() -> None:
    assert set().union(*(checks for _, _, checks, _ in FAULTS)) == NAMES


def swapped(text: str) -> str:
    return text.replace("esquerd", "#").replace("direit", "esquerd").replace("#", "direit")


MUTATIONS: list[tuple[str, str, Callable[[str], str], str]] = [
    ("sentence dropped", "normal", lambda t: t.replace(" Não há derrame pleural ou pneumotórax.", ""), "findings"),
    ("sentence dropped", "sided", lambda t: t.replace(" Sem pneumotórax.", ""), "findings"),
    ("finding added", "sided", lambda t: f"{t} Cardiomegalia.", "findings"),
    ("denial flipped", "normal", lambda t: t.replace("Não há", "Há"), "negation"),
    ("denial flipped", "sided", lambda t: t.replace("Sem pneumotórax", "Há pneumotórax"), "negation"),
    ("denial flipped", "list", lambda t: t.replace("Sem edema", "Há edema"), "negation"),
    ("finding denied", "compared", lambda t: t.replace("Cardiomegalia", "Sem cardiomegalia"), "negation"),
    ("one side swapped", "sided", lambda t: t.replace("à esquerda", "à direita"), "laterality"),
    ("one side swapped", "lobe", lambda t: t.replace("maior à esquerda", "maior à direita"), "laterality"),
    ("both sides swapped", "sided", swapped, "laterality"),
    ("both sides swapped", "compared", swapped, "laterality"),
    ("digit changed", "measured", lambda t: t.replace("4,5", "4,6"), "numbers"),
    ("decimal point lost", "measured", lambda t: t.replace("4,5", "45"), "numbers"),
    ("unit changed", "measured", lambda t: t.replace("12 mm", "12 cm"), "numbers"),
    ("ordinal changed", "list", lambda t: t.replace("6ª", "7ª"), "numbers"),
    ("blank lost", "sided", lambda t: t.replace(" desde ___", ""), "deid"),
    ("blank filled", "compared", lambda t: t.replace("___", "exame anterior"), "deid"),
    ("hedge lost", "list", lambda t: t.replace("Possível p", "P"), "certainty"),
    ("change turned", "compared", lambda t: t.replace("diminuiu", "aumentou"), "change"),
    ("change turned", "sided", lambda t: t.replace("Nova consolidação", "Consolidação estável"), "change"),
    ("English left", "measured", lambda t: f"{t} Bony structures are otherwise intact.", "language"),
    ("preface", "normal", lambda t: f"Claro, aqui está a tradução do relatório:\n\n{t}", "preface"),
    ("preface", "list", lambda t: f"Segue a tradução do laudo para o português:\n{t}", "preface"),
    ("preface", "word", lambda t: f"Tradução: {t}", "preface"),
    ("note added", "normal", lambda t: f"{t}\n\nObservação: mantive os termos técnicos.", "preface"),
    ("bold", "sided", lambda t: t.replace("Pequeno", "**Pequeno**"), "markdown"),
    ("heading", "compared", lambda t: f"## {t}", "markdown"),
    ("bullets", "normal", lambda t: "- " + t.replace(". ", ".\n- "), "markdown"),
    ("fence", "list", lambda t: f"```\n{t}\n```", "markdown"),
    ("loop", "normal", lambda t: t + " A área cardíaca é normal e estável." * 6, "repetition"),
    ("loop of one word", "sided", lambda t: t + " sem" * 12, "repetition"),
    ("sentences put in", "word", lambda t: "Efusão pleural.", "terminology"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "name", "inject", "catches"), MUTATIONS)
def test_an_injected_fault_is_caught(
    fault: str, name: str, inject: Callable[[str], str], catches: str
) -> None:
    source, translation = CLEAN[name]
    assert inject(translation) != translation
    assert catches in failed(examine(source=source, translation=inject(translation), stop="end"))


@pytest.mark.parametrize("name", CLEAN)
def test_a_text_cut_at_the_limit_is_not_complete(name: str) -> None:
    source, translation = CLEAN[name]
    assert failed(examine(source=source, translation=translation, stop="length")) == {"complete"}


# --- repair --------------------------------------------------------------------------------------------------

REPAIRS = [
    ("preface", "Certamente. Segue abaixo a tradução do relatório:\n\n{}"),
    ("preface", "Here is the translation:\n{}"),
    ("preface", "**Tradução para o português:** {}"),
    ("preface", "{}\n\n(Nota: os termos foram adaptados.)"),
    ("preface", "{} Observação: texto traduzido do inglês."),
    ("markdown", "```\n{}\n```"),
    ("markdown", "---\n{}\n---"),
    ("markdown", "*{}*"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "frame"), REPAIRS)
def test_what_is_put_around_a_translation_is_taken_out(kind: str, frame: str) -> None:
    source, translation = CLEAN["normal"]
    examined = examine(source=source, translation=frame.format(translation), stop="end")
    assert examined.text == translation
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
    examined = examine(source=source, translation=translation, stop="end")
    assert examined.text == translation
    assert not failed(examined) & {"preface", "markdown"}


def test_sharp_angles_and_a_denied_process_are_nothing_acute() -> None:
    source = "Costophrenic angles are sharp. No acute cardiopulmonary process."
    translation = "Seios costofrênicos agudos. Ausência de processo cardiopulmonar agudo."
    assert failed(examine(source=source, translation=translation, stop="end")) == set()


def test_sentences_are_counted_alike_in_lists_and_in_lines() -> None:
    source = "1. Pneumonia. 2. Edema. 3. Cardiomegaly. 4. Fracture.\n"
    translation = "1. Pneumonia\n2. Edema\n3. Cardiomegalia\n4. Fratura"
    assert failed(examine(source=source, translation=translation, stop="end")) == set()


# --- verdicts ------------------------------------------------------------------------------------------------

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


@given(source=st.text(max_size=80), translation=st.text(max_size=80))
def test_any_text_is_examined_by_every_check(source: str, translation: str) -> None:
    examined = examine(source=source, translation=translation, stop="end")
    assert {result.check for result in examined.results} == NAMES
    assert all(result.passed == (result.detail == "") for result in examined.results)


@given(
    st.sampled_from([text for pair in CLEAN.values() for text in pair]),
    st.sampled_from([text for pair in CLEAN.values() for text in pair]),
)
def test_a_reason_quotes_nothing_of_the_texts_but_numbers_findings_and_sides(
    source: str, translation: str
) -> None:
    words = {
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
    for result in examine(source=source, translation=translation, stop="end").results:
        assert not words & set(result.detail.split())


# --- the stage -----------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Plan:
    """A plan whose studies and translations are made: 11 clean, 12 with a preface and a flipped side, 13 excluded."""
    model, corpus = tmp_path / "model", tmp_path / "mimic"
    model.mkdir()
    corpus.mkdir()
    (model / "config.json").write_text("{}")
    named = {"model": str(model)}
    experiment = Experiment.model_validate({
        "name": "small", "mimic": {"root": str(corpus)}, "translate": named, "train": named, "generate": named, "arms": {"zero_shot": {}},
        "evaluate": {"bertscore_pt": {**named, "layer": 1}, "bertscore_en": {**named, "layer": 1}},
    })  # fmt: skip
    made = plan.plan(experiment, tmp_path / "run")
    targets = {
        11: {"findings": CLEAN["normal"][0], "impression": "Cardiomegaly."},
        12: {"full_report": "Left pleural effusion."},
        13: {"findings": "No image was kept of this one."},
    }
    answers = {
        (11, "findings"): CLEAN["normal"][1],
        (11, "impression"): "Cardiomegalia.",
        (12, "full_report"): "Tradução: Derrame pleural à direita.",
    }
    studies = {
        n: study_row(
            study_id=n, subject_id=n, split="train", target=t, excluded="no image" if n == 13 else None
        )
        for n, t in targets.items()
    }
    fill(made.films, [], lambda keys: [], part_size=2)
    fill(made.studies, [(n,) for n in targets], lambda keys: [studies[n] for (n,) in keys], part_size=2)
    fill(
        made.translations,
        list(answers),
        lambda keys: [_translation(n, s, answers[n, s]) for n, s in keys],
        part_size=2,
    )
    return made


def _translation(study_id: int, section: str, text: str) -> dict[str, object]:
    return {
        "study_id": study_id, "section": section, "text_pt": text, "raw": text, "attempt": 1, "stop": "end", "prompt_tokens": 9,
        "new_tokens": 9, "logprob": None, "seconds": 0.1,
    }  # fmt: skip


def test_the_stage_writes_a_row_for_each_check_and_a_verdict_for_each_study(
    small: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laudo.spread.workers", lambda: 1)  # three sections are not worth a pool
    assert check.run(small)
    rows = read(small.checks)
    keys = [(row["study_id"], row["section"], row["check"]) for row in rows]
    assert keys == sorted(
        (n, s, c) for n, s in [(11, "findings"), (11, "impression"), (12, "full_report")] for c in NAMES
    )
    assert {(row["study_id"], row["check"]) for row in rows if not row["passed"]} == {
        (12, "preface"),
        (12, "laterality"),
    }
    assert read(small.verdicts) == [
        {
            "study_id": 11,
            "verdict": "accepted",
            "sections_pt": {"findings": CLEAN["normal"][1], "impression": "Cardiomegalia."},
        },
        {
            "study_id": 12,
            "verdict": "quarantined",
            "sections_pt": {"full_report": "Derrame pleural à direita."},
        },
    ]
    assert not check.run(small)
