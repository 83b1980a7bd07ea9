"""The page of a small invented run, read back with html.parser; its numbers are those put in the tables."""

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import finished, study_row
from laudo import report, store
from laudo.errors import NotReady
from laudo.experiment.plan import Plan
from laudo.experiment.plan import plan as lay_out
from laudo.experiment.settings import Experiment
from laudo.images import film_digest
from laudo.metrics import METRICS, MeasureWords
from laudo.metrics.statistics import mean
from laudo.report import drawing
from laudo.report.catalogue import Catalogue
from laudo.vocabulary import LABELS, SPLITS

HOSTILE = "<script>alert('x')</script> & <img src=\"http://example.org/x.png\">"
ARMS = {"zero_shot": {}, "lora": {"adapter": True}, "shuffled": {"pictures": "another_patient"}}
TEST_STUDIES = (31, 32, 33)
MEANS = [name for metric in METRICS for name, aggregate in metric.measures.items() if aggregate is mean]
"""The measures that are means of the studies' scores: BERTScore's three, against either reference."""

STATISTICS = {
    "pt": ("rótulos certos", "inventados", "omitidos"),
    "en": ("right labels", "invented", "missed"),
}
TITLES = {"pt": "Medida {}", "en": "Measure {}"}


@pytest.fixture(autouse=True, scope="module")
def words_of_metrics() -> Iterator[None]:
    """Invented words, so that what is expected here does not depend on how a metric is described.

    As everywhere, only the foremost measure of a metric has a text on how to read it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for metric in METRICS:
            words = {
                language: {
                    name: MeasureWords(
                        TITLES[language].format(name),
                        f"{language}: {metric.name}" if name == next(iter(metric.measures)) else "",
                        STATISTICS[language] if metric.name == "label_f1" else (),
                    )
                    for name in metric.measures
                }
                for language in ("pt", "en")
            }
            patch.setattr(metric, "words", words)
        yield


# --- a small finished study --------------------------------------------------------------------------------


def layout(folder: Path, *, phantom: bool = False, arms: dict[str, Any] = ARMS, **settings: Any) -> Plan:
    models = folder / "model"
    models.mkdir(exist_ok=True)
    (models / "config.json").write_text("{}")
    (folder / "mimic").mkdir(exist_ok=True)
    (folder / "run").mkdir(exist_ok=True)
    model = {"model": str(models)}
    experiment = Experiment.model_validate(
        {
            "name": "small",
            "mimic": {"phantom": {"studies": 5}} if phantom else {"root": str(folder / "mimic")},
            "translate": model,
            "reporter": model,
            "arms": arms,
            "evaluate": {"bertscore_pt": {**model, "layer": 1}, "bertscore_en": {**model, "layer": 2}},
            "report": {"examples": 2, **settings},
        }
    )
    return lay_out(experiment, folder / "run")


def study(
    plan: Plan, study_id: int, split: str, *, subject: int, excluded: str | None = None
) -> dict[str, Any]:
    path = Path("images") / f"{study_id}.png"
    (plan.run / "images").mkdir(exist_ok=True)
    Image.linear_gradient("L").resize((640, 400)).save(plan.run / path)
    text = {"findings": f"Heart size is normal in study {study_id}."}
    image = {"dicom_id": f"d{study_id}", "view": "PA", "path": str(path)}
    image["digest"] = film_digest(plan.run / path)
    return study_row(
        study_id=study_id,
        subject_id=subject,
        split=split,
        images=[image],
        views=["PA", "LATERAL"],
        sections=text,
        target=text,
        removed={"communication": 2},
        excluded=excluded,
    )


def studies(plan: Plan) -> list[dict[str, Any]]:
    """Two training studies of one patient, one validation study, three test studies of two, one left out."""
    used = [(11, "train", 1), (12, "train", 1), (21, "validate", 2)]
    used += [(31, "test", 3), (32, "test", 3), (33, "test", 4)]
    rows = [study(plan, study_id, split, subject=subject) for study_id, split, subject in used]
    return [*rows, study(plan, 13, "train", subject=1, excluded="unreadable image: cut short")]


COUNTS = [
    ("corpus", "studies", "all", 7),
    ("excluded", "unreadable image", "train", 1),
    *(("used", split, "studies", n) for split, n in zip(SPLITS, (2, 1, 3), strict=True)),
    *(("used", split, "patients", n) for split, n in zip(SPLITS, (1, 1, 2), strict=True)),
    ("labels", "Edema", "present", 6),
    ("labels", "Pneumonia", "uncertain", 6),
    ("labels", "Fracture", "absent", 6),
    ("views", "PA", "images", 6),
    ("views", "LATERAL", "images", 6),
    ("images per study", "2", "listed", 6),
    ("images per study", "1", "cached", 6),
    ("images left out", "unreadable image", "images", 1),
    ("image warnings", "shown inverted", "images", 2),
    ("sections", "findings", "studies", 6),
    # "Heart size is normal in study 11." has seven words.
    *(("words", split, measure, 7) for split in SPLITS for measure in ("low", "median", "high", "most")),
    ("removed", "communication", "taken", 12),
    ("removed", "communication", "studies", 6),
    ("encoding", "latin-1", "studies", 0),
]


def census(*more: tuple[str, str, str, float]) -> list[dict[str, Any]]:
    names = ("topic", "item", "measure", "value")
    counts = [dict(zip(names, count, strict=True)) | {"note": None} for count in (*COUNTS, *more)]
    why = {"topic": "unreadable images", "item": "d13", "measure": "reason", "value": None}
    return [*counts, {**why, "note": "unreadable image: cut short"}]


def verdicts() -> list[dict[str, Any]]:
    verdict = {
        11: "accepted",
        12: "quarantined",
        21: "accepted",
        31: "accepted",
        32: "flagged",
        33: "repaired",
    }
    return [
        {"study_id": i, "verdict": v, "sections_pt": {"findings": f"Área cardíaca normal no estudo {i}."}}
        for i, v in verdict.items()
    ]


def training() -> list[dict[str, Any]]:
    return [
        {"step": step, "split": split, "metric": metric, "value": 2.0 - 0.1 * step}
        for step in (1, 2, 3)
        for split in ("train", "validate")
        for metric in ("loss", "entropy", "mean_token_accuracy")
    ]


def generations(arms: Sequence[str]) -> list[dict[str, Any]]:
    texts = dict.fromkeys(arms, ("Edema.", "Edema.", "Edema.")) | {
        "zero_shot": (HOSTILE, "", "Sem pneumotórax.")
    }
    stops = dict.fromkeys(arms, ("end", "end", "end")) | {"zero_shot": ("end", "end", "length")}
    return [
        {
            "study_id": study_id,
            "arm": arm,
            "sample": 0,
            "prompt": "p",
            "completion": text,
            "stop": stop,
            "images": [f"d{study_id}"],
            "prompt_tokens": 9,
            "new_tokens": len(text.split()),
            "seconds": 0.5,
        }
        for arm in arms
        for study_id, text, stop in zip(TEST_STUDIES, texts[arm], stops[arm], strict=True)
    ]


def labels() -> list[dict[str, Any]]:
    """Of the test studies alone, 31 states edema, 32 suspects it and 33 denies it."""
    stated = ((11, 1), (31, 1), (32, -1), (33, 0))
    return [{"study_id": i, "text": "en", "label": "Edema", "value": value} for i, value in stated]


def score(arm: str, study_id: int, measure: str, value: float | None, **more: Any) -> dict[str, Any]:
    row = {"study_id": study_id, "subject_id": 3, "arm": arm, "metric": measure, "value": value}
    empty = {"label": "", "reference": "pt", "statistics": None, "why": "", "signature": f"{measure[:12]}|s"}
    return {**row, **empty, **more}


def scores(arms: Sequence[str], means: Sequence[float | None], empty: int | None) -> list[dict[str, Any]]:
    """Of every arm and study: its score by each measure, that of the labels with statistics.

    Args:
        empty: the study of which every arm's report is said to be empty.
    """
    rows = []
    for arm in arms:
        for study_id, value in zip(TEST_STUDIES, means, strict=True):
            why = "empty candidate" if study_id == empty else ""
            rows += [score(arm, study_id, measure, value, why=why) for measure in MEANS]
            rows.append(score(arm, study_id, "label_f1", 0.452, statistics=[7.0, 8.0, 9.0]))
            rows.append(score(arm, study_id, "label_f1", 0.9, statistics=[1.0, 0.0, 0.0], label="Edema"))
    return rows


def figure(
    arm: str, versus: str, metric: str, value: float | None, *, label: str = "", p: float | None = None
) -> dict[str, Any]:
    limits = {"low": None, "high": None} if value is None else {"low": value - 0.05, "high": value + 0.05}
    row = {"arm": arm, "versus": versus, "metric": metric, "label": label, "value": value}
    return {**row, **limits, "references": "all", "n": 3, "p": p}


def summary(arms: Sequence[str]) -> list[dict[str, Any]]:
    rows = [
        figure("zero_shot", "", "label_f1", 0.4321),
        figure("lora", "", "label_f1", 0.6543),
        figure("shuffled", "", "label_f1", None),
        *(figure(arm, "", measure, 0.5) for arm in ARMS for measure in MEANS),
        figure("lora", "zero_shot", "label_f1", 0.2222, p=0.0008),
        figure("lora", "zero_shot", "bertscore_pt_f1", -0.0123, p=0.25),
        figure("zero_shot", "", "label_f1", 0.8765, label="Edema"),
        figure("lora", "", "label_f1", float("nan"), label="Fracture"),
    ]
    return [row for row in rows if row["arm"] in arms]


def filled(
    plan: Plan,
    *,
    counts: Sequence[tuple[str, str, str, float]] = (),
    means: Sequence[float | None] = (0.531, 0.532, None),
    empty: int | None = None,
    more_scores: Sequence[dict[str, Any]] = (),
    more_estimates: Sequence[dict[str, Any]] = (),
) -> Plan:
    arms = tuple(plan.generations)
    return finished(
        plan,
        studies=studies(plan),
        census=census(*counts),
        verdicts=verdicts(),
        training=training(),
        generations=generations(arms),
        labels=labels(),
        scores=[*scores(arms, means, empty), *more_scores],
        summary=[*summary(arms), *more_estimates],
    )


def simple(folder: Path, *, counts: Sequence[tuple[str, str, str, float]] = (), **settings: Any) -> Plan:
    """The study with one arm and without scores of studies, whose page has one figure and is quickly made."""
    return filled(simple_layout(folder, **settings), counts=counts, means=(None, None, None))


def simple_layout(folder: Path, **settings: Any) -> Plan:
    return layout(folder, arms={"zero_shot": {}}, examples=0, **settings)


# --- reading it back ---------------------------------------------------------------------------------------


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
    assert {(d["a"], d["b"], d["metric"], d["p"]) for d in found["differences"]} == {
        ("lora", "zero_shot", "label_f1", 0.0008),
        ("lora", "zero_shot", "bertscore_pt_f1", 0.25),
    }
    assert found["labels"]["zero_shot"]["Edema"]["label_f1"]["value"] == 0.8765
    assert found["signatures"]["lora"] == {
        "label_f1": ["label_f1|s"],
        "bertscore_pt": ["bertscore_pt|s"],
        "bertscore_en": ["bertscore_en|s"],
    }
    assert found["settings"]["arms"]["shuffled"]["pictures"] == "another_patient"


def test_json_has_null_where_a_number_is_not_one(plan: Plan) -> None:
    assert json_of(plan)["labels"]["lora"]["Fracture"]["label_f1"]["value"] is None


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
    # Six studies of one image kept and two in the tables.
    assert (corpus["images"], corpus["images kept"]) == ({"2": 6}, {"1": 6})
    assert corpus["views"] == {"PA": 6, "LATERAL": 6} and corpus["sections"] == {"findings": 6}
    assert corpus["words"]["test"] == {"low": 7.0, "median": 7.0, "high": 7.0, "most": 7}
    assert corpus["removed"] == {"communication": {"taken": 12, "studies": 6}}
    assert corpus["films"] == {
        "left_out": {"unreadable image": 1},
        "warnings": {"shown inverted": 2},
        "unreadable": {"d13": "unreadable image: cut short"},
    }
    assert (corpus["corpus"], corpus["latin-1"], corpus["release"]) == (7, 0, None)
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


def test_every_link_leads_to_a_place_in_the_page(page: Page) -> None:
    places = {f"#{identifier}" for identifier in page.values("id")}
    assert {"#corpus", "#training"} < set(page.values("href")) < places


def test_page_is_in_portuguese_and_its_pictures_have_alternatives(page: Page) -> None:
    assert next(attrs for tag, attrs in page.tags if tag == "html")["lang"] == "pt-BR"
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    figures_shown = [attrs for tag, attrs in page.tags if tag == "svg"]
    # Two differences and the labels, the first and the last also for narrow screens, three curves, six
    # distributions.
    assert len(figures_shown) == (2 + 1) + (1 + 1) + 3 + 6
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in figures_shown)
    identifiers = page.values("id")
    assert len(set(identifiers)) == len(identifiers)


def test_page_names_exclusions_controls_and_verdicts(page: Page) -> None:
    assert "O corpus tem 7 estudos, e o experimento usa 6" in page.text
    assert re.search(r"Imagem ilegível\s+1\s+0\s+0\s", page.text)
    assert "controle (shuffled) imagens de outro paciente" in page.text
    assert "Não é um dispositivo médico" in page.text


def test_a_heading_says_how_to_read_a_measure_only_if_the_measure_has_a_text_for_it(plan: Plan) -> None:
    html = (plan.run / "results.html").read_text("utf-8")
    section = html.partition('id="reading"')[2]
    explained = re.findall(r"<h3>(Medida .*?)</h3>\s*<p>(.*?)</p>", section)
    assert explained == [
        ("Medida label_f1", "pt: label_f1"),
        ("Medida bertscore_pt_f1", "pt: bertscore_pt"),
        ("Medida bertscore_en_f1", "pt: bertscore_en"),
    ]


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


def test_second_run_does_nothing_unless_a_setting_changed(tmp_path: Path) -> None:
    plan = simple(tmp_path)
    assert not report.state(plan).done
    assert report.run(plan)
    assert report.state(plan).done and not report.run(plan)
    for settings in ({"note": "Outra."}, {"language": "en"}):
        assert not report.state(simple_layout(tmp_path, **settings)).done


DAMAGE = {
    "page lost": ("results.html", None),
    "page cut short": ("results.html", lambda page: page[: len(page) // 2]),
    "page emptied": ("results.html", lambda page: b""),
    "page edited": ("results.html", lambda page: page.replace(b"0,432", b"0,932")),
    "JSON lost": ("results.json", None),
    "JSON cut short": ("results.json", lambda results: results[: len(results) // 2]),
    "JSON no text": ("results.json", lambda results: b"\xff\xfe\x00"),
    "JSON a list": ("results.json", lambda results: b"[" + results + b"]"),
    "JSON a number": ("results.json", lambda results: b"2"),
    "JSON too deep": ("results.json", lambda results: b"[" * 100_000),
    "JSON of an earlier form": (
        "results.json",
        lambda results: results.replace(b'"format": 3', b'"format": 2'),
    ),
    "JSON without a number": (
        "results.json",
        lambda results: results.replace(b'"format": 3', b'"format": "3"'),
    ),
    "JSON without arms": ("results.json", lambda results: results.replace(b'"arms": {', b'"legs": {', 1)),
    "JSON with arms of another type": (
        "results.json",
        lambda results: json.dumps(json.loads(results) | {"arms": 3}).encode(),
    ),
}


@pytest.fixture(scope="module")
def simple_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan = simple(tmp_path_factory.mktemp("simple"))
    assert report.run(plan)
    return plan


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_lost_cut_or_edited_file_is_not_up_to_date_and_both_are_made_again(
    simple_plan: Plan, damage: str
) -> None:
    name, damaged = DAMAGE[damage]
    made = {path.name: path.read_bytes() for path in simple_plan.run.glob("results.*")}
    assert set(made) == {"results.html", "results.json"} and report.state(simple_plan).done
    path = simple_plan.run / name
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged(made[name]))
        assert path.read_bytes() != made[name]
    assert not report.state(simple_plan).done
    assert report.run(simple_plan)
    assert {path.name: path.read_bytes() for path in simple_plan.run.glob("results.*")} == made


def test_another_number_in_a_table_makes_the_page_again_and_the_same_numbers_do_not(tmp_path: Path) -> None:
    plan = simple(tmp_path)
    report.run(plan)
    rows = summary(tuple(plan.generations))
    remake(plan.summary, plan, rows)
    assert report.state(plan).done
    remake(plan.summary, plan, [{**row, "value": 0.777} for row in rows])
    assert not report.state(plan).done
    assert report.run(plan) and "0,777" in page_of(plan).text


def remake(partition: store.Partition, plan: Plan, rows: list[dict[str, Any]]) -> None:
    shutil.rmtree(partition.folder)
    assert not report.state(plan).done  # it is made from a table that is not there
    store.make(partition, lambda _: rows)


@pytest.mark.parametrize(
    "name", ["words/pt.toml", "templates/main.html.j2", "templates/style.css", "sections/main.py"]
)
def test_another_word_template_or_section_makes_the_page_again(
    simple_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = Path(shutil.copytree(str(files(report)), tmp_path / "report"))
    monkeypatch.setattr("laudo.report.results.files", lambda _: package)
    assert report.state(simple_plan).done
    (package / name).write_text((package / name).read_text("utf-8") + "\n", "utf-8")
    assert not report.state(simple_plan).done


def test_another_version_or_other_words_of_a_metric_make_the_page_again(
    simple_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report.state(simple_plan).done
    with monkeypatch.context() as patch:
        patch.setattr("laudo.report.results.__version__", "9.9")
        assert not report.state(simple_plan).done
    words = {"pt": {name: MeasureWords("Outra", "") for name in METRICS[0].measures}}
    monkeypatch.setattr(METRICS[0], "words", words)
    assert not report.state(simple_plan).done


def test_without_a_summary_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="laudo evaluate"):
        report.run(layout(tmp_path))
    assert not (tmp_path / "run" / "results.html").exists()


# --- languages ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan = filled(layout(tmp_path_factory.mktemp("english"), language="en"))
    assert report.run(plan)
    return plan


def test_the_page_is_in_english_where_the_experiment_asks_for_it(english: Plan) -> None:
    page = page_of(english)
    assert next(attrs for tag, attrs in page.tags if tag == "html")["lang"] == "en"
    assert json_of(english)["language"] == "en"
    for shown in (
        "0.654",
        "[0.604, 0.704]",
        "+0.222",
        "< 0.001",
        "−0.012",
        "The corpus has 7 studies, of which the experiment uses 6",
    ):
        assert shown in page.text
    assert "0,654" not in page.text
    assert re.search(r"Unreadable image\s+1\s+0\s+0\s", page.text)
    assert "right labels: 7, invented: 8, missed: 9" in page.text and "Measure label_f1" in page.text


def test_no_page_has_words_of_the_other_language(plan: Plan, english: Plan) -> None:
    portuguese, other = Catalogue("pt").entries, Catalogue("en").entries
    texts = {"pt": words_of(plan), "en": words_of(english)}
    for key, text in portuguese.items():
        if (
            "{" not in text + other[key]
            and len(text) > 6
            and text not in other[key]
            and other[key] not in text
        ):
            assert not holds(texts["en"], text), key
            assert not holds(texts["pt"], other[key]), key


def words_of(plan: Plan) -> str:
    """All that a reader of a page sees or hears, save what is not the page's own: models' text, settings."""
    html = (plan.run / "results.html").read_text("utf-8")
    html = re.sub(
        r"<(p class=.report.|td class=.text prompt.|td class=.text. lang|code|style).*?</(p|td|code|style)>",
        "",
        html,
        flags=re.S,
    )
    page = Page()
    page.feed(html)
    return " ".join([page.text, *page.values("alt"), *page.values("aria-label")])


def holds(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(re.sub('<.*?>', '', words))}(?!\w)", text, re.I) is not None


@pytest.mark.parametrize("language", ["pt", "en"])
def test_a_reason_that_has_no_word_is_never_shown_as_it_is(tmp_path: Path, language: str) -> None:
    plan = simple(tmp_path, language=language, counts=[("excluded", "cosmic ray", "train", 1)])
    with pytest.raises(ValueError, match="cosmic ray"):
        report.run(plan)
    assert not (plan.run / "results.html").exists()


# --- what is counted ---------------------------------------------------------------------------------------


def test_reasons_are_in_the_order_of_their_counts_and_studies_without_a_split_have_a_column(
    tmp_path: Path,
) -> None:
    more = [("excluded", "no report", "test", 4), ("excluded", "no split", "no split", 2)]
    plan = simple(tmp_path, counts=more)
    report.run(plan)
    assert list(json_of(plan)["corpus"]["excluded"]) == ["no report", "no split", "unreadable image"]
    assert re.search(
        r"Sem partição\s+Sem laudo\s+0\s+0\s+4\s+0\s+Sem partição\s+0\s+0\s+0\s+2\s", page_of(plan).text
    )


def test_a_full_copy_that_differs_from_the_release_is_pointed_out(tmp_path: Path) -> None:
    more = [("release", "counts", "compared", 35)]
    for name in ("studies in train", "Edema present", "studies with NegBio labels"):
        more += [("release", name, "found", 1234), ("release", name, "expected", 5678)]
    plan = simple(tmp_path, counts=more)
    report.run(plan)
    text = page_of(plan).text
    assert "difere da versão publicada em 3 contagens" in text
    for name in ("estudos de treino", "Edema, presente", "estudos com rótulos do NegBio"):
        assert f"{name}: 1.234; na versão publicada, 5.678" in text
    assert [row["what"] for row in json_of(plan)["corpus"]["release"]] == [
        "Edema present",
        "studies in train",
        "studies with NegBio labels",
    ]


# --- the phantom, and a copy without labels ----------------------------------------------------------------


@pytest.mark.parametrize("language", ["pt", "en"])
def test_the_page_of_a_phantom_says_so_and_never_speaks_of_mimic(tmp_path: Path, language: str) -> None:
    settings = {"arms": {"zero_shot": {}}, "examples": 1, "language": language}
    plan = filled(layout(tmp_path, phantom=True, **settings), means=(None,) * 3)
    report.run(plan)
    page = page_of(plan)
    heard = " ".join([page.text, *page.values("alt"), *page.values("aria-label")])
    assert "MIMIC" not in heard and "PhysioNet" not in heard
    said = {
        "pt": (
            "nenhum paciente é real",
            "2 pacientes inventados",
            "Fantasma: 5 estudos",
            "acompanham o fantasma",
        ),
        "en": ("no patient is real", "2 invented patients", "Phantom: 5 studies", "come with the phantom"),
    }
    assert all(text in page.text for text in said[language])
    assert all("invent" in alt for alt in page.values("alt"))


def test_labels_that_are_not_there_are_absent_and_not_zero(tmp_path: Path) -> None:
    plan = simple(tmp_path)
    no_labels = [row | {"value": 0} if row["topic"] == "labels" else row for row in census()]
    remake(plan.census, plan, no_labels)
    report.run(plan)
    assert "Ausentes: nenhum dos estudos usados" in page_of(plan).text
    assert "Tabela 2" not in page_of(plan).text
    assert json_of(plan)["corpus"]["labels"] is None


# --- names of arms -----------------------------------------------------------------------------------------


def test_a_control_is_subtracted_and_has_a_name_of_the_pages_language() -> None:
    pt, en = Catalogue("pt"), Catalogue("en")
    assert (pt.arm("lora_other_pictures"), en.arm("lora_other_pictures")) == (
        "controle (LoRA)",
        "control (LoRA)",
    )
    assert pt.arm("few_shot_swapped", is_control=True) == "controle (few shot swapped)"
    assert pt.arm("my_arm") == "my arm"


# --- references in doubt -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """With differences from the control, and figures from the two test studies whose reference is not flagged."""
    trusted = [
        figure("lora", "", "label_f1", 0.6999) | {"references": "learnable", "n": 2},
        figure("lora", "zero_shot", "label_f1", 0.1888, p=0.5) | {"references": "learnable", "n": 2},
    ]
    controlled = [figure(arm, "shuffled", "label_f1", 0.4, p=0.5) for arm in ("zero_shot", "lora")]
    folder = tmp_path_factory.mktemp("compared")
    plan = filled(layout(folder, examples=0), means=(None,) * 3, more_estimates=[*trusted, *controlled])
    report.run(plan)
    return plan


def test_differences_from_a_control_come_last(compared: Plan) -> None:
    alt = next(alt for alt in page_of(compared).values("aria-label") if alt.startswith("Diferenças"))
    names = ["LoRA − zero-shot", "zero-shot − controle (shuffled)", "LoRA − controle (shuffled)"]
    assert [alt.index(name) for name in names] == sorted(alt.index(name) for name in names)


def test_figures_without_the_references_in_doubt_stand_beside_those_of_all(compared: Plan) -> None:
    html = (compared.run / "results.html").read_text("utf-8")
    section = re.sub(r"<[^>]+>|\s", " ", html.partition('id="sensitivity"')[2].partition("<section")[0])
    section = re.sub(r" +", " ", section)
    assert "De 3 referências de teste, 1 está em dúvida" in section
    assert "LoRA 0,654 [0,604; 0,704] 3 estudos 0,700 [0,650; 0,750] 2 estudos" in section
    assert "LoRA − zero-shot +0,222 [0,172; 0,272] 3 estudos +0,189 [0,139; 0,239] 2 estudos" in section
    found = json_of(compared)
    assert found["sensitivity"]["references"] == "learnable"
    assert found["sensitivity"]["arms"]["lora"]["label_f1"]["n"] == 2
    assert [d["value"] for d in found["sensitivity"]["differences"]] == [0.1888]
    assert found["arms"]["lora"]["label_f1"]["value"] == 0.6543


# --- reproducible ------------------------------------------------------------------------------------------


LATER = {
    "day": "2031-02-03",
    "machine": {
        "processor": "Another",
        "cores": 1,
        "memory_gb": 8,
        "gpu": "Another GPU",
        "gpu_memory_gb": 80,
    },
    "versions": {"laudo": "0.1.0", "python": "3.11.9", "torch": "9.9"},
}


def written(folder: Path) -> tuple[str, dict[str, Any]]:
    folder.mkdir()
    plan = filled(layout(folder, arms={"zero_shot": {}}, examples=1), means=(None,) * 3)
    report.run(plan)
    return (plan.run / "results.html").read_text("utf-8"), json_of(plan)


def test_equal_runs_in_two_folders_give_the_same_bytes_and_on_another_day_only_one_table_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b")
    assert first == second
    monkeypatch.setattr("laudo.store.origin.now", lambda: LATER)
    page, found = written(tmp_path / "c")
    for shown in ("03/02/2031", "Another, 1 núcleo, 8 GB", "Another GPU, 80 GB", "torch 9.9"):
        assert shown in re.sub(r"\s+", " ", page)
    made = re.compile(r'<div class="scroll" id="made">.*?</table>', re.S)
    assert page != first[0] and made.sub("", page) == made.sub("", first[0])
    assert {key for key in found if found[key] != first[1][key]} == {"made", "page"}


def test_another_day_of_a_table_makes_the_page_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = simple(tmp_path)
    report.run(plan)
    monkeypatch.setattr("laudo.store.origin.now", lambda: LATER)
    remake(plan.summary, plan, summary(tuple(plan.generations)))
    assert not report.state(plan).done
    assert report.run(plan) and "03/02/2031" in page_of(plan).text


def test_neither_file_names_a_folder_a_host_or_a_user(plan: Plan) -> None:
    import getpass
    import platform

    folders = (str(plan.run), str(plan.run.parent), str(Path.home()) + "/")
    for name in ("results.html", "results.json"):
        text = (plan.run / name).read_text("utf-8")
        assert not [private for private in (*folders, platform.node()) if private in text]
        assert not re.search(rf"\b{getpass.getuser()}\b", text) or getpass.getuser() == "root"


def test_an_embedded_picture_has_no_comment(page: Page) -> None:
    """A JPEG's comment is the segment FF FE (ITU-T T.81, table B.1)."""
    import base64

    for address in page.values("src"):
        picture = base64.b64decode(address.partition(",")[2])
        place, markers = 2, []
        while picture[place + 1] != 0xDA:  # start of scan
            markers.append(picture[place + 1])
            place += 2 + int.from_bytes(picture[place + 2 : place + 4], "big")
        assert 0xFE not in markers and markers


