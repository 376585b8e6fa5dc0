"""What an SDK needs to know of an object to hold a handle on it."""

from modal_proto import api_pb2

from modal_emulator.rpc.compat import known
from modal_emulator.rpc.creation import creation_info
from modal_emulator.store.volumes import Volume

__all__ = ["volume_metadata"]


def volume_metadata(volume: Volume) -> api_pb2.VolumeMetadata:
    """Describe a volume."""
    return known(
        api_pb2.VolumeMetadata,
        version=volume.version,
        name=volume.name,
        creation_info=creation_info(volume.created_at, volume.created_by),
    )
