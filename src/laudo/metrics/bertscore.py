"""BERTScore (Zhang et al. 2020, arXiv 1904.09675), without idf and without rescaling.

The numbers are those of the `bert-score` package, which cannot be used itself: it fails on every
tokenizer without a `model_max_length` (BERTimbau's), on an empty candidate, and on a path that contains
"t5". Two details are taken from it: the special tokens at both ends have no weight in a mean but may be
the best match of another token, and a text is stripped before it is encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from laudo import engines
from laudo.engines import models, needs
from laudo.engines.device import device_name
from laudo.engines.needs import Lack
from laudo.engines.settings import ModelName
from laudo.metrics.encoder import FAMILIES, Embedded, Encoder
from laudo.metrics.metric import MeasureWords, Score, ScoredPair, Scorer
from laudo.metrics.statistics import Aggregate, mean, mean_statistics
from laudo.settings import Settings
from laudo.vocabulary import Language

PARTS = ("f1", "precision", "recall")


class Similarity(NamedTuple):
    """BERTScore of one pair; `why` says why it is None or 0, or what was cut before scoring."""

    precision: float | None
    recall: float | None
    f1: float | None
    why: str


class Embeds(Protocol):
    """What `score` needs of an encoder."""

    def embed(self, texts: Iterable[str]) -> dict[str, Embedded]:
        """Embeds each distinct text once."""


def score(
    *, candidates: Sequence[str], references: Sequence[str | None], encoder: Embeds
) -> list[Similarity]:
    """Scores each candidate against the reference at the same place.

    Precision is the mean over the candidate's tokens of the cosine with their best match in the
    reference; recall is the mean over the reference's tokens. An absent or empty reference gives None, an
    empty candidate 0. All distinct texts are held embedded at once: about 0.4 MB for a report of 130
    tokens in a base model.

    Raises:
        ValueError: the two sequences differ in length.
    """
    pairs = [(c.strip(), (r or "").strip()) for c, r in zip(candidates, references, strict=True)]
    embedded = encoder.embed(text for pair in pairs for text in pair)
    return [_compare(candidate=embedded[c], reference=embedded[r]) for c, r in pairs]


def _compare(*, candidate: Embedded, reference: Embedded) -> Similarity:
    if not reference.content.any():
        return Similarity(None, None, None, "no reference")
    if not candidate.content.any():
        return Similarity(0.0, 0.0, 0.0, "empty candidate")
    cosines = candidate.vectors @ reference.vectors.T
    precision = float(cosines.max(axis=1)[candidate.content].mean())
    recall = float(cosines.max(axis=0)[reference.content].mean())
    total = precision + recall
    f1 = 2 * precision * recall / total if total else 0.0
    sides = {"candidate truncated": candidate, "reference truncated": reference}
    why = ", ".join(words for words, side in sides.items() if side.truncated)
    return Similarity(precision, recall, f1, why)


# --- the metric -------------------------------------------------------------------------------------------


class EncoderSettings(ModelName):
    """Which encoder, and the hidden layer whose output is compared."""

    layer: int = Field(ge=1)


class BertScore:
    """BERTScore against one of the references: `bertscore_<reference>_f1`, `_precision` and `_recall`."""

    reads: Literal["text", "facts"] = "text"
    settings: type[Settings] | None = EncoderSettings

    def __init__(self, reference: Language) -> None:
        self.reference: Language = reference
        self.name = f"bertscore_{reference}"
        self.measures: Mapping[str, Aggregate] = {self._measure(part): mean for part in PARTS}
        self.words: Mapping[Language, Mapping[str, MeasureWords]] = {
            language: {self._measure(part): _words(reference, part, language) for part in PARTS}
            for language in ("pt", "en")
        }

    def _measure(self, part: str) -> str:
        return f"{self.name}_{part}"

    def identity(self, settings: EncoderSettings) -> dict[str, Any]:
        """Returns what identifies the encoder: its weights and the layer."""
        weights = engines.identity(settings)
        return {"recipe": 1, "model": weights, "layer": settings.layer}

    def lacks(self, settings: EncoderSettings) -> list[Lack]:
        """Returns what the encoder lacks: files, a known family, or the layer."""
        _, config, lacks = needs.look(settings)
        if config is None:
            return lacks
        if config.model_type not in FAMILIES:
            families = " or ".join(FAMILIES)
            what = f"BERTScore takes {families} models, and '{settings.model}' is {config.model_type}"
            return [*lacks, Lack(what, "name an encoder such as FacebookAI/xlm-roberta-large")]
        layers = config.num_hidden_layers
        if settings.layer > layers:
            what = f"'{settings.model}' has {layers} layers, and layer {settings.layer} is asked for"
            return [*lacks, Lack(what, f"set layer to one from 1 to {layers}")]
        return lacks

    def open(self, settings: EncoderSettings, *, batch_size: int) -> Scorer:
        """Returns a scorer, whose encoder is loaded when it is first needed."""
        return _BertScorer(self.name, settings, batch_size)


class _BertScorer:
    def __init__(self, name: str, settings: EncoderSettings, batch_size: int) -> None:
        self._name, self._settings, self._batch_size = name, settings, batch_size

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(
            models.source(self._settings.model),
            layer=self._settings.layer,
            revision=self._settings.revision,
            device=device_name(),
            batch_size=self._batch_size,
        )

    @property
    def signature(self) -> str:
        return self._encoder.signature

    def score(self, pairs: Sequence[ScoredPair]) -> list[Score]:
        similarities = score(
            candidates=[pair.candidate.text for pair in pairs],
            references=[pair.reference.text if pair.reference else None for pair in pairs],
            encoder=self._encoder,
        )
        return [
            self._row(pair.study_id, part, similarity)
            for pair, similarity in zip(pairs, similarities, strict=True)
            for part in PARTS
        ]

    def _row(self, study_id: int, part: str, similarity: Similarity) -> Score:
        value: float | None = getattr(similarity, part)
        measure = f"{self._name}_{part}"
        return Score(study_id, measure, "", value, mean_statistics(value), similarity.why)


# --- its words --------------------------------------------------------------------------------------------

# By the language of the page, then by the reference or the part.
_TITLES: dict[Language, dict[Language, str]] = {
    "pt": {"pt": "BERTScore português", "en": "BERTScore inglês–português"},
    "en": {"pt": "Portuguese BERTScore", "en": "English–Portuguese BERTScore"},
}
_PART_TITLES: dict[Language, dict[str, str]] = {
    "pt": {"f1": "F1", "precision": "precisão", "recall": "revocação"},
    "en": {"f1": "F1", "precision": "precision", "recall": "recall"},
}
_READINGS: dict[Language, dict[Language, str]] = {
    "pt": {
        "pt": (
            "Mede quanto as palavras de dois textos se parecem, segundo um modelo de linguagem: "
            "precisão, do laudo gerado para a referência; revocação, no sentido contrário; F1, as duas "
            "juntas. A nota em português compara com a tradução. Não mede correção clínica: «há derrame "
            "pleural» e «não há derrame pleural» recebem nota alta. É uma média de cossenos, de −1 a 1: "
            "o zero não tem sentido próprio, e dois laudos de pacientes quaisquer já podem se parecer "
            "muito. O ponto de partida depende do modelo de linguagem; por isso os números de dois "
            "modelos não se comparam, e só a diferença entre braços se lê."
        ),
        "en": (
            "A nota inglês–português compara o laudo gerado com o original em inglês, sem passar pela "
            "tradução, por meio de um modelo que conhece as duas línguas. No mais, lê-se como a nota em "
            "português, com os mesmos limites; os números das duas não se comparam."
        ),
    },
    "en": {
        "pt": (
            "Measures how alike the words of two texts are, according to a language model: precision, "
            "from the generated report to the reference; recall, in the other direction; F1, both "
            "together. The Portuguese score compares with the translation. It does not measure clinical "
            "correctness: “there is a pleural effusion” and “there is no pleural effusion” score high. "
            "It is a mean of cosines, from −1 to 1: zero has no meaning of its own, and the reports of any "
            "two patients may already be much alike. Where it starts depends on the language model, so "
            "the numbers of two models cannot be compared, and only differences between arms are read."
        ),
        "en": (
            "The English–Portuguese score compares the generated report with the English original, "
            "without the translation, by means of a model that knows both languages. Otherwise it is "
            "read as the Portuguese score is, with the same limits; the numbers of the two cannot be "
            "compared."
        ),
    },
}


def _words(reference: Language, part: str, language: Language) -> MeasureWords:
    title = f"{_TITLES[language][reference]}, {_PART_TITLES[language][part]}"
    return MeasureWords(title, _READINGS[language][reference] if part == "f1" else "")
