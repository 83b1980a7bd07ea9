"""Loads a model and its processor from this machine, with the model libraries quiet and off the network.

transformers, peft and bitsandbytes are imported by the functions of this module, never with it.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from laudo.engines import models
from laudo.engines.device import device_name, limit_threads
from laudo.engines.settings import Model
from laudo.errors import InputError, LaudoError

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig

NOT_IN_4BIT = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
"""Modules that keep their precision. This list replaces the library's own, so lm_head must be named."""


class Loaded(NamedTuple):
    """A model, and its processor, or its tokenizer where the model takes no images."""

    model: Any
    processor: Any


def load(settings: Model) -> Loaded:
    """Loads a model and its processor.

    On a GPU in bfloat16 (Gemma 3 is not stable in float16), on a CPU in float32; in NF4 with double
    quantisation where `load_in_4bit` is set, the vision tower, the projector and the head left out.

    Raises:
        InputError: the model is not on this machine, or cannot be loaded.
    """
    try:
        with library_settings():
            return _load(settings)
    except OSError as error:
        raise InputError(
            f"the model '{settings.model}' cannot be loaded from this machine ({type(error).__name__})",
            where=models.source(settings.model),
            fix="download it first and name its folder, or set HF_HUB_OFFLINE=0 to let it be fetched",
        ) from error


def local_files_only() -> bool:
    """Whether models are sought on this machine alone: always, unless the user sets HF_HUB_OFFLINE=0.

    Every `from_pretrained` is given this, within `library_settings`.
    """
    return os.environ.get("HF_HUB_OFFLINE", "1").lower() not in ("0", "false", "no", "off")


@contextmanager
def library_settings() -> Iterator[None]:
    """Keeps the model libraries quiet and off the network for as long as the block lasts.

    Whatever loads, tunes or asks a model runs in such a block; the process keeps its own settings.
    """
    defaults = {
        # peft, which looks at nothing else, asks the hub for the base model's config to save an adapter.
        "HF_HUB_OFFLINE": "1",
        # Else the tokenizers warn that a process was forked, as a loader of training examples does.
        "TOKENIZERS_PARALLELISM": "false",
    }
    with (
        _hub_as_set(),
        _no_progress_bars(),
        _environment(defaults),
        _only_errors(_NOISY),
        warnings.catch_warnings(),
    ):
        # transformers warns of its own calls from one of its modules to another.
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        yield


@contextmanager
def _hub_as_set() -> Iterator[None]:
    """Makes the hub's library refuse every request, unless models may be fetched.

    `local_files_only` is not enough: transformers 5.23 does not pass it on to the tokenizer and the image
    processor of a processor, and the hub's library fetches a list of its own with the first request. That
    library reads the environment once, when it is imported.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = local_files_only()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def _environment(defaults: dict[str, str]) -> Iterator[None]:
    """Sets the variables that are not set, and removes them again."""
    absent = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(absent)
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


_NOISY = (
    "bitsandbytes",  # at its import: an optional kernel is not installed
    "transformers.trainer_utils",  # two checkpoints within a second are ordered by their numbers
)
"""Libraries whose warnings say nothing that a user can or should change."""


@contextmanager
def _only_errors(libraries: tuple[str, ...]) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in libraries]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _load(settings: Model) -> Loaded:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    device = device_name()
    place = {"revision": settings.revision, "local_files_only": local_files_only()}
    source = models.source(settings.model)
    takes_images = hasattr(AutoConfig.from_pretrained(source, **place), "vision_config")
    options: dict[str, Any] = {
        "dtype": torch.bfloat16 if device == "cuda" else torch.float32,
        "attn_implementation": "sdpa",
    }
    if settings.load_in_4bit:
        options |= {"quantization_config": _nf4(), "device_map": {"": device}}
    auto = AutoModelForImageTextToText if takes_images else AutoModelForCausalLM
    model = auto.from_pretrained(source, **place, **options)
    if settings.load_in_4bit:
        _check_4bit(model)
    else:
        model = model.to(device)
    limit_threads(model.num_parameters())
    return Loaded(model, processor_of(source, place, takes_images=takes_images))


def processor_of(source: str, place: dict[str, Any], *, takes_images: bool) -> Any:
    """Loads the processor of a model, or its tokenizer if it takes no images."""
    from transformers import AutoProcessor, AutoTokenizer

    if takes_images:
        return AutoProcessor.from_pretrained(source, backend="pil", **place)
    return AutoTokenizer.from_pretrained(source, **place)


def _nf4() -> BitsAndBytesConfig:
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=list(NOT_IN_4BIT),
    )


def _check_4bit(model: Any) -> None:
    """Refuses a model whose vision tower or head was quantised; turns off a CPU kernel that breaks training.

    bitsandbytes 0.50 on CPUs with avx512_bf16 repacks weights at the first evaluation, after which the
    gradients of all adapters are zero.
    """
    import bitsandbytes as bnb

    kept_parts = [name.rpartition(".")[2] for name in NOT_IN_4BIT]
    for name, module in model.named_modules():
        if not isinstance(module, bnb.nn.Linear4bit):
            continue
        if any(part in name for part in kept_parts):
            raise LaudoError(
                f"{name} was loaded in 4 bits",
                fix="set load_in_4bit = false, or install the versions in constraints.txt",
            )
        module.support_avx512bf16_for_cpu = False
