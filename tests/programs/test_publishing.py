"""
A file is written beside its place and then put there, while commits go on.

On Modal, users found files published that way full of zeros. Here what is published is whole: a
rename comes after the last byte, and a commit takes either the file before or the one after.
"""

import pytest

from boxes import Do, both_versions


@both_versions
@pytest.mark.parametrize("size", [10, 300_000])
def test_a_replaced_file_is_published_whole(box: Do, top: str, size: int) -> None:
    assert box("publish_and_read", top, size, 20) == []
