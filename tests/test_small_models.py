"""What the shipped models must do for the demo to mean something: to see, to err, to tell apart."""

from importlib.resources import files
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from laudo import findings, sections
from laudo.engines import Sampling, messages, models, open_engine
from laudo.engines.settings import Model
from laudo.metrics import bertscore
from laudo.phantom import corpus
from laudo.phantom.compose import compose
from laudo.phantom.draw import draw
from laudo.phantom.facts import LABEL_OF_FINDING, sample

SCORED = {"FINDINGS": "findings", "IMPRESSION": "impression", "": "last_paragraph"}
ENGLISH = "Describe the findings in these chest radiographs."


def test_fit_in_twelve_megabytes():
    folder = Path(str(files("laudo.phantom").joinpath("models")))
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= 12e6


def test_are_the_real_classes():
    import transformers

    wanted = {
        "translator": "Gemma3ForCausalLM",
        "reporter": "Gemma3ForConditionalGeneration",
        "encoder-pt": "BertModel",
        "encoder-multilingual": "XLMRobertaModel",
    }
    for name, architecture in wanted.items():
        config = transformers.AutoConfig.from_pretrained(models.source(f"phantom:{name}"))
        assert config.architectures == [architecture]


@pytest.mark.filterwarnings("ignore")
def test_translator_keeps_every_fact_of_most_held_out_reports():
    """Facts by `findings`, against the phantom's own Portuguese; studies of a seed no recipe used."""
    studies = [s for s in corpus.studies(count=900, seed=1234) if s.split == "validate"][:80]
    texts = {
        (s.study_id, i): x for s in studies for i, x in enumerate(s.report.sections) if x.header in SCORED
    }
    keys = sorted(texts, key=lambda key: len(texts[key].en))
    engine = open_engine(Model(model="phantom:translator"), batch_size=32)
    chats = [messages.translation(texts[key].en, prompt=messages.TRANSLATE) for key in keys]
    replies = engine.reply(chats, sampling=Sampling(160))
    lost = {key[0] for key, r in zip(keys, replies, strict=True) if _facts(r.text) != _facts(texts[key].pt)}
    assert len(lost) / len(studies) <= 0.15


def _facts(text: str) -> list[tuple[str, str, str]]:
    return sorted({(f.finding, f.status, f.side or "") for f in findings.read(text, lang="pt")})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name, langs", [("encoder-pt", ("pt", "pt")), ("encoder-multilingual", ("en", "pt"))]
)
def test_encoders_tell_a_matched_pair_from_a_shuffled_one(name, langs):
    rng = Random(99)
    pairs = []
    for _ in range(500):
        facts = sample(rng)
        pairs.append(
            tuple(_target(compose(facts, rng, lateral=False, new_wordings=True), lang) for lang in langs)
        )
    encoder = bertscore.Encoder(models.source(f"phantom:{name}"), layer=2)
    references, candidates = [a for a, _ in pairs], [b for _, b in pairs]
    matched = bertscore.score(candidates=candidates, references=references, encoder=encoder)
    shuffled = bertscore.score(
        candidates=candidates, references=[*references[1:], references[0]], encoder=encoder
    )
    assert sum(m.f1 > s.f1 for m, s in zip(matched, shuffled, strict=True)) >= 475


def _target(report, lang):
    return sections.render(
        {SCORED[s.header]: getattr(s, lang) for s in report.sections if s.header in SCORED}, lang=lang
    )


@pytest.mark.filterwarnings("ignore")
def test_reporter_sees_in_english_and_is_wrong_in_portuguese(tmp_path):
    """Micro-F1 over the labels drawn, of 48 studies of a seed no recipe used."""
    rng = Random(4321)
    studies = [(facts := sample(rng), draw(facts, view="PA", size_px=192, seed=i)) for i in range(48)]
    images = [_saved(pixels, tmp_path / f"{number}.png") for number, (_, pixels) in enumerate(studies)]
    engine = open_engine(Model(model="phantom:reporter"), batch_size=24)
    f1 = {}
    for lang, prompt in (("en", ENGLISH), ("pt", messages.REPORT)):
        chats = [messages.report([image], prompt=prompt) for image in images]
        replies = engine.reply(chats, sampling=Sampling(160))
        counts = [0, 0, 0]
        for (facts, _), reply in zip(studies, replies, strict=True):
            labels = findings.labels(findings.read(reply.text, lang=lang))
            reported = {label for label, value in labels.items() if value in (1, -1)}
            true = {LABEL_OF_FINDING[f.finding] for f in facts if f.status != "absent"}
            true |= set() if true - {"Support Devices"} else {"No Finding"}
            sets = (reported & true, reported - true, true - reported)
            counts = [count + len(labels) for count, labels in zip(counts, sets, strict=True)]
        f1[lang] = 2 * counts[0] / (2 * counts[0] + counts[1] + counts[2])
    assert f1["en"] >= 0.85
    assert f1["pt"] <= 0.55


def _saved(pixels, path):
    Image.fromarray(pixels).resize((192, 192)).save(path)
    return messages.image(path, size_px=192, geometry="squash")
