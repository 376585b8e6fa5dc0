"""What a fault looks like to whoever it strikes: failures that were planned."""

from modal_emulator.ground.errors import Code, EmulatorError

__all__ = ["Dropped", "Planned"]


class Planned(EmulatorError):
    """A failure with the code and words that a plan gives it."""

    def __init__(self, code: Code, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        """After how many seconds the client is told to ask again; None tells it nothing."""


class Dropped(EmulatorError):
    """The connection breaks: no answer comes, and nobody learns whether the thing was done."""

    code = Code.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("the connection was dropped, as planned")
