"""The loss, and what is measured beside it: sums over the tokens of the answers, and their means.

Only the answer's tokens count; which they are is known by construction (`laudo.train.examples`), and is never
searched for in the text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

IGNORED = -100
"""The label of a token that the loss leaves out (`torch.nn.CrossEntropyLoss`)."""

CURVES = ("loss", "entropy", "mean_token_accuracy")


class AnswerSums(NamedTuple):
    """Sums over the tokens of a batch's answers.

    Attributes:
        loss: cross-entropy, in nats, with its gradient.
        entropy: in nats.
        correct: how many tokens were predicted right.
        tokens: how many there are.
    """

    loss: torch.Tensor
    entropy: float
    correct: float
    tokens: int


def answer_sums(model: Any, inputs: dict[str, torch.Tensor]) -> AnswerSums:
    """Runs a model on a batch and returns the sums over its answers' tokens.

    Only the positions from the first answer on are projected on the vocabulary: with Gemma's 262,208 entries
    the logits of the prompt would be most of the memory.
    """
    labels = inputs["labels"]
    first = int((labels != IGNORED).int().argmax(1).min())
    positions = labels.shape[1] - first + 1
    model_inputs = {name: tensor for name, tensor in inputs.items() if name != "labels"}
    # The logits at one position are of the token at the next.
    logits = model(**model_inputs, logits_to_keep=positions).logits[:, :-1].float()
    targets = labels[:, first:]
    counted = targets != IGNORED
    logits, targets = logits[counted], targets[counted]
    loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    with torch.no_grad():
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum()
        correct = (logits.argmax(-1) == targets).sum()
    return AnswerSums(loss, entropy.item(), correct.item(), targets.numel())


class Totals:
    """The sums of several batches, and the means that they give."""

    def __init__(self) -> None:
        self._sums = torch.zeros(4)

    def add(self, sums: AnswerSums) -> None:
        """Adds the sums of a batch."""
        self._sums += torch.tensor([sums.loss.item(), sums.entropy, sums.correct, sums.tokens])

    def means(self) -> dict[str, float]:
        """Returns each of `CURVES` as a mean over all tokens, not as a mean of means of batches."""
        values = (self._sums[:3] / self._sums[3]).tolist()
        return dict(zip(CURVES, values, strict=True))