# --- what was done -----------------------------------------------------------------------------------------


def test_the_method_has_every_setting_that_decides_a_number(plan: Plan, page: Page) -> None:
    experiment = plan.experiment.model_dump(mode="json", by_alias=True)
    for section in ("prepare", "translate", "reporter", "train", "generate", "evaluate"):
        for name, value in experiment[section].items():
            if value is not None and name != "model" and not isinstance(value, dict):
                assert f"{name} = {json.dumps(value, ensure_ascii=False)}" in page.text, name
    # A model in a folder is named by the folder, and by a digest of what is in it.
    assert len(re.findall(r'model = "model:[0-9a-f]{16}"', page.text)) == 4
    assert "greedy" in page.text and "layer = 1" in page.text and "layer = 2" in page.text


def test_every_table_has_a_caption(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") > 8


# --- a narrow screen ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs the browser Chromium")
def test_a_screen_of_390_pixels_does_not_scroll_sideways(plan: Plan, tmp_path: Path) -> None:
    """Measured in a frame of 390 pixels, as a window of headless Chromium cannot be so narrow."""
    frame = html.escape((plan.run / "results.html").read_text("utf-8"))
    script = """onload = () => {
        const root = document.querySelector("iframe").contentDocument.documentElement;
        const shown = [...root.querySelectorAll(".narrow svg")].map(e => e.getBoundingClientRect().right);
        document.title = [root.clientWidth, root.scrollWidth, Math.max(...shown) <= 390];
    }"""
    outer = tmp_path / "frame.html"
    outer.write_text(
        f'<iframe style="border:0;width:390px" srcdoc="{frame}"></iframe><script>{script}</script>'
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command = ["chromium", *options, "--virtual-time-budget=3000", "--dump-dom", outer.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    width, content, fits = re.findall(r"<title>(\d+),(\d+),(\w+)</title>", shown)[0]
    assert 370 <= int(width) <= 390 and content == width and fits == "true"


# --- metrics -----------------------------------------------------------------------------------------------


class WordCount:
    """A metric that the page has never heard of, with one measure that is a mean and one that is a sum."""

    name, reference, reads, settings = "word_count", "pt", "text", None

    def __init__(self) -> None:
        self.measures = {"words_mean": mean, "words_sum": lambda sums: sums[..., 0]}
        self.words = {"pt": {m: MeasureWords(f"Contagem {m}", f"Lê-se {m}.") for m in self.measures}}

    def identity(self, settings: Any) -> dict[str, Any]:
        return {}


def test_a_metric_that_is_added_appears_wherever_measures_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("laudo.metrics", "laudo.experiment.plan"):
        monkeypatch.setattr(sys.modules[module], "METRICS", (*METRICS, WordCount()))
    names = ("words_mean", "words_sum")
    plan = filled(
        layout(tmp_path),
        more_scores=[score(arm, i, name, 3.5) for arm in ARMS for i in TEST_STUDIES for name in names],
        more_estimates=[
            *(figure("lora", "", name, 0.3579) for name in names),
            figure("lora", "zero_shot", "words_mean", 0.0246, p=0.5),
            figure("lora", "", "words_sum", 0.1357, label="Edema"),
        ],
    )
    report.run(plan)
    page = page_of(plan)
    assert json_of(plan)["arms"]["lora"]["words_sum"]["value"] == 0.3579
    assert json_of(plan)["labels"]["lora"]["Edema"]["words_sum"]["value"] == 0.1357
    for shown in ("Contagem words_mean", "Lê-se words_sum.", "0,358", "+0,025", "0,136", "words_mean|s"):
        assert shown in page.text or shown in " ".join(page.values("aria-label")), shown
    # Beside those of the page without it: its differences, its labels, and one distribution.
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == (3 + 2 + 3 + 6) + 4


def test_an_empty_report_is_counted_beside_a_distribution_and_other_scores_of_0_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BERTScore is a cosine: an unlike text can score 0 or below it. The third report is empty."""
    plan = filled(layout(tmp_path), means=(-0.5, 0.0, 0.0), empty=TEST_STUDIES[2])
    drawn = []
    violins = drawing.violins

    def noted(shapes: Sequence[drawing.Violin], frame: drawing.Frame) -> Any:
        drawn.extend(shapes)
        return violins(shapes, frame)

    monkeypatch.setattr(drawing, "violins", noted)
    report.run(plan)
    assert len(drawn) == len(MEANS) * len(ARMS)
    assert all(shape.values == [-0.5, 0.0] for shape in drawn)
    assert all(shape.mean == pytest.approx(-0.5 / 3) for shape in drawn)
    text = page_of(plan).text
    assert text.count("−0,167 (1 vazio)") == len(drawn)
    assert re.search(r"−0,[1-9]", text)  # the axis reaches below 0


def test_the_mean_of_a_distribution_is_that_of_the_studies_with_a_score(page: Page) -> None:
    # 0.531 and 0.532; the third study has no score.
    spoken = [alt for alt in page.values("aria-label") if alt.startswith("Distribuição")]
    assert len(spoken) == len(MEANS) and all("LoRA 0,532 em 2 estudos" in alt for alt in spoken)


# --- numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.12345, "0,123"), (-0.5, "−0,500"), (-0.0001, "0,000"), (1.0, "1,000")],
)
def test_numbers_are_written_as_in_portuguese(value: float | None, shown: str) -> None:
    assert Catalogue("pt").number(value) == shown
    assert Catalogue("en").number(value) == shown.replace(",", ".")


@pytest.mark.parametrize(
    ("p", "resamples", "pairs", "shown"),
    [
        (6 / 2001, 2000, 6, "≤ 0,003"),
        (1 / 2001, 2000, 1, "≤ 0,001"),
        (3 / 2001, 2000, 3, "≤ 0,002"),  # 0.00149925, which "0,001" would understate
        (6 / 101, 100, 6, "≤ 0,060"),
        (2 / 10001, 10000, 1, "< 0,001"),
        (0.0125, 2000, 6, "0,013"),
        (1.0, 100, 200, "≤ 1,000"),
    ],
)
def test_a_p_value_is_never_shown_as_less_than_the_permutations_can_show(
    p: float, resamples: int, pairs: int, shown: str
) -> None:
    """The least p is (0 + 1) / (m + 1) (Phipson and Smyth 2010), times the pairs that Holm corrects."""
    floor = min(1.0, pairs / (resamples + 1))
    assert Catalogue("pt").p_value(p, floor) == shown
    assert Catalogue("en").p_value(p, floor) == shown.replace(",", ".")


def test_the_floor_of_p_is_that_of_its_family(plan: Plan, page: Page) -> None:
    floors = {d["metric"]: d["p_floor"] for d in json_of(plan)["differences"]}
    assert floors == {"label_f1": pytest.approx(1 / 2001), "bertscore_pt_f1": pytest.approx(1 / 2001)}


def test_plurals_follow_the_number_in_both_languages() -> None:
    # Portuguese: the plural begins at 2 (Manual de Redação da Presidência: "1,5 milhão"); English: all but 1.
    pt, en = Catalogue("pt"), Catalogue("en")
    settings = [
        words.text("method.tuning_settings", count=n, batch=1) for words in (pt, en) for n in (1, 1.5, 2)
    ]
    assert [re.search(r"\d[\d.,]* \w+", text)[0] for text in settings] == [  # type: ignore[index]
        "1 época",
        "1,5 época",
        "2 épocas",
        "1 epoch",
        "1.5 epochs",
        "2 epochs",
    ]
    for words in (pt, en):
        for key in [key.removesuffix(".one") for key in words.entries if key.startswith("count.")]:
            if not key.endswith(".many"):
                assert words.entries[f"{key}.one"] != words.entries[f"{key}.many"], key


def test_no_count_of_one_stands_before_a_plural(tmp_path: Path) -> None:
    ones = [row | {"value": 1} if row["value"] else row for row in census()]
    for language in ("pt", "en"):
        (tmp_path / language).mkdir()
        plan = simple(tmp_path / language, language=language)
        remake(plan.census, plan, ones)
        report.run(plan)
        text = page_of(plan).text
        plurals = "estudos|pacientes|imagens|épocas|laudos|tokens|studies|patients|images|epochs|reports"
        assert not re.search(rf"(?<![\d.,])1 ({plurals})\b", text)
        assert re.search(r"1 (estudo de teste de 1 paciente|test study of 1 patient)\b", text)


def test_signs_thousands_and_small_p() -> None:
    pt, en = Catalogue("pt"), Catalogue("en")
    assert [pt.signed(v) for v in (0.1, -0.1, 0.0, 0.0001, None)] == [
        "+0,100",
        "−0,100",
        "0,000",
        "0,000",
        "–",
    ]
    assert [pt.p_value(p) for p in (0.0004, 0.001, 1.0, None)] == ["< 0,001", "0,001", "1,000", "–"]
    assert [en.p_value(p) for p in (0.0004, 0.001)] == ["< 0.001", "0.001"]
    assert (pt.whole(45808), en.whole(45808)) == ("45.808", "45,808")
    assert pt.interval(-0.1, None) == en.interval(None, 0.1) == "–"
    assert (pt.interval(-0.1, 0.2), en.interval(-0.1, 0.2)) == ("[−0,100; 0,200]", "[−0.100, 0.200]")
