"""An experiment: its settings, the TOML file that holds them, and the plan of its tables.

settings   every section of an experiment, typed
loading    TOML files, and what is said of a mistake in one
writing    a new TOML file that explains every setting
plan       which table is made by which settings from which others
corpus     what identifies the corpus, and what settings need of it
kept       the kept images of a run
needs      what stages lack, before they begin
shipped    demo, paper, default
"""

from laudo.experiment.loading import load, shipped
from laudo.experiment.plan import Plan, plan
from laudo.experiment.settings import Arm, Experiment, Page, Prepare, Train
from laudo.experiment.writing import write_new

__all__ = ["Arm", "Experiment", "Page", "Plan", "Prepare", "Train", "load", "plan", "shipped", "write_new"]
