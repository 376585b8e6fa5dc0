"""Run and test Modal storage code without Modal."""

__version__ = "0.1.0"
__all__ = ["__version__"]
