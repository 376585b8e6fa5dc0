import pytest
from modal_proto import api_pb2

from modal_emulator.ground.errors import Invalid
from modal_emulator.rpc.volume_uses import volume_uses


def mounts(*paths):
    return [
        api_pb2.VolumeMount(volume_id=f"vo-{number}", mount_path=path)
        for number, path in enumerate(paths)
    ]


@pytest.mark.parametrize("paths", [("/a", "/a/b"), ("/a/b/c", "/x", "/a")])
def test_mounts_do_not_lie_in_one_another(paths):
    with pytest.raises(Invalid, match=r"^Volume /a/b\S* cannot be mounted inside /a, where ano"):
        volume_uses(mounts(*paths))


def test_mounts_may_lie_side_by_side():
    uses = volume_uses(mounts("/a/b", "/a/bc", "/a b", "/devices", "/root/x"))
    assert [use.path for use in uses] == ["/a/b", "/a/bc", "/a b", "/devices", "/root/x"]


@pytest.mark.parametrize("path", ["/proc", "/proc/x", "/sys/x/y", "/dev/shm/x", "/__modal/x"])
def test_places_of_the_system_are_refused(path):
    with pytest.raises(Invalid, match=f"^Volume {path} cannot be mounted inside /[a-z_]+.$"):
        volume_uses(mounts(path))


def test_a_volume_is_mounted_once():
    twice = [api_pb2.VolumeMount(volume_id="vo-1", mount_path=path) for path in ("/b", "/a")]
    with pytest.raises(Invalid, match=r"for the same function: /a, /b$"):
        volume_uses(twice)


def test_a_sub_path_is_read_and_stays_inside():
    (mount,) = mounts("/a")
    mount.sub_path = "/users/./me/"
    assert volume_uses([mount])[0].sub_path == "users/me"
    mount.sub_path = "/users/../.."
    with pytest.raises(Invalid, match=r"'\.\.' is not allowed"):
        volume_uses([mount])
