"""The base of every section of an experiment; each room declares its own beside what it sets."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A section of an experiment: frozen, and nothing in it that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)
