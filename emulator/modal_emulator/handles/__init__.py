"""Handles for tests: on the containers that run, and on the faults that are to happen."""

from modal_emulator.handles.containers import ContainerHandle, first_container, running_containers
from modal_emulator.handles.faults import FaultsHandle

__all__ = ["ContainerHandle", "FaultsHandle", "first_container", "running_containers"]
