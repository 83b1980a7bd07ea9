"""The encoder of BERTScore: a text becomes one vector for each of its tokens.

It loads a BERT or XLM-RoBERTa model, cuts it after one layer, and knows nothing of scores. torch and
transformers are imported when the first model is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

import laudo
from laudo.engines.device import limit_threads
from laudo.errors import InputError

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase, XLMRobertaModel

    Model: TypeAlias = BertModel | XLMRobertaModel

MAX_TOKENS = 512
"""Longer texts are cut, also where a model would take more."""

FAMILIES = ("bert", "xlm-roberta")
"""The values of `model_type` that are known to work."""


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


class Encoder:
    """A model cut after one layer, and its tokenizer; loaded once, in float32.

    Args:
        name: folder or hub id.
        layer: the hidden layer whose output is compared; 0 is the embeddings, 1 the first layer.
        revision: commit, tag or branch of a hub id.
        device: torch's name of a device.
        batch_size: texts that are encoded together.

    Attributes:
        signature: everything that fixes a score, in sacreBLEU's style.

    Raises:
        InputError: the model is not on disk, is of another family, or has no such layer.
    """

    def __init__(
        self, name: str, *, layer: int, revision: str | None = None, device: str = "cpu", batch_size: int = 32
    ) -> None:
        self._tokenizer, model = _load(name, revision=revision)
        # from_pretrained leaves a model in evaluation mode: no dropout.
        self._model = _cut(model, layer=layer, name=name)
        limit_threads(self._model.num_parameters())
        self._model.to(device)
        self._limit = _token_limit(self._model)
        self._batch_size = batch_size
        self.signature = _signature(name, layer=layer, digest=_digest(self._tokenizer, self._model))

    def embed(self, texts: Iterable[str]) -> dict[str, Embedded]:
        """Embeds each distinct text once.

        Batches are filled in the order of length, so that little is spent on padding. They do not depend
        on the order of the texts.
        """
        ordered = sorted(set(texts), key=lambda text: (len(text), text))
        starts = range(0, len(ordered), self._batch_size)
        batches = (ordered[start : start + self._batch_size] for start in starts)
        return {text: embedded for batch in batches for text, embedded in self._embed_batch(batch)}

    def _embed_batch(self, batch: Sequence[str]) -> Iterator[tuple[str, Embedded]]:
        import torch

        # verbose=False: the tokenizer would warn of long texts, which are cut below and marked.
        untruncated = self._tokenizer(batch, verbose=False)["input_ids"]
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
            output = self._model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
            vectors = torch.nn.functional.normalize(output.last_hidden_state, dim=-1).cpu().numpy()
        ids, mask = tokens["input_ids"].cpu().numpy(), tokens["attention_mask"].cpu().numpy().astype(bool)
        # By id, as bert-score does: it gives these two ids the weight 0 wherever they are.
        content = ~np.isin(ids, [self._tokenizer.cls_token_id, self._tokenizer.sep_token_id])
        for i, text in enumerate(batch):
            truncated = len(untruncated[i]) > self._limit
            yield text, Embedded(vectors[i][mask[i]], content[i][mask[i]], truncated)


def _load(name: str, *, revision: str | None) -> tuple[PreTrainedTokenizerBase, Model]:
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from laudo.engines.loading import library_settings, local_files_only

    place: dict[str, Any] = {"revision": revision, "local_files_only": local_files_only()}
    try:
        config = AutoConfig.from_pretrained(name, **place)
        if config.model_type not in FAMILIES:
            raise InputError(
                f"BERTScore takes {' or '.join(FAMILIES)} models, not {config.model_type}", where=name
            )
        with library_settings():
            model = AutoModel.from_pretrained(name, config=config, dtype=torch.float32, **place)
        return AutoTokenizer.from_pretrained(name, **place), model
    except (OSError, ValueError) as error:
        message, *_ = str(error).splitlines() or [type(error).__name__]
        raise InputError(
            f"the BERTScore model cannot be loaded: {message}",
            where=name,
            fix="name a folder that holds config.json, weights and tokenizer, or fetch the model first",
        ) from error


def _cut(model: Model, *, layer: int, name: str) -> Model:
    """Drops the layers above `layer` and the pooler, neither of which touches the score."""
    layers = model.encoder.layer
    if not 0 <= layer <= len(layers):
        raise InputError(
            f"layer {layer} does not exist", where=name, fix=f"choose one from 0 to {len(layers)}"
        )
    model.encoder.layer = layers[:layer]
    model.pooler = None
    return model


def _token_limit(model: Model) -> int:
    """Returns how many tokens the model takes.

    XLM-RoBERTa counts positions from the one after its padding index, BERT from 0.
    """
    positions = model.embeddings.position_embeddings
    first = 0 if positions.padding_idx is None else positions.padding_idx + 1
    return min(MAX_TOKENS, int(positions.num_embeddings) - first)


def _digest(tokenizer: PreTrainedTokenizerBase, model: Model) -> str:
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
