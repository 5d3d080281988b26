"""What a plan chooses of shared weights, as a store gives it back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nas.search.lessons import LessonPlan
from nas.search.plan.shared import BankLength
from search_spaces import Space, choice


@pytest.mark.parametrize(
    ("stored", "plan"),
    [
        ({"epochs": 3, "sampling": "fair", "networks": 200}, LessonPlan(3, "fair", 200)),  # an older version
        (
            {"epochs": 3, "sampling": "fair", "networks": 200, "workers": 4, "end": 12.5},
            LessonPlan(3, "fair", 200, 4),
        ),
    ],
)
def test_the_plan_for_a_bank_is_read_back(stored: dict[str, Any], plan: LessonPlan) -> None:
    lessons: Any = SimpleNamespace(plan=None)
    planner: Any = None
    part = BankLength(lessons, Space({"width": choice(1, 2, name="width")}), "fair", lambda networks: None)
    part.act(stored, planner)
    assert lessons.plan == plan
