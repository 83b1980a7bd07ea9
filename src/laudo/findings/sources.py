"""The files of the lexicon: the package's own and those of a folder that a user adds.

A concept holds the words of all languages side by side. A language holds what is said about concepts:
denials, doubts, sides, sizes.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from laudo.errors import InputError
from laudo.findings import schema
from laudo.findings.schema import Concept, LanguageCode, LanguageWords
from laudo.hashing import digest_of_files
from laudo.sections import headers

FOLDERS = ("concepts", "languages")


def data_folder() -> Traversable:
    """Returns the folder that holds the package's `concepts` and `languages`."""
    return files(__package__)


def lexicon_digest() -> str:
    """Returns a digest of the package's lexicon and headings (`hashing.digest_of_files`)."""
    lexicon = {f"{kind}/{file.name}": file for kind in FOLDERS for file in _toml_files(data_folder() / kind)}
    return digest_of_files(lexicon | {"headers.toml": headers.data_folder() / "headers.toml"})


@cache
def concepts(folder: Path | None = None) -> dict[str, Concept]:
    """Returns the package's concepts by name, together with those of `folder`.

    If a concept is in both, its lists are joined.

    Raises:
        InputError: a file is wrong.
    """
    merged: dict[str, Any] = {}
    for file in _files("concepts", folder):
        _merge(merged, schema.load(file, schema.CONCEPTS))
    return schema.CONCEPTS.validate_python(merged)


@cache
def languages(folder: Path | None = None) -> dict[LanguageCode, LanguageWords]:
    """Returns what each language says about concepts, by its code.

    A file of `folder` adds a language, or words to one.

    Raises:
        InputError: a file is wrong, or a language has no decimal sign.
    """
    merged: dict[LanguageCode, dict[str, Any]] = {}
    for file in _files("languages", folder):
        _merge(merged.setdefault(Path(file.name).stem, {}), schema.load(file, schema.LANGUAGE))
    known = {lang: schema.LANGUAGE.validate_python(content) for lang, content in merged.items()}
    for lang, language in known.items():
        if not language.layout.decimal:
            raise InputError(
                f"the language {lang} has no decimal sign", fix='write decimal = "," under [layout]'
            )
    return known


def _files(kind: str, folder: Path | None) -> Iterator[Traversable]:
    yield from _toml_files(data_folder() / kind)
    if folder:
        yield from _toml_files(folder / kind)


def _toml_files(folder: Traversable) -> list[Traversable]:
    """Returns the TOML files of a folder sorted by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    toml = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return sorted(toml, key=lambda file: file.name)


def _merge(into: dict[str, Any], content: Mapping[str, Any]) -> None:
    """Adds lists to lists and tables to tables. Any other value replaces the one before."""
    for key, value in content.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into[key] = [*into.get(key, ()), *value]
        else:
            into[key] = value
