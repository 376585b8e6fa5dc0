"""The environment of a container."""

import os
import sys
from collections.abc import Mapping

import pytest

from modal_emulator.runtime.environ import RESERVED, base_environment, container_environment


def made(image: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    return container_environment(
        region="us-east-1",
        cloud="aws",
        image=image,
        secrets=secrets,
        container_id="ta-1",
        image_id="im-1",
        environment_name="main",
        host={"PATH": "/usr/bin:/bin", "AWS_SECRET_ACCESS_KEY": "mine", "MODAL_TOKEN_ID": "ak"},
    )


def test_nothing_of_the_host_leaks_but_where_programs_are() -> None:
    environment = made({}, {})
    assert "mine" not in environment.values() and "ak" not in environment.values()
    here = os.path.dirname(sys.executable)
    assert environment["PATH"].split(":") == [here, "/usr/bin", "/bin"]
    assert environment["HOME"] == "/root"


def test_without_a_path_outside_there_is_one_inside() -> None:
    assert base_environment({})["PATH"].endswith("/usr/bin:/sbin:/bin")


def test_later_parts_win() -> None:
    environment = made({"A": "image", "B": "image", "HOME": "/h"}, {"B": "secret", "C": "secret"})
    assert [environment[name] for name in "ABC"] == ["image", "secret", "secret"]
    assert environment["HOME"] == "/h"


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_what_modal_sets_is_not_overridden(name: str) -> None:
    assert made({name: "mine"}, {name: "mine"}).get(name) != "mine"


def test_modal_tells_who_the_container_is() -> None:
    environment = made({}, {})
    assert environment["MODAL_TASK_ID"] == "ta-1"
    assert environment["MODAL_IMAGE_ID"] == "im-1"
    assert environment["MODAL_ENVIRONMENT"] == "main"
    assert environment["MODAL_IS_REMOTE"] == "1"


def test_other_words_of_modals_may_be_chosen() -> None:
    assert made({"MODAL_LOGLEVEL": "DEBUG"}, {})["MODAL_LOGLEVEL"] == "DEBUG"
