import pytest

from modal_emulator.ground.errors import NotFound
from modal_emulator.ground.ids import Ids
from modal_emulator.store.images import Image, Images, installed
from modal_emulator.store.ledger import Ledger


@pytest.fixture
def ledger():
    made = Ledger(None)
    yield made
    made.close()


@pytest.fixture
def images(ledger) -> Images:
    return Images(ledger, Ids(seed=1, salt="s"))


def make(images: Images, *commands: str, base: Image | None = None, mount: str = "") -> Image:
    key = repr((commands, base and base.image_id, mount)).encode()
    return images.get_or_create(key, commands, [base.image_id] if base else [], mount, False)


def test_the_same_content_is_the_same_image(images):
    first = images.get_or_create(b"k", ["FROM x"], [], "", False)
    assert images.get_or_create(b"k", ["FROM x"], [], "", False) is first


def test_an_app_uses_an_image_for_the_first_time_once(images):
    image = make(images, "FROM x")
    assert images.first_use("ap-1", image)
    assert not images.first_use("ap-1", image)
    assert images.first_use("ap-2", image)


def test_env_and_workdir_count_and_later_layers_win(images):
    base = make(images, "FROM x", 'ENV A=1 B="two words"', "WORKDIR /app")
    top = make(images, "FROM base", "ENV A=3", base=base)
    assert top.environment == {"A": "3", "B": "two words"}
    assert top.working_directory == "/app"
    assert make(images, "ENV OLD the old form").environment == {"OLD": "the old form"}


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        ("RUN python -m pip install numpy 'torch>=2'", ["numpy", "torch"]),
        ("RUN pip install --index-url https://x/y -r r.txt Some_Package", ["some-package"]),
        ("RUN uv pip install --system --compile-bytecode httpx[http2]", ["httpx"]),
        ("RUN /.uv/uv pip install --python $(command -v python) numpy", ["numpy"]),
        ("RUN pip install wheel uv && echo done", []),
        ("RUN apt-get install git", []),
        ("RUN echo 'unbalanced", []),
        ("RUN pip install 'unbalanced", []),
        ("RUN pip install ./local.whl", []),
    ],
)
def test_packages_that_pip_is_asked_for_are_told_when_missing(images, command, packages):
    image = make(images, command)
    assert images.missing(image, lambda name: False) == packages
    assert images.missing(image, lambda name: True) == []


def test_copied_mounts_are_kept_newest_first(images):
    base = make(images, "COPY . /", mount="mo-1")
    top = make(images, "COPY . /app", base=base, mount="mo-2")
    assert top.copied == ("mo-2", "mo-1")
    assert make(images, "COPY --from=other /uv /uv", mount="mo-3").copied == ()


def test_images_come_back_from_the_ledger(images, ledger):
    image = make(images, "ENV A=1", "RUN pip install numpy", "WORKDIR /w")
    assert Images(ledger, Ids()).get(image.image_id) == image


def test_an_unknown_image_is_said_in_the_words_of_the_live_tests(images):
    with pytest.raises(NotFound, match=r"Could not find image with ID im-x"):
        images.get("im-x")


def test_installed_asks_the_local_environment():
    assert installed("pytest")
    assert not installed("no-such-distribution-anywhere")
