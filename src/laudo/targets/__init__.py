"""What of a report is translated, trained on and scored.

policies    the target sections, less the sentences that a policy removes: `target`
sentences   the sentences of a line, and what each policy looks for in them (`sentences.toml`)
marks       the marks `___` that de-identification left
"""

from laudo.targets.policies import Policies, Target, target
from laudo.targets.sentences import patterns_digest

__all__ = ["Policies", "Target", "patterns_digest", "target"]
