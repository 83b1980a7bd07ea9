"""The page of a small invented run, read back with html.parser; the expected numbers are those put in the tables."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import study_row
from laudo import bertscore, disk, figures, report, store
from laudo.config import Experiment
from laudo.errors import NotReady
from laudo.findings import LABELS
from laudo.plan import Plan
from laudo.plan import plan as lay_out

HOSTILE = "<script>alert('x')</script> & <img src=\"http://example.org/x.png\">"
ARMS = {"zero_shot": {}, "lora": {"adapter": True}, "shuffled": {"pictures": "another_patient"}}
TEST_STUDIES = (31, 32, 33)
METRICS = (
    "bertscore_pt_f1",
    "bertscore_pt_precision",
    "bertscore_pt_recall",
    "bertscore_en_f1",
    "bertscore_en_precision",
    "bertscore_en_recall",
)


def layout(folder: Path, *, phantom: bool = False, arms: dict[str, Any] = ARMS, **settings: Any) -> Plan:
    models = folder / "model"
    models.mkdir(exist_ok=True)
    (models / "config.json").write_text("{}")
    (folder / "mimic").mkdir(exist_ok=True)
    (folder / "run").mkdir(exist_ok=True)
    model = {"model": str(models)}
    experiment = Experiment.model_validate({
        "name": "small", "mimic": {"phantom": {"studies": 5}} if phantom else {"root": str(folder / "mimic")},
        "translate": model, "train": model, "generate": model, "arms": arms,
        "evaluate": {"bertscore_pt": {**model, "layer": 1}, "bertscore_en": {**model, "layer": 2}},
        "report": {"examples": 2, **settings},
    })  # fmt: skip
    return lay_out(experiment, folder / "run")


def make(partition: store.Partition, rows: Sequence[dict[str, Any]]) -> None:
    with store.making(partition):
        store.write_rows(partition, list(rows))


def study(
    plan: Plan, study_id: int, split: str, *, subject: int, excluded: str | None = None
) -> dict[str, Any]:
    path = Path("images") / f"{study_id}.png"
    (plan.run / "images").mkdir(exist_ok=True)
    Image.linear_gradient("L").resize((640, 400)).save(plan.run / path)
    text = {"findings": f"Heart size is normal in study {study_id}."}
    return study_row(
        study_id=study_id, subject_id=subject, split=split, images=[{"dicom_id": f"d{study_id}", "view": "PA", "path": str(path)}],
        views=["PA", "LATERAL"], sections=text, target=text, removed={"communication": 2}, chexpert={"Edema": 1, "Pneumonia": -1, "Fracture": 0},
        excluded=excluded,
    )  # fmt: skip


def generation(arm: str, study_id: int, text: str, stop: str = "end") -> dict[str, Any]:
    return {"study_id": study_id, "arm": arm, "sample": 0, "prompt": "p", "completion": text, "stop": stop, "images": [f"d{study_id}"],
            "prompt_tokens": 9, "new_tokens": len(text.split()), "seconds": 0.5}  # fmt: skip


def figure(
    arm: str, versus: str, metric: str, value: float | None, *, label: str = "", p: float | None = None
) -> dict[str, Any]:
    limits = {"low": None, "high": None} if value is None else {"low": value - 0.05, "high": value + 0.05}
    return {
        "arm": arm,
        "versus": versus,
        "metric": metric,
        "label": label,
        "value": value,
        **limits,
        "n": 3,
        "p": p,
    }


def filled(plan: Plan) -> Plan:
    """Two training studies of one patient, one validation study, three test studies of two, one left out."""
    used = [
        study(plan, 11, "train", subject=1),
        study(plan, 12, "train", subject=1),
        study(plan, 21, "validate", subject=2),
    ]
    used += [
        study(plan, 31, "test", subject=3),
        study(plan, 32, "test", subject=3),
        study(plan, 33, "test", subject=4),
    ]
    make(plan.films, [])
    make(plan.studies, [*used, study(plan, 13, "train", subject=1, excluded="unreadable image: cut short")])
    make(plan.translations, [])
    make(plan.checks, [])
    verdict = {
        11: "accepted",
        12: "quarantined",
        21: "accepted",
        31: "accepted",
        32: "flagged",
        33: "repaired",
    }
    make(
        plan.verdicts,
        [
            {"study_id": i, "verdict": v, "sections_pt": {"findings": f"Área cardíaca normal no estudo {i}."}}
            for i, v in verdict.items()
        ],
    )
    steps = [
        (s, split, m, 2.0 - 0.1 * s)
        for s in (1, 2, 3)
        for split in ("train", "validate")
        for m in ("loss", "entropy", "mean_token_accuracy")
    ]
    make(
        plan.training, [dict(zip(("step", "split", "metric", "value"), step, strict=True)) for step in steps]
    )
    for arm in plan.generations:
        texts = (HOSTILE, "", "Sem pneumotórax.") if arm == "zero_shot" else ("Edema.", "Edema.", "Edema.")
        stops = ("end", "end", "length") if arm == "zero_shot" else ("end",) * 3
        make(
            plan.generations[arm],
            [generation(arm, i, t, s) for i, t, s in zip(TEST_STUDIES, texts, stops, strict=True)],
        )
    make(
        plan.labels["en"],
        [
            {"study_id": i, "text": "en", "label": "Edema", "value": v}
            for i, v in ((11, 1), (31, 1), (32, -1), (33, 0))
        ],
    )
    for name in ("pt", *plan.generations):
        make(plan.labels[name], [])
    for arm, partition in plan.scores.items():
        make(partition, [
            {"study_id": i, "subject_id": 3, "arm": arm, "metric": m, "reference": "pt", "value": v, "why": ""}
            for i in TEST_STUDIES
            for m, v in [*((m, None if i == 33 else 0.5 + i / 1000) for m in METRICS), ("label_tp", 7.0), ("label_fp", 8.0), ("label_fn", 9.0)]
        ])  # fmt: skip
        disk.write_json(
            partition.folder / bertscore.SIGNATURES, {"pt": "bertscore|model:p", "en": "bertscore|model:e"}
        )
    rows = [
        figure("zero_shot", "", "label_f1", 0.4321), figure("lora", "", "label_f1", 0.6543), figure("shuffled", "", "label_f1", None),
        *(figure(arm, "", m, 0.5) for arm in ARMS for m in METRICS),
        figure("lora", "zero_shot", "label_f1", 0.2222, p=0.0004), figure("lora", "zero_shot", "bertscore_pt_f1", -0.0123, p=0.25),
        figure("zero_shot", "", "label_f1", 0.8765, label="Edema"), figure("lora", "", "label_f1", float("nan"), label="Fracture"),
    ]  # fmt: skip
    make(plan.summary, [row for row in rows if row["arm"] in plan.generations])
    return plan


@dataclass
class Page(HTMLParser):
    """What a browser would see: the words, the elements, and every address an element names."""

    words: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


def page_of(plan: Plan) -> Page:
    page = Page()
    page.feed((plan.run / "results.html").read_text("utf-8"))
    return page


def json_of(plan: Plan) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((plan.run / "results.json").read_text("utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan = filled(layout(tmp_path_factory.mktemp("report")))
    assert report.run(plan)
    return plan


@pytest.fixture(scope="module")
def page(plan: Plan) -> Page:
    return page_of(plan)


def test_json_holds_the_summary(plan: Plan) -> None:
    found = json_of(plan)
    assert found["experiment"] == "small"
    assert found["arms"]["lora"]["label_f1"] == pytest.approx(
        {"value": 0.6543, "low": 0.6043, "high": 0.7043, "n": 3}
    )
    assert found["arms"]["shuffled"]["label_f1"] == {"value": None, "low": None, "high": None, "n": 3}
    assert [(d["a"], d["b"], d["metric"], d["p"]) for d in found["differences"]] == [
        ("lora", "zero_shot", "label_f1", 0.0004), ("lora", "zero_shot", "bertscore_pt_f1", 0.25),
    ]  # fmt: skip
    assert found["labels"]["zero_shot"]["Edema"]["value"] == 0.8765
    assert found["signatures"]["lora"] == {"pt": "bertscore|model:p", "en": "bertscore|model:e"}
    assert found["settings"]["arms"]["shuffled"]["pictures"] == "another_patient"


def test_json_has_null_where_a_number_is_not_one(plan: Plan) -> None:
    assert json_of(plan)["labels"]["lora"]["Fracture"]["value"] is None


def test_json_counts_what_was_used_and_what_was_not(plan: Plan) -> None:
    found = json_of(plan)
    corpus = found["corpus"]
    assert corpus["used"] == {"train": 2, "validate": 1, "test": 3}
    assert corpus["patients"] == {"train": 1, "validate": 1, "test": 2}
    assert corpus["excluded"] == {"unreadable image": {"train": 1}}
    assert found["verdicts"]["test"] == {"accepted": 1, "flagged": 1, "repaired": 1}
    assert found["generations"]["zero_shot"] | {"new_tokens": None} == {
        "n": 3,
        "empty": 1,
        "cut": 1,
        "new_tokens": None,
    }
    assert corpus["labels"]["Edema"] == {"present": 6, "uncertain": 0, "absent": 0}
    assert corpus["labels"]["Pneumonia"] == {"present": 0, "uncertain": 6, "absent": 0}
    # Six studies of one image kept and two in the tables; "Heart size is normal in study 11." has seven words.
    assert (corpus["images"], corpus["images kept"]) == ({"2": 6}, {"1": 6})
    assert corpus["views"] == {"PA": 6, "LATERAL": 6} and corpus["sections"] == {"findings": 6}
    assert corpus["words"]["test"] == {"low": 7.0, "median": 7.0, "high": 7.0, "most": 7}
    assert corpus["removed"] == {"communication": {"taken": 12, "studies": 6}}
    # Of the test studies alone, 31 states it and 32 suspects it.
    assert found["positives"] == dict.fromkeys(LABELS, 0) | {"Edema": 2}


def test_page_shows_the_numbers_with_decimal_comma(page: Page) -> None:
    for shown in (
        "0,654",
        "[0,604; 0,704]",
        "0,432",
        "+0,222",
        "[0,172; 0,272]",
        "< 0,001",
        "−0,012",
        "0,876",
    ):
        assert shown in page.text
    assert "0.654" not in page.text and "nan" not in page.text.lower() and "None" not in page.text


def test_page_shows_a_dash_for_null(plan: Plan) -> None:
    html = (plan.run / "results.html").read_text("utf-8")
    row = next(
        row for row in re.findall(r"<tr>.*?</tr>", html, re.S) if "shuffled" in row and 'class="first"' in row
    )
    first = re.search(r'<td class="first">(.*?)</td>', row, re.S)
    assert first and re.sub(r"<[^>]+>|\s", "", first[1]) == "––"


def test_model_text_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    plan = filled(layout(tmp_path, examples=3))
    report.run(plan)
    page = page_of(plan)
    assert HOSTILE in page.text
    assert not [tag for tag, _ in page.tags if tag == "script"]


def test_page_stands_alone(page: Page) -> None:
    addresses = [*page.values("src"), *page.values("href"), *page.values("xlink:href")]
    assert addresses and all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    styles = " ".join(page.values("style"))
    assert "http" not in styles and "url(h" not in styles
    policy = next(
        attrs["content"]
        for tag, attrs in page.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_page_is_in_portuguese_and_its_pictures_have_alternatives(page: Page) -> None:
    assert next(attrs for tag, attrs in page.tags if tag == "html")["lang"] == "pt-BR"
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    figures_shown = [attrs for tag, attrs in page.tags if tag == "svg"]
    # Two differences, the labels, three curves, six distributions.
    assert len(figures_shown) == 2 + 1 + 3 + 6
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in figures_shown)
    identifiers = page.values("id")
    assert len(set(identifiers)) == len(identifiers)


def test_page_names_exclusions_controls_and_verdicts(page: Page) -> None:
    assert "Dos 7 estudos encontrados, 6 são usados" in page.text
    assert re.search(r"Imagem ilegível\s+1\s+0\s+0\s", page.text)
    assert "controle: imagens de outro paciente" in page.text
    assert "Não é um dispositivo médico" in page.text


def test_examples_are_test_studies_with_small_pictures_and_all_arms(page: Page) -> None:
    assert len(re.findall(r"Estudo 3[123]", page.text)) == 2
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2
    assert page.text.count("rótulos certos: 7, inventados: 8, omitidos: 9") == 2 * len(ARMS)
    assert "Área cardíaca normal no estudo 3" in page.text and "Heart size is normal in study 3" in page.text


def test_an_example_is_shrunk_to_320_pixels(page: Page) -> None:
    import base64
    import io

    source = next(address for address in page.values("src"))
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert image.format == "JPEG" and image.size == (320, 200)  # from 640 x 400


def test_mimic_text_comes_with_a_warning_and_the_phantom_with_another(page: Page, tmp_path: Path) -> None:
    phantom = filled(layout(tmp_path, phantom=True))
    report.run(phantom)
    drawn = "As radiografias desta página são desenhos e os laudos são inventados"
    credentialed = "Não a mostre a quem não assinou o termo de uso da PhysioNet"
    assert drawn in page_of(phantom).text and credentialed not in page_of(phantom).text
    assert drawn not in page.text and credentialed in page.text


def test_one_arm_needs_neither_differences_nor_curves(tmp_path: Path) -> None:
    plan = filled(
        layout(tmp_path, arms={"zero_shot": {"exemplars": 1}}, examples=0, note="Nota <b>nossa</b>.")
    )
    assert report.run(plan)
    page = page_of(plan)
    assert (
        "Há um só braço" in page.text and "Treinamento" not in page.text and "Nota <b>nossa</b>." in page.text
    )
    assert "PhysioNet" not in page.text and not [tag for tag, _ in page.tags if tag == "img"]


def test_second_run_does_nothing_unless_a_setting_changed_or_a_file_is_lost_or_torn(tmp_path: Path) -> None:
    plan = filled(layout(tmp_path))
    assert not report.is_done(plan)
    assert report.run(plan)
    before = (plan.run / "results.html").read_bytes()
    assert report.is_done(plan) and not report.run(plan)
    assert not report.is_done(layout(tmp_path, examples=1))
    (plan.run / "results.html").unlink()
    assert not report.is_done(plan)
    (plan.run / "results.html").touch()
    (plan.run / "results.json").write_text('{"made_fr')
    assert report.run(plan) and (plan.run / "results.html").read_bytes() == before


def test_without_a_summary_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="laudo evaluate"):
        report.run(layout(tmp_path))
    assert not (tmp_path / "run" / "results.html").exists()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.12345, "0,123"), (-0.5, "−0,500"), (-0.0001, "0,000"), (1.0, "1,000")],
)
def test_numbers_are_written_as_in_portuguese(value: float | None, shown: str) -> None:
    assert figures.number(value) == shown


def test_signs_thousands_and_small_p() -> None:
    assert [figures.signed(v) for v in (0.1, -0.1, 0.0, 0.0001, None)] == [
        "+0,100",
        "−0,100",
        "0,000",
        "0,000",
        "–",
    ]
    assert [figures.p_value(p) for p in (0.0004, 0.001, 1.0, None)] == ["< 0,001", "0,001", "1,000", "–"]
    assert figures.whole(45808) == "45.808"
    assert figures.interval(-0.1, None) == "–"


def test_a_negative_score_is_drawn_and_only_an_exact_0_is_counted_as_an_empty_text() -> None:
    """BERTScore is a cosine: an unlike text can score below 0."""
    scores = {"lora": {"bertscore_pt_f1": {1: -0.5, 2: 0.5, 3: 0.25, 4: 0.0}}}
    svg = figures.spreads(scores, colours={"lora": "#336699"})["bertscore_pt_f1"]
    assert "(1 em 0)" in svg
    assert "−0," in svg  # the axis reaches below 0
