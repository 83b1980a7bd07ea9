"""An experiment: its settings, the TOML file that holds them, and the plan of its tables.

settings   every section of an experiment, typed
loading    TOML files, and what is said of a mistake in one
plan       which table is made by which settings from which others
corpus     where the corpus is, and what identifies it
kept       the kept images of a run
needs      what stages lack, before they begin
shipped    demo, paper, default
"""

from laudo.experiment.loading import load, shipped
from laudo.experiment.plan import Plan, plan
from laudo.experiment.settings import Arm, Experiment, Page, Prepare, Train

__all__ = ["Arm", "Experiment", "Page", "Plan", "Prepare", "Train", "load", "plan", "shipped"]
