"""Experiments as TOML files: found by path or name, and checked; all mistakes are explained at once."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from laudo.errors import ExperimentError
from laudo.experiment.settings import Arm, Experiment

_MOVED = {
    ("train", "model"): "reporter.model",
    ("generate", "model"): "reporter.model",
    ("train", "revision"): "reporter.revision",
    ("generate", "revision"): "reporter.revision",
    ("train", "load_in_4bit"): "reporter.load_in_4bit",
    ("generate", "load_in_4bit"): "reporter.load_in_4bit",
    ("generate", "geometry"): "reporter.geometry",
}
"""Settings that had another place in earlier experiments."""


def shipped() -> list[str]:
    """The names of the experiments that come with the package."""
    return sorted(
        file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml")
    )


def load(name: str) -> Experiment:
    """Loads an experiment from a path, or by the name of one that is shipped.

    Raises:
        ExperimentError: no such file, not TOML, or settings that are not right; all of them at once.
    """
    try:
        return Experiment.model_validate(tomllib.loads(source(name).read_text("utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fix = "correct it, and save the file as UTF-8"
        raise ExperimentError(f"this is not TOML: {error}", where=name, fix=fix) from None
    except ValidationError as error:
        lines = dict.fromkeys(_explain(mistake) for mistake in error.errors())
        fix = "correct the setting and run the command again"
        raise ExperimentError("; ".join(lines), where=name, fix=fix) from None


def _folder() -> Traversable:
    return files(__package__) / "shipped"


def source(name: str) -> Traversable:
    """Returns the file of an experiment: that of the path, or the one that is shipped by this name.

    Raises:
        ExperimentError: there is none.
    """
    path = Path(name)
    if path.suffix != ".toml" and name in shipped():
        return _folder() / f"{name}.toml"
    if path.is_file():
        return path
    raise ExperimentError(
        f"there is no experiment '{name}'",
        fix=f"give the path of a TOML file, or one of: {', '.join(shipped())}",
    )


def _explain(mistake: Any) -> str:
    """One mistake in words, with the name that was probably meant."""
    place = tuple(str(part) for part in mistake["loc"])
    dotted = ".".join(place)
    if mistake["type"] != "extra_forbidden":
        return f"{dotted or 'experiment'}: {mistake['msg']}"
    if place in _MOVED:
        return f"{dotted}: is now {_MOVED[place]}"
    near = difflib.get_close_matches(place[-1], _names(place[:-1]), n=1)
    return f"{dotted}: no such setting" + (f", did you mean '{near[0]}'?" if near else "")


def _names(section: tuple[str, ...]) -> list[str]:
    """The settings that a section may hold."""
    if section[:1] == ("arms",) and len(section) == 2:
        return list(Arm.model_fields)
    model: Any = Experiment
    for part in section:
        model = _model_of(model.model_fields[part].annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: Any) -> Any:
    """The section that a field holds, also where it may be absent."""
    candidates = getattr(annotation, "__args__", (annotation,))
    sections = (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return next(sections, annotation)
