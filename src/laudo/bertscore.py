"""BERTScore (Zhang et al. 2020, arXiv 1904.09675), without idf and without rescaling.

The numbers are those of the `bert-score` package, which cannot be used itself: it fails on every
tokenizer without a `model_max_length` (BERTimbau's), on an empty candidate, and on a path that
contains "t5". Two details are taken from it: the special tokens at both ends weigh nothing in a mean
but may be another token's best match, and a text is stripped before it is encoded.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

import laudo
from laudo import models
from laudo.errors import InputError

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase, XLMRobertaModel

    Model: TypeAlias = BertModel | XLMRobertaModel

MAX_TOKENS = 512
FAMILIES = ("bert", "xlm-roberta")


SIGNATURES = "signatures.json"
"""A file beside the scores of an arm: reference -> the signature of what scored it."""


class Score(NamedTuple):
    """One pair's scores; `why` says why they are None or 0, or what was cut before scoring."""

    precision: float | None
    recall: float | None
    f1: float | None
    why: str


class Embedded(NamedTuple):
    """A text as the encoder sees it.

    Attributes:
        vectors: unit vectors of all tokens, shape (tokens, width), special tokens too.
        content: True where a token counts in a mean, shape (tokens,); False for special tokens.
        truncated: whether the text was longer than the model takes.
    """

    vectors: NDArray[np.float32]
    content: NDArray[np.bool_]
    truncated: bool


class Embeds(Protocol):
    """What `score` asks of an encoder."""

    def embed(self, texts: Iterable[str]) -> dict[str, Embedded]:
        """Embeds each distinct text once."""


def score(*, candidates: Sequence[str], references: Sequence[str | None], encoder: Embeds) -> list[Score]:
    """Scores each candidate against the reference at the same place.

    Precision is the mean over the candidate's tokens of the cosine with their best match in the
    reference; recall is the mean over the reference's tokens. An absent or empty reference gives
    None, an empty candidate 0. All distinct texts are held embedded at once: about 0.4 MB for a
    report of 130 tokens in a base model.

    Raises:
        ValueError: the two sequences differ in length.
    """
    pairs = [(c.strip(), (r or "").strip()) for c, r in zip(candidates, references, strict=True)]
    embedded = encoder.embed(text for pair in pairs for text in pair)
    return [_compare(candidate=embedded[c], reference=embedded[r]) for c, r in pairs]


def _compare(*, candidate: Embedded, reference: Embedded) -> Score:
    if not reference.content.any():
        return Score(None, None, None, "no reference")
    if not candidate.content.any():
        return Score(0.0, 0.0, 0.0, "empty candidate")
    cosines = candidate.vectors @ reference.vectors.T
    precision = float(cosines.max(axis=1)[candidate.content].mean())
    recall = float(cosines.max(axis=0)[reference.content].mean())
    total = precision + recall
    f1 = 2 * precision * recall / total if total else 0.0
    sides = {"candidate truncated": candidate, "reference truncated": reference}
    return Score(precision, recall, f1, ", ".join(why for why, text in sides.items() if text.truncated))


