"""`results.html`: the frame of the page, and the sections that have something to show.

The page holds text of models. Every value in it is escaped, save the catalogue's own markup and our figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from laudo import __version__
from laudo.report.context import Context
from laudo.report.sections import SECTIONS
from laudo.report.tables import Tables
from laudo.store import content
from laudo.store.disk import atomic

if TYPE_CHECKING:
    from jinja2 import Environment


FILE = "results.html"


class PageSection(NamedTuple):
    """A section as the frame shows it: its id, which is its address in the page, its title and its body."""

    id: str
    title: str
    body: Markup


def write(tables: Tables, *, made_from: str) -> str:
    """Writes `results.html` and returns the digest of its bytes."""
    page = render(Context.of(tables), made_from=made_from).encode()
    with atomic(tables.plan.run / FILE) as temporary:
        temporary.write_bytes(page)
    return content.of_bytes(page)


def render(context: Context, *, made_from: str) -> str:
    """Returns the page as HTML."""
    environment = _environment(context)
    sections = []
    for section in SECTIONS:
        rows = section.content(context)
        if rows is not None:
            template = environment.get_template(f"{section.id}.html.j2")
            title = context.words.text(f"{section.id}.title")
            body = Markup(template.render(section=rows))
            sections.append(PageSection(section.id, title, body))
    return environment.get_template("page.html.j2").render(
        sections=sections,
        census=context.tables.census,
        shows_examples="examples" in {section.id for section in sections},
        version=__version__,
        made_from=made_from,
    )


def _environment(context: Context) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    words = context.words
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "arm": context.arm,
        "day": words.day,
        "capital": _capital,
        "number": words.number,
        "p_value": words.p_value,
        "signed": words.signed,
        "whole": words.whole,
    }
    environment.globals |= {
        "text": words.text,
        "html": words.html,
        "word": words.word,
        "label": words.label,
        "split": words.split,
        "interval": words.interval,
        "experiment": context.experiment,
        "colours": context.colours,
        "controls": context.experiment.controls,
        "is_phantom": context.is_phantom,
    }
    return environment


def _capital(text: str) -> str:
    """The text with a capital at its start; the rest is as it was."""
    return text[:1].upper() + text[1:]
