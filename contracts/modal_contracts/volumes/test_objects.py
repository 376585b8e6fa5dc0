"""Handles of volumes: what they tell, how they travel, and what deployed apps have of them."""

import time

import modal
import pytest

from modal_contracts import bodies
from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.scene import DATA, Scene, content, paths, upload

__all__ = ()

MANAGERS = "1.1.2"
CLOCKS_APART = 300
RENAME = inferred("modal/volume.py", "_Volume.rename")


@clause("volumes/a-handle-travels-as-an-argument", documented("sdk/py/latest/modal.Volume"))
def test_a_handle_travels_as_an_argument(scene: Scene) -> None:
    """A handle that is passed to a function names the same volume there, mounted or not."""
    mounted, other = scene.volume(), scene.volume(b="2")
    container = scene.container(mounted)
    container.run(bodies.then_commit, mounted, bodies.write, f"{DATA}/a.txt", "1")
    assert content(mounted, "a.txt") == b"1"
    assert container.run(bodies.listed, other) == ["b.txt"]


@clause(
    "volumes/each-parameter-has-containers-of-its-own",
    documented("guide/parametrized-functions"),
)
def test_each_parameter_has_containers_of_its_own(scene: Scene) -> None:
    """Objects of one class with other parameters run apart, on the same volume."""
    volume = scene.volume()
    ann = scene.object(bodies.Named, volume, name="ann")
    bob = scene.object(bodies.Named, volume, name="bob")
    first = ann.sign.remote(volume, f"{DATA}/ann.txt")
    second = bob.sign.remote(volume, f"{DATA}/bob.txt")
    assert first != second
    assert content(volume, "ann.txt") == b"ann"
    assert content(volume, "bob.txt") == b"bob"


@clause(
    "volumes/a-handle-tells-who-made-the-volume",
    documented("sdk/py/latest/modal.Volume"),
    since=MANAGERS,
)
def test_a_handle_tells_who_made_the_volume(scene: Scene) -> None:
    """`info` gives the name, when the volume was made, and by whom."""
    name = scene.unused_name()
    modal.Volume.objects.create(name)
    info = modal.Volume.from_name(name).info()
    assert info.name == name
    assert abs(info.created_at.timestamp() - time.time()) < CLOCKS_APART
    assert info.created_by


@clause(
    "volumes/a-deployed-app-keeps-its-volume-until-it-is-deployed-again",
    documented("guide/volumes"),
    since=MANAGERS,
)
def test_a_deployed_app_keeps_its_volume_until_it_is_deployed_again(scene: Scene) -> None:
    """An app does not take a new volume for a deleted one of the same name until redeployed."""
    app, name = scene.unused_name("app"), scene.unused_name()
    upload(modal.Volume.from_name(name, create_if_missing=True), {"old.txt": b"1"})
    function = scene.deployed(app, modal.Volume.from_name(name))
    assert function.names() == ["old.txt"]
    scene.settle()
    modal.Volume.objects.delete(name)
    upload(modal.Volume.from_name(name, create_if_missing=True), {"new.txt": b"1"})
    with pytest.raises(Exception):  # noqa: B017 - in what words Modal reports it is not the claim
        scene.deployed_before(app).names()
    assert scene.deployed(app, modal.Volume.from_name(name)).names() == ["new.txt"]


@clause("volumes/a-missing-volume-cannot-be-renamed", RENAME)
def test_a_missing_volume_cannot_be_renamed(scene: Scene) -> None:
    """Renaming a name that nobody has raises NotFoundError."""
    with pytest.raises(modal.exception.NotFoundError):
        modal.Volume.rename(scene.unused_name(), scene.unused_name())


@clause(
    "volumes/a-rename-does-not-take-a-name-that-is-taken",
    assumed("names are unique within an environment; the service's words are not known"),
    since="1.3.0",
)
def test_a_rename_does_not_take_a_name_that_is_taken(scene: Scene) -> None:
    """Renaming to the name of another volume is refused, and both stay as they are."""
    first, second = scene.volume(a="1"), scene.volume(b="2")
    with pytest.raises(modal.exception.Error):
        modal.Volume.rename(scene.name_of(first), scene.name_of(second))
    assert paths(modal.Volume.from_name(scene.name_of(first))) == ["a.txt"]
    assert paths(modal.Volume.from_name(scene.name_of(second))) == ["b.txt"]
