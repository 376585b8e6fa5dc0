"""The model of the machine itself: what it takes for possible, and what not."""

import pytest

from modal_contracts.volumes.model import Impossible, Model, Rules
from modal_contracts.volumes.steps import Step

STILL = Rules(background=False)


class Told:
    """A model, told what happens in short words."""

    def __init__(self, rules):
        self.model = Model(rules)
        self.count = 0

    def does(self, who, name, *arguments, refused=False):
        self.count += 1
        self.model.change(who, Step(name, arguments, self.count), refused)

    def edits(self, name, *arguments, refused=False):
        self.count += 1
        self.model.edit(Step(name, arguments, self.count), refused)

    def lists(self, **sizes):
        self.model.lists({name: ["file", size] for name, size in sizes.items()})

    def sees(self, who, **texts):
        self.model.sees(who, {name: ["file", text, 0o644] for name, text in texts.items()})


@pytest.fixture
def still():
    return Told(STILL)


def test_what_is_written_is_seen_by_its_writer_alone(still):
    still.model.start(1)
    still.does(0, "write", "a", "1")
    still.sees(0, a="1")
    still.sees(1)
    still.lists()
    still.model.commit(0)
    still.lists(a=1)
    still.sees(1)
    still.model.reload(1)
    still.sees(1, a="1")


def test_the_last_committer_takes_the_whole_file(still):
    still.model.start(1)
    still.does(0, "append", "a", "first")
    still.does(1, "append", "a", "2")
    still.model.commit(1)
    still.model.commit(0)
    still.model.reads("a", "first")
    still.sees(1, a="2")


def test_the_same_text_again_is_a_change(still):
    still.edits("upload", "a", "1", False)
    still.model.start(1)
    still.edits("upload", "a", "2", True)
    still.does(1, "write", "a", "1")
    still.model.commit(1)
    still.model.reads("a", "1")


def test_what_cannot_be_is_impossible(still):
    still.does(0, "write", "a", "1")
    with pytest.raises(Impossible, match=r"the API shows\n.*'a'.*\n   not \{\}"):
        still.lists(a=1)
    with pytest.raises(Impossible, match="remove"):
        still.does(0, "remove", "b")
    with pytest.raises(Impossible, match=r"upload.* refused"):
        still.edits("upload", "b", "1", False, refused=True)


def test_a_commit_in_the_background_may_have_been_and_then_it_was():
    told = Told(Rules())
    told.does(0, "write", "a", "1")
    told.does(1, "write", "a", "22")
    told.lists(a=2)  # the second committed, the first perhaps before
    told.lists(a=1)
    with pytest.raises(Impossible):
        told.lists(a=2)


def test_a_commit_in_the_background_may_fall_into_a_step():
    told = Told(Rules())
    told.edits("upload", "a", "1", False)
    told.does(0, "write", "a", "22")
    told.lists(a=0)
    told.lists(a=2)


@pytest.mark.parametrize(("ends", "sizes"), [(("lost",), [{}]), (("lost", "kept"), [{}, {"a": 1}])])
def test_a_kill_leaves_what_the_rules_say(ends, sizes):
    for listed in ({}, {"a": 1}):
        told = Told(Rules(background=False, after_kill=ends))
        told.does(0, "write", "a", "1")
        told.model.kill(0)
        if listed in sizes:
            told.lists(**listed)
        else:
            with pytest.raises(Impossible):
                told.lists(**listed)


def test_a_directory_takes_with_it_what_others_put_there(still):
    still.edits("upload", "d/a", "1", False)
    still.model.start(0)
    still.edits("upload", "d/b", "1", False)
    still.does(0, "remove_tree", "d")
    still.model.commit(0)
    still.lists()
    still.does(0, "remove", "d/b", refused=True)
