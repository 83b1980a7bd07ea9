"""Language models: what they are asked, how they are asked, and the engines that answer.

    messages     what is asked: text and references to images
    protocol     what an engine is
    settings     which model, as an experiment names it
    models       models by name, and what identifies one
    opening      an engine for a model: the one place that chooses which
    needs        what a model lacks, before it is used
    loading      a model and its processor from this machine
    device       where models run
    in_process   the transformers library in this process
    fake         an engine for tests

Importing this package loads no model library; opening an engine does.
"""

from laudo.engines.models import identity
from laudo.engines.opening import open_engine
from laudo.engines.protocol import Engine, Reply, Sampling

__all__ = ["Engine", "Reply", "Sampling", "identity", "open_engine"]
