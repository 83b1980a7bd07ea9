"""The sections of the page: each is one module here, its template, and its line in `SECTIONS`.

method      what was done, with which models
main        differences between arms, and every arm by every measure
sensitivity the main figures without the references in doubt
labels      the measures by CheXpert label
corpus      what the corpus holds, and what was left out
training    the curves of the training
spread      how the scores of the studies are distributed
generated   how many reports each arm wrote
examples    test studies with their images and reports
reading     how to read the numbers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from laudo.report.context import Context
from laudo.report.sections import (
    corpus,
    examples,
    generated,
    labels,
    main,
    method,
    reading,
    sensitivity,
    spread,
    training,
)


class Section(NamedTuple):
    """A section.

    Attributes:
        id: names its template, `templates/<id>.html.j2`, and its title, `<id>.title`; it is also its address.
        content: returns what its template calls `section`; None where it has nothing to show.
    """

    id: str
    content: Callable[[Context], object | None]


SECTIONS = (
    Section("method", method.content),
    Section("main", main.content),
    Section("sensitivity", sensitivity.content),
    Section("labels", labels.content),
    Section("corpus", corpus.content),
    Section("training", training.content),
    Section("spread", spread.content),
    Section("generated", generated.content),
    Section("examples", examples.content),
    Section("reading", reading.content),
)
"""The sections in the order of the page."""