class Encoder:
    """A BERT or XLM-RoBERTa model cut after one layer, and its tokenizer; loaded once, in float32.

    Args:
        name: folder or hub id.
        layer: the hidden layer whose output is compared; 0 is the embeddings, 1 the first layer.
        revision: commit, tag or branch of a hub id.
        device: torch's name of a device.
        batch_size: texts run together.

    Raises:
        InputError: the model is not on disk, is of another family, or has no such layer.
    """

    def __init__(
        self, name: str, *, layer: int, revision: str | None = None, device: str = "cpu", batch_size: int = 32
    ) -> None:
        self._tokenizer, model = _load(name, revision=revision)
        # from_pretrained leaves a model in evaluation mode: no dropout.
        self._model = _cut(model, layer=layer, name=name)
        models.spare_threads(self._model.num_parameters())
        self._model.to(device)
        self._limit = _most_tokens(self._model)
        self._batch_size = batch_size
        self.signature = _signature(name, layer=layer, digest=_digest(self._tokenizer, self._model))
        """Everything that fixes a score, in sacreBLEU's style."""

    def embed(self, texts: Iterable[str]) -> dict[str, Embedded]:
        """Embeds each distinct text once.

        Batches are filled in order of length, so that little is spent on padding, and do not depend
        on the order of the texts.
        """
        order = sorted(set(texts), key=lambda text: (len(text), text))
        batches = (order[i : i + self._batch_size] for i in range(0, len(order), self._batch_size))
        return {text: embedded for batch in batches for text, embedded in self._embed_batch(batch)}

    def _embed_batch(self, batch: Sequence[str]) -> Iterator[tuple[str, Embedded]]:
        import torch

        # verbose=False: the tokenizer would warn of long texts, which are cut below and marked.
        whole = self._tokenizer(batch, verbose=False)["input_ids"]
        # The limit is the model's: a tokenizer's own model_max_length may be 1e30, "not known".
        tokens = self._tokenizer(
            batch,
            truncation=True,
            max_length=self._limit,
            padding=True,
            padding_side="right",
            return_tensors="pt",
        ).to(self._model.device)
        with torch.inference_mode():
            out = self._model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
            vectors = torch.nn.functional.normalize(out.last_hidden_state, dim=-1).cpu().numpy()
        ids, mask = tokens["input_ids"].cpu().numpy(), tokens["attention_mask"].cpu().numpy().astype(bool)
        # By id, as bert-score does: it gives these two ids the weight 0 wherever they are.
        content = ~np.isin(ids, [self._tokenizer.cls_token_id, self._tokenizer.sep_token_id])
        for i, text in enumerate(batch):
            yield text, Embedded(vectors[i][mask[i]], content[i][mask[i]], len(whole[i]) > self._limit)


def _load(name: str, *, revision: str | None) -> tuple["PreTrainedTokenizerBase", "Model"]:
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(name, revision=revision)
        if config.model_type not in FAMILIES:
            raise InputError(
                f"BERTScore takes {' or '.join(FAMILIES)} models, not {config.model_type}", where=name
            )
        model = AutoModel.from_pretrained(name, config=config, dtype=torch.float32, revision=revision)
        return AutoTokenizer.from_pretrained(name, revision=revision), model
    except (OSError, ValueError) as error:
        raise InputError(
            f"the BERTScore model cannot be loaded: {str(error).splitlines()[0]}",
            where=name,
            mend="name a folder that holds config.json, weights and tokenizer, or fetch the model first",
        ) from error


def _cut(model: "Model", *, layer: int, name: str) -> "Model":
    """Drops the layers above `layer` and the pooler, neither of which touches the score."""
    layers = model.encoder.layer
    if not 0 <= layer <= len(layers):
        raise InputError(
            f"layer {layer} does not exist", where=name, mend=f"choose one from 0 to {len(layers)}"
        )
    model.encoder.layer = layers[:layer]
    model.pooler = None
    return model


def _most_tokens(model: "Model") -> int:
    """Tokens the model takes: XLM-RoBERTa counts positions from after its padding index, BERT from 0."""
    positions = model.embeddings.position_embeddings
    first = 0 if positions.padding_idx is None else positions.padding_idx + 1
    return min(MAX_TOKENS, int(positions.num_embeddings) - first)


def _digest(tokenizer: "PreTrainedTokenizerBase", model: "Model") -> str:
    """Hashes what was loaded, so that a folder, a snapshot and a hub id of the same model agree."""
    digest = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.cpu().numpy())
    return digest.hexdigest()[:12]


def _signature(name: str, *, layer: int, digest: str) -> str:
    import transformers

    return (
        f"bertscore|model:{Path(name).name}|weights:{digest}|layer:{layer}|idf:no|rescale:no"
        f"|transformers:{transformers.__version__}|version:{laudo.__version__}"
    )
