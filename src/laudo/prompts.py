"""The messages of every task. Training and generation call the same function, so they cannot differ.

Images come before the text, as MedGemma was trained; the assistant's turn is never in here, so what a
model is asked and what it answers are never the same string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from laudo import images

Messages = list[dict[str, Any]]

TRANSLATE = "Você é um assistente médico que traduz relatórios de raio-x para o português. Traduza o relatório abaixo para o português."
"""The study's translation prompt."""

REPORT = "Dê o diagnóstico das imagens apresentadas"
"""The study's instruction, for tuning and for inference."""

EXEMPLAR = "Exemplo de laudo:"
PRIOR = "Laudo do exame anterior, em inglês:"


def translation(text: str, *, prompt: str) -> Messages:
    """Asks for the translation of one English section."""
    return [{"role": "user", "content": [{"type": "text", "text": f"{prompt}\n\n{text}"}]}]


def report(
    kept: Sequence[Mapping[str, Any]],
    *,
    run: Path,
    size_px: int,
    geometry: images.Geometry,
    prompt: str,
    prior: str | None = None,
    exemplars: Sequence[str] = (),
) -> Messages:
    """Asks for the report of one study.

    Args:
        kept: the study's prepared images, as its row in `studies` holds them, in view order.
        run: the folder that their paths are relative to.
        size_px: side of the squares they are brought to; the processor brings them to the model's size.
        prior: the report of the patient's last study before this one, where the experiment supplies it.
        exemplars: whole reports shown as examples, in the prompt's text (text only, as in the study).
    """
    shown = [images.for_model(run / str(image["path"]), size_px=size_px, geometry=geometry) for image in kept]
    return of_pictures(shown, prompt=prompt, prior=prior, exemplars=exemplars)


def of_pictures(
    shown: Sequence[Any], *, prompt: str, prior: str | None = None, exemplars: Sequence[str] = ()
) -> Messages:
    """The same for pictures in memory: Pillow images, RGB; they stand before the text."""
    titled = [*((PRIOR, text) for text in (prior,) if text), *((EXEMPLAR, text) for text in exemplars)]
    further = "".join(f"\n\n{title}\n{text}" for title, text in titled)
    content: list[dict[str, Any]] = [{"type": "image", "image": image} for image in shown]
    return [{"role": "user", "content": [*content, {"type": "text", "text": prompt + further}]}]
