"""The messages of every task. Training and generation call the same function, so they cannot differ.

Images come before the text, as MedGemma was trained; the assistant's turn is never in here, so what a
model is asked and what it answers are never the same string.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Messages = list[dict[str, Any]]

TRANSLATE = "Você é um assistente médico que traduz relatórios de raio-x para o português. Traduza o relatório abaixo para o português."
"""The study's translation prompt."""

REPORT = "Dê o diagnóstico das imagens apresentadas"
"""The study's instruction, for tuning and for inference."""

EXEMPLAR = "Exemplo de laudo:"


def translation(text: str, *, prompt: str) -> Messages:
    """Asks for the translation of one English section."""
    return [{"role": "user", "content": [{"type": "text", "text": f"{prompt}\n\n{text}"}]}]


def report(images: Sequence[Any], *, prompt: str, exemplars: Sequence[str] = ()) -> Messages:
    """Asks for the report of one study.

    Args:
        images: Pillow images, RGB, in view order; they stand before the text.
        exemplars: whole reports shown as examples, in the prompt's text (text only, as in the study).
    """
    shown = "".join(f"\n\n{EXEMPLAR}\n{text}" for text in exemplars)
    content: list[dict[str, Any]] = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*content, {"type": "text", "text": prompt + shown}]}]
