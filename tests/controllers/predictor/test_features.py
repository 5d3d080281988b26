"""Genomes of any space: bred in numbers alone, they must be what filling the space would have made."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_spaces import spaces
from scipy import stats

from controllers.predictor.features import Genomes
from search_spaces import Space, choice, integer, real, repeat

relaxed = settings(max_examples=60)
NESTED = Space(
    {
        "body": choice(
            deep=repeat({"op": choice("a", "b"), "width": integer(1, 3, name="width")}, integer(0, 2)),
            wide={"width": integer(1, 3, name="width"), "inner": choice(some=choice(1, 2), none=None)},
            none=None,
        ),
        "times": repeat(choice("p", "q"), choice(2, 0, 1)),
    }
)


@relaxed
@given(spaces, st.integers(0, 2**31))
def test_samples_and_mutants_have_genes_for_their_active_holes_and_no_others(space: Space, seed: int) -> None:
    genomes, rng = Genomes(space), np.random.default_rng(seed)
    founders = genomes.sample(8, rng)
    for genome in [*founders, *genomes.mutate(founders, rng)]:
        again = genomes.encode(genomes.decode(genome))
        assert np.allclose(again, genome, equal_nan=True)


@relaxed
@given(spaces, st.integers(0, 2**31))
def test_an_architecture_comes_back_from_its_genome(space: Space, seed: int) -> None:
    architecture, genomes = space.sample(random.Random(seed)), Genomes(space)
    assert dict(genomes.decode(genomes.encode(architecture)).decisions) == dict(architecture.decisions)


def test_samples_are_distributed_as_those_of_the_space() -> None:
    genomes, rng = Genomes(NESTED), random.Random(0)
    ours = [genomes.decode(genome) for genome in genomes.sample(4000, np.random.default_rng(0))]
    theirs = [NESTED.sample(rng) for _ in range(4000)]
    for what in (lambda a: tuple(a.decisions), lambda a: a.decisions.get("width")):
        kinds = sorted({what(a) for a in theirs}, key=str)
        assert {what(a) for a in ours} == set(kinds)
        counts = [[sum(what(a) == kind for a in sampled) for kind in kinds] for sampled in (ours, theirs)]
        assert stats.chi2_contingency(counts).pvalue > 0.01


def test_a_mutant_keeps_what_it_can_and_draws_what_becomes_active() -> None:
    space = Space({"use": choice(no=None, yes={"kind": choice(*"abc"), "rate": real(0.0, 1.0)})})
    genomes, rng = Genomes(space), np.random.default_rng(0)
    parent = genomes.encode(space.architecture({"use": "no"}))
    children = genomes.mutate(np.tile(parent, (300, 1)), rng)
    assert (children[:, 0] == 1.0).mean() > 0.4  # a second move may undo the first
    drawn = children[children[:, 0] == 1.0]
    assert set(drawn[:, 1]) == {0.0, 1.0, 2.0}
    assert drawn[:, 2].std() == pytest.approx(12**-0.5, abs=0.05)
    back = genomes.mutate(np.tile(drawn[0], (300, 1)), rng)
    assert np.isnan(back[back[:, 0] == 0.0][:, 1:]).all()
