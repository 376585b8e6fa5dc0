"""What a World begins with, put where it belongs."""

from modal_emulator.store.names import Creation
from modal_emulator.store.secrets import Secrets
from modal_emulator.store.seeds import Seeds
from modal_emulator.store.volumes import Volumes

__all__ = ["sow"]


def sow(seeds: Seeds, volumes: Volumes, secrets: Secrets) -> None:
    """Make the volumes and secrets of the seeds."""
    for volume in seeds.volumes:
        volumes.sow(volume)
    for secret in seeds.secrets:
        secrets.get_or_create(
            name=secret.name,
            environment="",
            creation=Creation.CREATE_OVERWRITE_IF_EXISTS,
            values=secret.values,
        )
