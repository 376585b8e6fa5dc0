"""An app as a value; which there are is kept in `apps`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

__all__ = ["App", "AppState", "app_bytes", "app_from"]


class AppState(Enum):
    """The numbers are those of Modal's AppState."""

    EPHEMERAL = 1
    DETACHED = 2
    DEPLOYED = 3
    STOPPING = 4
    STOPPED = 5
    INITIALIZING = 6
    DETACHED_DISCONNECTED = 8


LIVE = frozenset(AppState) - {AppState.STOPPING, AppState.STOPPED}


@dataclass(frozen=True, slots=True)
class App:
    """An app; times are seconds since 1970, 0 for never."""

    app_id: str
    description: str
    environment: str
    state: AppState
    created_at: float
    name: str = ""
    """Set once deployed."""
    version: int = 0
    """The one in production."""
    deployed_at: float = 0.0
    published_at: float = 0.0
    """When its functions came to be what they are, also without a deployment."""
    stopped_at: float = 0.0
    stopped_by: str = ""
    """Empty when it ended by itself, or with its client."""
    function_ids: Mapping[str, str] = field(default_factory=dict)
    class_ids: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """True until the app is stopped."""
        return self.state in LIVE


def app_bytes(app: App) -> bytes:
    """Return an app as bytes."""
    return json.dumps({**asdict(app), "state": app.state.value}).encode()


def app_from(record: Mapping[str, Any]) -> App:
    """Return the app of which these are the plain values."""
    return App(**{**record, "state": AppState(record["state"])})
