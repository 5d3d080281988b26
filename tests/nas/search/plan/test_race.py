"""The race for the best: who is trained again."""

from nas.search.plan.race import Contender, in_doubt


def numbers(*contenders: Contender) -> list[int]:
    return [one.number for one in in_doubt(contenders)]


def test_of_the_two_that_may_be_the_best_the_one_with_fewer_trainings_is_trained_again() -> None:
    best, rival = Contender(1, 0.9, 0.02, 3), Contender(2, 0.89, 0.03, 1)
    assert numbers(best, rival, Contender(3, 0.5, 0.03, 1)) == [2, 1]


def test_of_equally_many_trainings_the_best_goes_first_since_it_was_lucky() -> None:
    assert numbers(Contender(1, 0.9, 0.02, 1), Contender(2, 0.89, 0.02, 1)) == [1, 2]


def test_where_the_first_takes_too_long_other_rivals_come_before_what_was_trained_more_often() -> None:
    best, rivals = (
        Contender(0, 0.9, 0.01, 6, plain=True),
        [Contender(n, 0.9 - n / 1e3, 0.02, 1) for n in (1, 2)],
    )
    assert numbers(best, *rivals) == [1, 2, 0]


def test_nothing_is_trained_again_where_the_best_is_known() -> None:
    assert numbers(Contender(1, 0.9, 0.01, 1), Contender(2, 0.8, 0.01, 1)) == []
    assert numbers(Contender(1, 0.9, 0.0, 3), Contender(2, 0.9, 0.0, 3)) == []
    assert numbers(Contender(1, 0.9, 0.1, 1)) == []


def test_the_plain_network_is_the_first_rival_while_the_best_is_not_above_it_for_sure() -> None:
    best, near, plain = (
        Contender(1, 0.9, 0.02, 4),
        Contender(2, 0.899, 0.02, 3),
        Contender(0, 0.87, 0.02, 1, plain=True),
    )
    assert numbers(best, near, plain)[0] == 0
    below = Contender(0, 0.8, 0.02, 1, plain=True)
    assert numbers(best, near, below) == [2, 1]
