from modal_emulator.ground.chance import Chance


def draws(seed: int | None) -> list[object]:
    chance = Chance(seed)
    things = list(range(30))
    chance.shuffle(things)
    return [chance.below(1000), chance.one_of("abcdef"), chance.sample(50, 5), things]


def test_a_seed_repeats_the_row() -> None:
    assert draws(3) == draws(3)
    assert draws(3) != draws(4)


def test_without_a_seed_nobody_had_the_row_before_and_it_can_be_had_again() -> None:
    chance = Chance()
    assert draws(None) != draws(None)
    assert Chance(chance.seed).sample(1000, 9) == chance.sample(1000, 9)
