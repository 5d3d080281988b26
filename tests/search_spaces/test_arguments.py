"""The validator of arguments: strict about types, whatever an annotation is written with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
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
        names: Iterable[str] = (),
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
        {"names": iter("ab")},
        {"names": {"a", "b"}},
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
        ({"pair": (1,)}, r"a tuple \(a whole number, text\), got \(1,\)"),
        ({"names": {"a", 1}}, "a list of text"),
        ({"harbour": 3}, "expected Harbour, got 3"),
        ({"call": 3}, "a function"),
        ({"frame": 3}, "expected DataFrame, got 3"),
        ({"count": np.zeros((3, 3))}, r"got array\(\[\[0"),
        ({"name": b"postgresql://me:secret@host"}, "expected text, got bytes$"),
        ({"name": 10**5000}, "expected text, got int$"),
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


@checked(SpaceError)
@dataclass(frozen=True)
class Hull:
    masts: Count


@checked(SpaceError)
@dataclass(frozen=True)
class Ship(Hull):
    name: str = ""
    afloat: InitVar[bool] = True

    def __post_init__(self, afloat: bool) -> None:
        assert type(afloat) is bool


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Ship(0), "Ship: masts: expected a whole number above 0, got 0"),
        (lambda: Ship(1, afloat=1), "Ship: afloat: expected True or False, got 1"),
        (lambda: Ship(mast=1), r"Ship\(\) takes no argument 'mast'; did you mean 'masts'\?"),
        (Ship, r"Ship\(\): missing a required argument: 'masts'"),
        (lambda: moor(Ship(1), "raft"), r"moor: ships: expected a list of Ship, got \(Ship\(.*'raft'\)"),
    ],
)
def test_data_classes_and_arguments_of_any_number_are_checked_likewise(
    make: Callable[[], object], says: str
) -> None:
    with pytest.raises(SpaceError, match=says):
        make()
    assert type(Ship(np.int64(2)).masts) is int
    assert moor(Ship(1), Ship(2)) == 2


@checked(SpaceError)
def moor(*ships: Ship) -> int:
    return len(ships)
