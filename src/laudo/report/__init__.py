"""The results page, one file that needs no network, and the same numbers as JSON beside it.

    tables       what is fetched of a finished study, and what the page is made from
    measures     what the metrics declare, in the page's language
    catalogue    every word and number format that a reader meets, in Portuguese and English
    sections     the sections of the page, each with its rows, its figures and its template
    drawing      figures as SVG
    page         results.html
    results      results.json

`results.html` is written first and `results.json` last. The JSON records the digest of the page and what both
were made from, so it says whether they are complete and up to date.
"""

from __future__ import annotations

from laudo.experiment.plan import Plan
from laudo.report import page, results
from laudo.report.tables import Tables
from laudo.store import State


def run(plan: Plan) -> bool:
    """Writes `results.html` and `results.json` into the run's folder, unless they are up to date.

    Returns:
        Whether they were written.

    Raises:
        NotReady: a table that the page reads is not done.
        InputError: the kept image of an example is lost or damaged.
    """
    tables = Tables(plan)
    if results.is_current(tables):
        return False
    tables.require()
    page_digest = page.write(tables, made_from=results.made_from(tables))
    results.write(tables, page_digest=page_digest)
    return True


def state(plan: Plan) -> State:
    """Looks whether page and JSON are complete, and made from what the tables, settings and words are now.

    Returns:
        `done`, `missing`, `waits` for the tables that it names, or `stale`: made from something else, cut
        short or edited.
    """
    tables = Tables(plan)
    if results.is_current(tables):
        return State("done")
    if not (plan.run / page.FILE).exists():
        return State("missing")
    waits = tuple(f"waits for {name}" for name in tables.unfinished)
    return State("waits", reasons=waits) if waits else State("stale")
