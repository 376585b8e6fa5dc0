"""What users call the objects behind ids, for plans that name them."""

from modal_emulator.ground.errors import EmulatorError
from modal_emulator.schedule.calls import Calls
from modal_emulator.store.apps import Apps
from modal_emulator.store.names import Names

__all__ = ["Naming"]

FAMILIES = {"vo": "Volume", "di": "Dict", "qu": "Queue", "st": "Secret"}


class Naming:
    """Knows the names of named objects, and of functions."""

    def __init__(self, names: Names, apps: Apps, calls: Calls) -> None:
        self._names = names
        self._apps = apps
        self._calls = calls

    def __call__(self, object_id: str) -> str:
        """Return the name; empty where there is none, as of Dicts that a Redis keeps."""
        prefix = object_id.partition("-")[0]
        try:
            if prefix in FAMILIES:
                return self._names.get(FAMILIES[prefix], object_id).name
            if prefix == "fc":
                object_id = self._calls.call(object_id).function_id
            if prefix in ("fc", "fu"):
                return self._apps.past(object_id).tag.removesuffix(".*")
        except (EmulatorError, LookupError):  # it is gone
            pass
        return ""
