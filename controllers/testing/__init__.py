"""The laws of controllers as tests, for controllers of this package and of any other.

A package that has a controller of its own subclasses `ControllerContract` in its tests:

    from controllers.testing import ControllerContract

    class TestMine(ControllerContract):
        def make(self, space, objectives, **options):
            return Mine(space, objectives, **options)

- `contract`: the class with a test for each law.
- `priors`, `observations`, `scores`: the laws about what else a controller may be told.
- `writings`: whether a controller finds the same, however its space is written.
- `driving`: spaces, results and the jumbled order of calls that the tests share.

It needs pytest, and nothing else in `controllers` imports it.
"""

import pytest

pytest.register_assert_rewrite("controllers.testing.contract")

from controllers.testing.contract import ControllerContract  # noqa: E402  (pytest must know of it before)

__all__ = ["ControllerContract"]
