"""The verdict on a study: accepted, repaired, flagged or quarantined, from the checks that failed."""

from __future__ import annotations

from collections.abc import Iterable

from laudo.fidelity.examination import Result
from laudo.vocabulary import Verdict

LEARNABLE = frozenset({Verdict.ACCEPTED, Verdict.REPAIRED})
"""The verdicts with which a translation may be trained on or shown as an exemplar."""

# A person or a model would learn something false or incomplete about the patient. These follow the critical
# errors of WMT21's quality estimation task (polarity, numbers, deletion). A lost `___` may hide a lost date
# or name.
QUARANTINING = frozenset({"complete", "negation", "laterality", "numbers", "findings", "deid", "repetition"})

# What failed has been taken out, and the report's own words are unchanged.
REPAIRED = frozenset({"preface", "markdown"})


def verdict(results: Iterable[Result]) -> Verdict:
    """Returns the verdict on a study from the results of all its sections: the most severe one counts.

    A failure in neither set leaves form or wording in doubt, so a person should look: flagged.
    """
    failed = {result.check for result in results if not result.passed}
    if failed & QUARANTINING:
        return Verdict.QUARANTINED
    if failed - REPAIRED:
        return Verdict.FLAGGED
    return Verdict.REPAIRED if failed else Verdict.ACCEPTED
