"""What of the contracts is left out of the quick part: laws that take long, above all over what thinks long.

A law is a method that all subclasses of a contract inherit, so the marks of one subclass are put on here.
"""

from __future__ import annotations

from typing import Any

import pytest

THINKERS = {"TestOptuna", "TestPredictor", "TestReinforce", "TestReinforceScaled"}
POLICIES = {"TestReinforce", "TestReinforceIndependent", "TestReinforcePPO", "TestReinforceScaled"}

LONG_LAWS = {
    "test_learners_leave_the_infeasible_part_of_the_space",
    "test_learners_propose_better_networks_over_time",
    "test_renaming_holes_and_options_changes_nothing_but_names",
    "test_several_objectives_and_limits_together",
    # over a record of two hundred steps
    "test_no_network_is_proposed_twice",
    "test_replay_restores_it_with_many_asks_in_flight",
    "test_the_same_seed_and_calls_give_the_same_proposals",
}
OVER_ALL_SPACES = {"test_asks_never_wait_for_results"}
"""Laws of which thinkers show one space in the quick part."""

OF_OTHER_PROCESSES = "test_identities_are_the_same_in_every_process"
"""Its law is also in `tests/test_what_was_before.py`: identities are those that a file has."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Marks the long tests of controllers, before those without a mark are counted as quick."""
    for item in items:
        if getattr(item, "originalname", "") == OF_OTHER_PROCESSES:
            item.add_marker("slow")
        if item.path.name == "test_controllers.py" and item.cls is not None:
            mark = _mark(item.cls.__name__, item.originalname, getattr(item, "callspec", None))
            if mark:
                item.add_marker(mark)


def _mark(kind: str, law: str, callspec: Any) -> str | None:
    """The mark of one law for one controller, if it has one."""
    if law in LONG_LAWS:
        slow = kind in THINKERS
    elif law in OVER_ALL_SPACES:
        slow = kind in THINKERS and not callspec.id.startswith("repeated")
    elif law == "test_permuting_options_and_renaming_holes_leaves_the_distribution_of_results":
        slow = kind in THINKERS | POLICIES
    elif law == "test_a_vast_space_of_few_networks_neither_hangs_nor_fails":
        slow = kind not in {"TestRandom", "TestEvolution"}
    elif law == "test_a_search_in_which_everything_fails_goes_on":
        slow = kind == "TestReinforceScaled"
    elif law == "test_proposals_do_not_depend_on_the_hash_seed_of_the_process":
        return "soak" if kind not in {"TestEvolution", "TestReinforce"} else None
    else:
        return None
    return "slow" if slow else None
