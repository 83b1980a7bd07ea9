"""What a model lacks before it can be used: looked at on this disk, without its weights and without network.

transformers is imported by the functions of this module, never with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from laudo.engines import messages, models
from laudo.engines.loading import library_settings, local_files_only, processor_of
from laudo.engines.settings import Model, ModelName
from laudo.errors import InputError

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which they are sought; where there are several files, an index names them."""

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "sentencepiece.bpe.model", "vocab.txt", "vocab.json")
"""Of these one will do. Without any, transformers 5.23 makes an empty tokenizer and says nothing."""


class Lack(NamedTuple):
    """What is lacking, and the command or setting that fixes it."""

    what: str
    fix: str


class Seen(NamedTuple):
    """What is on this disk of a model.

    Attributes:
        folder: of its files; None if they are absent, or are still to be fetched.
        config: as transformers loads it; None if it cannot be loaded.
        lacks: what of its files is absent or damaged.
    """

    folder: Path | None
    config: Any
    lacks: list[Lack]


def look(settings: ModelName) -> Seen:
    """Looks at the files of a model; a hub's model that may be fetched (HF_HUB_OFFLINE=0) lacks none."""
    try:
        folder = _folder(settings)
    except InputError as error:
        return Seen(None, None, [Lack(error.what, error.fix)])
    if folder is None:
        return Seen(None, None, [])
    fetch = _fetch(settings)
    lacks = [Lack(f"'{settings.model}' is not complete: {what}", fetch) for what in _file_faults(folder)]
    try:
        return Seen(folder, _config(folder), lacks)
    except (OSError, ValueError) as error:
        what = f"the config of '{settings.model}' cannot be loaded: {_first_line(error)}"
        return Seen(folder, None, [*lacks, Lack(what, f"{fetch}; or pip install -U transformers")])


def of_chat_model(settings: Model, *, sees_images: bool) -> list[Lack]:
    """Returns what a model lacks that is to answer chats.

    Args:
        settings: which model.
        sees_images: whether it is shown images.
    """
    folder, config, lacks = look(settings)
    lacks += not_installed("bitsandbytes") if settings.load_in_4bit else []
    if folder is None or config is None:
        return lacks
    takes_images = hasattr(config, "vision_config")
    if sees_images and not takes_images:
        what = f"'{settings.model}' takes no images, and a report is written from images"
        return [*lacks, Lack(what, "name a model that takes images, such as google/medgemma-4b-it")]
    return [*lacks, *_chat_faults(settings, folder, takes_images=takes_images, sees_images=sees_images)]


def not_installed(*packages: str) -> list[Lack]:
    """Returns a lack for each package that is not installed; none is imported."""
    lacks = []
    for package in packages:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            lacks.append(Lack(f"{package} is not installed", "pip install 'laudo[models]'"))
    return lacks


# --- files --------------------------------------------------------------------------------------------------


def _folder(settings: ModelName) -> Path | None:
    """The folder of a model, also of a hub's; None if that may still be fetched.

    Raises:
        InputError: there is none.
    """
    folder = models.folder(settings.model)
    if folder or not local_files_only():
        return folder
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(settings.model, revision=settings.revision, local_files_only=True))
    except (OSError, ValueError):
        what = f"the model '{settings.model}' is not on this machine"
        raise InputError(what, fix=f"{_fetch(settings)}; or name the folder it is in") from None


def _fetch(settings: ModelName) -> str:
    """The command that fetches what is missing of a model."""
    if models.folder(settings.model):
        return "copy the folder again, with all of its files"
    revision = f" --revision {settings.revision}" if settings.revision else ""
    return (
        f"hf download {settings.model}{revision} (if it is gated, accept its terms at "
        f"https://huggingface.co/{settings.model} and run hf auth login before)"
    )


def _file_faults(folder: Path) -> Iterator[str]:
    weights = _weights(folder)
    absent = [name for name in weights if not (folder / name).is_file()]
    if not weights:
        yield f"it has no weights ({' or '.join(_WEIGHTS)})"
    if absent:
        yield f"{len(absent)} of {len(weights)} files of its weights are absent, such as {absent[0]}"
    for name in weights:
        if name.endswith(".safetensors") and name not in absent and not _is_whole(folder / name):
            yield f"{name} is damaged or cut short"
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        yield f"it has no tokenizer ({' or '.join(_TOKENIZERS)})"


def _weights(folder: Path) -> list[str]:
    """The names of the files that transformers loads the weights from; none if there are none."""
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return [name]
        try:
            index = json.loads((folder / f"{name}.index.json").read_text("utf-8"))
            return sorted(set(index["weight_map"].values()))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return [f"{name}.index.json"]
    return []


def _is_whole(file: Path) -> bool:
    """Whether a file of weights is as long as its head says; the weights are not loaded."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np"):
            return True
    except (OSError, SafetensorError):
        return False


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    with library_settings():
        return AutoConfig.from_pretrained(folder, local_files_only=True)


# --- chats --------------------------------------------------------------------------------------------------

_NO_TEMPLATE = "name a model that was tuned for chats; of Gemma's and MedGemma's, the one that ends in -it"


def _chat_faults(settings: Model, folder: Path, *, takes_images: bool, sees_images: bool) -> Iterator[Lack]:
    """Loads the processor and renders one question as the stages ask it."""
    from jinja2 import TemplateError

    from laudo.engines.in_process import render

    name, loading_errors = settings.model, (OSError, ValueError, TypeError, AttributeError, LookupError)
    try:
        with library_settings():
            processor = processor_of(str(folder), {"local_files_only": True}, takes_images=takes_images)
    except loading_errors as error:
        what = f"the tokenizer or image processor of '{name}' cannot be loaded: {_first_line(error)}"
        yield Lack(what, _fetch(settings))
        return
    if not processor.chat_template:
        yield Lack(f"'{name}' has no chat template: it is a base model", _NO_TEMPLATE)
        return
    images = [messages.image(folder, size_px=1, geometry="pad")] if sees_images else []
    try:
        render(processor, messages.report(images, prompt="?"))
    except (*loading_errors, TemplateError) as error:
        yield Lack(
            f"the chat template of '{name}' takes no such question: {_first_line(error)}", _NO_TEMPLATE
        )


def _first_line(error: Exception) -> str:
    message, *_ = str(error).splitlines() or [""]
    return message or type(error).__name__
