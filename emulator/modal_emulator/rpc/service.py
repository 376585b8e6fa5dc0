"""What the control requests are called, for both ends: a command imports no server for it."""

__all__ = ["SERVICE"]

SERVICE = "modal_emulator.Control"
