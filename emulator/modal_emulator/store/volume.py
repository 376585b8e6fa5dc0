"""What is known of a volume but for its files: the object behind its name."""

from dataclasses import dataclass

from modal_emulator.store.names import Named

__all__ = ["VOLUME", "Volume"]

VOLUME = "Volume"


@dataclass(frozen=True, slots=True)
class Volume:
    """What is known of a volume, but for its files."""

    volume_id: str
    name: str
    environment: str
    version: int
    """Of its file system: 1 or 2."""
    created_at: float
    created_by: str

    @classmethod
    def of(cls, named: Named) -> "Volume":
        """Read the object as a volume."""
        return cls(
            volume_id=named.object_id,
            name=named.name,
            environment=named.environment,
            version=named.version or 1,
            created_at=named.created_at,
            created_by=named.created_by,
        )
