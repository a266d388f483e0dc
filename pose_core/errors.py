"""Errors that a user can act upon.

Every message says what went wrong, where, and (``hint``) what to do next.
"""


class PoseStageError(Exception):
    """Base of all errors that are shown to the user as one line.

    Parameters
    ----------
    message : str
        What went wrong, and where (a path, a frame, an option).
    hint : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class VideoError(PoseStageError):
    """A video cannot be opened, decoded, or has no usable frames."""

    exit_code = 3


class WeightsError(PoseStageError):
    """Weights are missing, altered, or do not fit the model."""

    exit_code = 4


class SessionError(PoseStageError):
    """A session file cannot be read or written."""

    exit_code = 5


class ExportError(PoseStageError):
    """A result cannot be written or an exchange file cannot be read."""

    exit_code = 6


class DataError(PoseStageError):
    """A data set or motion file is not in the form that was expected."""

    exit_code = 7


class ConfigError(PoseStageError):
    """A configuration or option is not valid."""

    exit_code = 2


class NoPersonError(PoseStageError):
    """No person was found where one is needed."""

    exit_code = 8


class TrainingError(PoseStageError):
    """A training run cannot go on."""

    exit_code = 9


class Cancelled(Exception):
    """The user asked to stop; what was finished is kept."""
