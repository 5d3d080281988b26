"""Whatever takes arguments from people passes them through the one validator."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from public_doors import doors, rooms

from search_spaces.arguments import is_checked

EXCEPTIONS = {
    "laws as tests, which pytest calls": ["*.testing.*"],
    "layers: a dry run makes them, and what they raise is a BuildError; exports have their source": [
        "search_spaces.blocks.[A-Z]*",
    ],
    "hooks: the loop of a search calls them with what it has made": [
        "nas.Callback.on_*",
        "nas.integrations.*.on_*",
        "controllers.Controller.take",
        "controllers.Controller.adopt",
        "controllers.Controller.set_aside",
        "controllers.Controller.see",
        "controllers.Controller.recall",
        "controllers.Fidelity.*",
        "controllers.FullBudget.*",
        "controllers.SuccessiveHalving.*",
        "controllers.Hyperband.*",
        "controllers.fidelity.Stages.*",
    ],
    "what controllers ask of holes for each decision: what does not fit is refused by fill": [
        "search_spaces.holes.[CHR]*",
        "search_spaces.Space.fill",
        "search_spaces.Architecture",
        "controllers.Objective.score",
        "controllers.Limit.violation",
        "controllers.Prior.sample",
    ],
    "zero-cost scores: they are called with a probe that was made for them": [
        "workers.zero_cost.catalog[[]*",
        "workers.zero_cost.Probe*",
    ],
    "what networks and augmentation ask of their inputs in each step": [
        "search_spaces.*.mask",
        "search_spaces.*.cut",
    ],
    "questions about any value": ["search_spaces.holes.is_plain", "search_spaces.holes.plain"],
    "what is given back to people, and made by nobody else": [
        "controllers.Draft",
        "controllers.Outcome",
        "controllers.Proposal",
        "controllers.WarmStart",
        "search_spaces.Cost",
        "workers.Checkpoint",
        "workers.Failed",
        "workers.Finished",
        "workers.Paced",
        "workers.Report",
        "workers.Reported",
        "workers.tabular.Answer",
    ],
    "examples, looked at where a problem is made of them, and made anew for every batch": ["workers.Split*"],
}
"""The doors whose arguments go unchecked, by the reason for it; ``Class.*`` are the methods of a class."""


@pytest.mark.slow  # all that is public is imported
def test_every_public_door_checks_its_arguments_or_has_a_reason_not_to() -> None:
    assert {"nas", "controllers", "workers", "search_spaces", "nas.plots"} <= set(rooms())
    reasons = [pattern for patterns in EXCEPTIONS.values() for pattern in patterns]
    unchecked = {name for name, door in doors().items() if not is_checked(door)}
    excused = {name for name in unchecked if any(fnmatchcase(name, pattern) for pattern in reasons)}
    assert sorted(unchecked - excused) == [], "decorate them with search_spaces.arguments.checked"
    stale = [one for one in reasons if not any(fnmatchcase(name, one) for name in unchecked)]
    assert stale == [], "nothing is left that these excuse"
