"""Whether a translated section is faithful to its English source.

A model's answer is repaired, then compared with its source by small checks that each say why they fail; the
verdict weighs what failed. The checks know words and facts, not medicine: a faithful text may fail one.

    repairs.py        what a chatty model adds, taken out     words in repairs.toml
    section.py        what is compared
    checks/           the checks, one function each           words and limits in checks.toml
    examination.py    repair and checks of one section
    verdict.py        which failures quarantine, flag, repair
    phrases.py        how a phrase of the data files is written
    data.py           the data files and their digests

A word that is missing is added to a list of the TOML files; its example there is a test.
"""

from laudo.fidelity.checks import CHECK_NAMES
from laudo.fidelity.data import checks_digest, repairs_digest
from laudo.fidelity.examination import Examined, Result, examine, examine_texts
from laudo.fidelity.repairs import repair
from laudo.fidelity.verdict import LEARNABLE, verdict

__all__ = [
    "CHECK_NAMES",
    "LEARNABLE",
    "Examined",
    "Result",
    "checks_digest",
    "examine",
    "examine_texts",
    "repair",
    "repairs_digest",
    "verdict",
]
