"""Trees are copied, packed, unpacked, moved and removed by the standard library."""

from boxes import Do, both_versions


@both_versions
def test_a_copied_tree_is_the_same_elsewhere(boxes: tuple[Do, Do], top: str) -> None:
    writer, reader = boxes
    writer("copy_sources", f"{top}/email")
    made = writer("contents", f"{top}/email")
    assert len(made) > 20
    writer("commit", top)
    assert reader("reload", top) == ""
    assert reader("contents", f"{top}/email") == made
    assert writer("reload", top) == ""
    assert writer("contents", f"{top}/email") == made


def test_a_committed_tree_is_moved_and_removed(boxes: tuple[Do, Do]) -> None:
    writer, reader = boxes
    writer("copy_sources", "/one/email")
    made = writer("contents", "/one/email")
    writer("commit", "/one")
    assert reader("reload", "/one") == ""
    reader("move", "/one/email", "/one/moved")
    reader("move", "/one/moved", "/two/across")
    assert reader("contents", "/two/across") == made
    for top in ("/one", "/two"):
        reader("commit", top)
        assert writer("reload", top) == ""
    assert writer("names", "/one") == []
    assert writer("contents", "/two/across") == made
    writer("remove", "/two/across")
    writer("commit", "/two")
    assert reader("reload", "/two") == ""
    assert reader("names", "/two") == []


@both_versions
def test_archives_are_written_and_unpacked(boxes: tuple[Do, Do], top: str) -> None:
    writer, reader = boxes
    writer("copy_sources", f"{top}/email")
    writer("commit", top)
    writer("zip_and_unzip", f"{top}/email", f"{top}/a.zip", f"{top}/unzipped")
    writer("tar_and_untar", f"{top}/email", f"{top}/a.tar.gz", f"{top}/untarred")
    writer("commit", top)
    assert reader("reload", top) == ""
    made = reader("contents", f"{top}/email")
    assert reader("contents", f"{top}/untarred/top") == made
    sources = {name: data for name, (_, data) in made.items() if name.endswith(".py")}
    unzipped = reader("contents", f"{top}/unzipped")
    assert {n: data for n, (_, data) in unzipped.items() if n.endswith(".py")} == sources
    assert unzipped["added.txt"][1] == b"later"
