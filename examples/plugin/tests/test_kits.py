"""What this package offers, held to the contracts that hold nasforge's own: ``pytest`` in this folder."""

from __future__ import annotations

import pytest
from nasforge_example.annealing import Annealing
from nasforge_example.sine import sine_mlp
from nasforge_example.spirals import spirals

from controllers.testing import ControllerContract
from search_spaces import Classification, Signature, Vector
from search_spaces.testing import SpaceContract
from workers.testing import ProblemContract


class TestAnnealing(ControllerContract):
    several_objectives = False

    def make(self, space, objectives, **options):
        return Annealing(space, objectives, **options)


class TestSpirals(ProblemContract):
    @pytest.fixture(scope="class")
    @classmethod
    def load(cls):
        return spirals


class TestSineMlp(SpaceContract):
    @pytest.fixture
    def make(self):
        return sine_mlp

    @pytest.fixture
    def signature(self):
        return Signature({"point": Vector(2)}, {"arm": Classification(2)})

    @pytest.fixture
    def samples(self):
        return 30
