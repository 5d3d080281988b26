"""The validator of arguments: strict about types, whatever an annotation is written with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from search_spaces.arguments import Count, NotNegative, Patience, Positive, Seed, Share, Whole, checked
from search_spaces.errors import SpaceError

if TYPE_CHECKING:
    import pandas as pd
    from elsewhere import Harbour  # type: ignore[import-not-found]


class Vessel:
    """What another module knows as a kind of harbour."""


Vessel.__name__ = "Harbour"


class Fleet:
    @checked(SpaceError, elsewhere=("any_way",))
    def __init__(
        self,
        count: Count = 1,
        whole: Whole = 0,
        share: Share = 0.5,
        positive: Positive = 1,
        number: NotNegative = 0,
        patience: Patience = math.inf,
        seed: Seed = 0,
        flag: bool = False,
        name: str | None = None,
        kind: Literal["a", "b"] | bool = "a",
        path: str | Path = "x",
        several: Sequence[int] | int = (),
        shares: Mapping[str, float] | None = None,
        pair: tuple[int, str] = (1, "a"),
        harbour: Harbour | None = None,
        frame: pd.DataFrame | None = None,
        call: Callable[..., Any] = len,
        any_way: int = 0,
        **more: int,
    ) -> None:
        self.given = dict(locals())


@pytest.mark.parametrize(
    "options",
    [
        {"count": 3},
        {"count": np.int64(3)},
        {"share": 1},
        {"share": np.float32(0.5)},
        {"positive": 1e-9},
        {"patience": math.inf},
        {"seed": -(2**63)},
        {"flag": np.bool_(True)},
        {"name": None},
        {"kind": "b"},
        {"kind": True},
        {"path": Path("y")},
        {"several": [1, np.int8(2)]},
        {"several": 3},
        {"shares": {"a": 1}},
        {"pair": (2, "b")},
        {"harbour": Vessel()},
        {"call": print},
        {"any_way": "x"},
        {"other": "x"},
    ],
)
def test_what_fits_is_taken(options: dict[str, Any]) -> None:
    given = Fleet(**options).given
    for name, value in options.items():
        assert given.get(name, value) == value
        assert type(given.get(name)).__module__ != "numpy"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": 0}, "Fleet: count: expected a whole number above 0, got 0"),
        ({"count": True}, "got True"),
        ({"count": 1.0}, "got 1.0"),
        ({"count": "1"}, "got '1'"),
        ({"count": None}, "got None"),
        ({"whole": -1}, "of at least 0"),
        ({"share": 1.5}, "a number from 0 to 1"),
        ({"positive": math.inf}, "got inf"),
        ({"positive": math.nan}, "got nan"),
        ({"positive": 10**400}, "above 0"),
        ({"patience": math.nan}, "patience"),
        ({"seed": 2**63}, "64 bits"),
        ({"flag": 1}, "True or False"),
        ({"name": b"x"}, "expected text, got"),
        ({"kind": 1}, "one of 'a', 'b' or True or False"),
        ({"kind": "c"}, "got 'c'"),
        ({"path": 3}, "text or a path"),
        ({"several": "12"}, "a list of a whole number"),
        ({"several": [1, "2"]}, r"got \[1, '2'\]"),
        ({"shares": {"a": "b"}}, "a dict of text to a number"),
        ({"shares": {1: 1.0}}, "a dict"),
        ({"pair": (1,)}, "pair"),
        ({"harbour": 3}, "expected Harbour, got 3"),
        ({"call": 3}, "a function"),
        ({"frame": 3}, "expected DataFrame, got 3"),
        ({"count": np.zeros((3, 3))}, r"got array\(\[\[0"),
        ({"cout": 1, "x": "y"}, None),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(options: dict[str, Any], says: str | None) -> None:
    if says is None:  # whatever else it takes, it takes
        assert Fleet(**options).given["more"] == options
        return
    with pytest.raises(SpaceError, match=says) as caught:
        Fleet(**options)
    assert "\n" not in str(caught.value)


def test_an_argument_that_there_is_not_is_answered_with_the_nearest() -> None:
    @checked(SpaceError)
    def sail(speed: Positive, *, under: str = "") -> float:
        return speed

    with pytest.raises(SpaceError, match=r"sail\(\) takes no argument 'sped'; did you mean 'speed'\?"):
        sail(sped=1)  # type: ignore[call-arg]
    with pytest.raises(SpaceError, match=r"no argument 'x' \(there are: speed, under\)"):
        sail(x=1)  # type: ignore[call-arg]
    with pytest.raises(SpaceError, match=r"sail\(\): missing a required argument: 'speed'"):
        sail()  # type: ignore[call-arg]
    assert sail(np.float32(2)) == 2.0
