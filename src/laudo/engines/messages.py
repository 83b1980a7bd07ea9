"""What a model is asked, as messages that JSON can hold. Training and generation use the same builders.

An image is a reference to a file, never pixels: the engine that answers resolves it. Images come before the
text, as MedGemma was trained. The model's own turn is never among the messages, so that what it is asked and
what it answers are never the same string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from laudo.vocabulary import Geometry

Messages = list[dict[str, Any]]
"""The turns of a chat: `[{"role": "user", "content": [<image>, ..., {"type": "text", "text": ...}]}]`."""


class ImageReference(TypedDict):
    """An image to show: the absolute path of its file, and the square that it is brought to.

    `size_px` is the side of the square; the model's processor then brings it to the model's own size.
    """

    type: Literal["image"]
    path: str
    size_px: int
    geometry: Geometry


TRANSLATE = (
    "Você é um assistente médico que traduz relatórios de raio-x para o português. "
    "Traduza o relatório abaixo para o português."
)
"""The paper's translation prompt."""

REPORT = "Dê o diagnóstico das imagens apresentadas"
"""The paper's instruction, for tuning and for inference."""

EXEMPLAR = "Exemplo de laudo:"
PRIOR = "Laudo do exame anterior, em inglês:"


def translation(text: str, *, prompt: str) -> Messages:
    """Returns the messages that ask for the translation of one English section."""
    return [{"role": "user", "content": [{"type": "text", "text": f"{prompt}\n\n{text}"}]}]


def report(
    images: Sequence[ImageReference], *, prompt: str, prior: str | None = None, exemplars: Sequence[str] = ()
) -> Messages:
    """Returns the messages that ask for the report of one study.

    Args:
        images: the study's images, in the order of its views.
        prompt: the instruction, at the start of the text.
        prior: the English report of the patient's last study before this one, where the experiment supplies
            it; it follows `PRIOR`.
        exemplars: Portuguese reports that are shown as examples, in the prompt's text (text only, as in the
            paper); each follows `EXEMPLAR`.
    """
    titled = [(PRIOR, prior)] if prior else []
    titled += [(EXEMPLAR, exemplar) for exemplar in exemplars]
    text = prompt + "".join(f"\n\n{title}\n{body}" for title, body in titled)
    return [{"role": "user", "content": [*images, {"type": "text", "text": text}]}]


def image(path: Path, *, size_px: int, geometry: Geometry) -> ImageReference:
    """Returns a reference to an image file."""
    return {"type": "image", "path": str(path.absolute()), "size_px": size_px, "geometry": geometry}


def study_images(
    images: Sequence[Mapping[str, Any]], *, run: Path, size_px: int, geometry: Geometry
) -> list[ImageReference]:
    """Returns references to a study's cached images, as its row in `studies` lists them.

    Args:
        run: the run's folder, which the paths in the row are relative to.
        size_px, geometry: the square that each image is brought to.
    """
    return [image(run / row["path"], size_px=size_px, geometry=geometry) for row in images]


def study_report(
    images: Sequence[Mapping[str, Any]],
    *,
    run: Path,
    size_px: int,
    geometry: Geometry,
    prompt: str,
    prior: str | None = None,
    exemplars: Sequence[str] = (),
) -> Messages:
    """Returns the messages that ask for a study's report from its cached images, in training and generation.

    Args:
        images, run, size_px, geometry: as for `study_images`.
        prompt, prior, exemplars: as for `report`.
    """
    references = study_images(images, run=run, size_px=size_px, geometry=geometry)
    return report(references, prompt=prompt, prior=prior, exemplars=exemplars)
