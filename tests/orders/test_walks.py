import pytest

from actors import LOST_UPDATE, every_order
from modal_emulator.ground.chance import Chance
from modal_emulator.orders.exploring import RandomWalks, explore
from modal_emulator.orders.options import Option, arranged, dependent, shape
from modal_emulator.orders.tokens import BadToken, Token
from modal_emulator.orders.walks import Quiet, Replay, StaleChoices, run_once


def opt(actor: str, action: str = "go", reads: str = "", writes: str = "", **more: bool) -> Option:
    return Option(actor, action, frozenset(reads.split()), frozenset(writes.split()), **more)


def test_steps_depend_on_each_other_by_actor_and_by_what_one_writes() -> None:
    assert dependent(opt("a"), opt("a", "stop"))
    assert not dependent(opt("a"), opt("b"))
    assert not dependent(opt("a", reads="x"), opt("b", reads="x y"))
    assert dependent(opt("a", reads="x"), opt("b", writes="x"))
    assert dependent(opt("a", writes="x"), opt("b", reads="x"))
    assert dependent(opt("a", writes="x"), opt("b", writes="x"))


def test_the_quiet_choice_is_number_zero() -> None:
    options = [opt("kill", optional=True), opt("add#10"), opt("add#2"), opt("b")]
    assert [options[i].actor for i in arranged(options, "b")] == ["b", "add#2", "add#10", "kill"]
    assert [options[i].actor for i in arranged(options, None)] == ["add#2", "add#10", "b", "kill"]


def test_runs_have_one_shape_if_they_differ_in_independent_steps() -> None:
    read, write = opt("a", "read", reads="x"), opt("b", "write", writes="x")
    other = opt("c", "work", writes="y")
    assert shape([read, write, other]) == shape([other, read, write])
    assert shape([read, write, other]) != shape([write, read, other])


def test_left_alone_actors_go_on_one_after_the_other() -> None:
    run = run_once(LOST_UPDATE, Quiet())
    assert [str(step) for step in run.steps] == [
        "a: read n",
        "a: write n",
        "b: read n",
        "b: write n",
    ]
    assert run.choices == ()
    assert run.switches == 1
    assert not run.failed


def test_a_walk_finds_the_lost_update_and_its_choices_replay_it() -> None:
    report = explore(LOST_UPDATE, RandomWalks(Chance(1)), 100)
    found = report.failing
    assert found is not None and str(found.outcome.failure) == "n is 1"
    assert report.chance is None and not report.exhaustive

    again = run_once(LOST_UPDATE, Replay(found.choices))
    assert again.steps == found.steps
    assert again.failed


def test_the_same_seed_walks_the_same_way() -> None:
    walks = [explore(LOST_UPDATE, RandomWalks(Chance(7)), 5, onward=True) for _ in range(2)]
    assert str(walks[0]) == str(walks[1])
    assert Chance().seed != Chance().seed


def test_every_run_can_be_replayed_from_its_token() -> None:
    for steps, _ in every_order(LOST_UPDATE):
        found = run_once(LOST_UPDATE, Follow(steps))
        text = str(Token.of(found.choices, found.steps))
        token = Token.read(text)
        run = run_once(LOST_UPDATE, Replay(token.choices))
        assert run.steps == steps
        token.verify(run.steps)


class Follow:
    def __init__(self, steps: tuple[Option, ...]) -> None:
        self._steps = iter(steps)

    def choose(self, options: list[Option], current: str | None) -> int:
        return options.index(next(self._steps))


@pytest.mark.parametrize(
    "choices", [(), (1,), (0, 0, 0, 3), (200, 0, 1, 0, 0, 70_000), (0,) * 500 + (1,)]
)
def test_a_token_is_short_and_fits_into_an_address(choices: tuple[int, ...]) -> None:
    text = str(Token.of(choices, []))
    assert Token.read(f" {text}\n").choices == choices
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(text) < 30


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not the token"),
        ("hello", "is not the token"),
        ("s2AAAA", "does not know"),
        ("s1", "not a whole token"),
        ("s1%%%%", "not a whole token"),
        ("s1ABCDE", "not a whole token"),
        (str(Token.of((1, 2, 3), []))[:-2], "not a whole token"),
    ],
)
def test_what_is_no_token_is_told(text: str, why: str) -> None:
    with pytest.raises(BadToken, match=why):
        Token.read(text)


def test_a_token_of_another_program_is_told() -> None:
    token = Token.of((1,), [opt("a"), opt("b")])
    with pytest.raises(BadToken, match="of another program, or of one that has changed"):
        token.verify([opt("a"), opt("c")])


def test_choices_that_are_not_there_are_an_error_or_the_last_option() -> None:
    with pytest.raises(StaleChoices, match=r"choice 1 is number 5 .* there are 2 options: a: read"):
        run_once(LOST_UPDATE, Replay((5,)))
    assert run_once(LOST_UPDATE, Replay((5,), strict=False)).choices == (1,)
    replay = Replay((0, 0, 0, 0, 0, 1))
    run_once(LOST_UPDATE, replay)
    assert replay.left == 4
