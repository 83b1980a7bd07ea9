"""The mistakes a user can make: what is wrong, where, and the command or setting that fixes it.

Library code raises these and never exits; only `cli` turns them into one message without a
traceback. Anything else that escapes is a bug and keeps its traceback.
"""


class LaudoError(Exception):
    """A mistake that a user can fix.

    Args:
        what: the fact that is wrong, one sentence without a full stop at its end.
        where: file, table, key or study in which it was seen.
        fix: the next command to run or the setting to change.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(
            "\n".join(part for part in (what, where and f"  in: {where}", fix and f"  fix: {fix}") if part)
        )


class ExperimentError(LaudoError):
    """An experiment file that cannot be read or says something it may not."""


class InputError(LaudoError):
    """Data from outside that is absent or not what it should be."""


class NotReady(LaudoError):
    """A stage asked to start before what it reads is finished."""
