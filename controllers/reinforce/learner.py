"""Learning a policy: REINFORCE and PPO, from the log-likelihoods of a batch of architectures."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from controllers.reinforce.encoding import Token
from controllers.reinforce.policy import IndependentPolicy, Integers, PolicyRows, RecurrentPolicy

# spread of a continuous decision, in units of its range: from a hundredth to practically uniform
NARROWEST, WIDEST = 0.01, 2.0
# the logit at which a policy starts, near the wide end (standard deviation 1.2)
_START = 2.2
_NORMAL = NormalDist()


class Learner:
    """A policy, drawn from by `rollout` and improved by `update`.

    Args:
        sizes: the number of options of each hole, 0 for a continuous one.
        recurrent: whether the policy is an LSTM, and not one distribution per hole.
        hidden: the size of the LSTM's state.
        embedding: the size of the LSTM's input.
        learning_rate: the learning rate of Adam.
        entropy: the weight of the entropy of each decision.
        seed: the seed of the initial weights.
        clip: the share by which an update of PPO may change a probability; None: updates are REINFORCE's.
        passes: the number of steps of an update.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        recurrent: bool,
        hidden: int,
        embedding: int,
        learning_rate: float,
        entropy: float,
        seed: int,
        clip: float | None = None,
        passes: int = 1,
    ) -> None:
        self.clip = clip
        self.passes = passes
        self.rows = PolicyRows.of(sizes)
        self.entropy = entropy
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.network: IndependentPolicy | RecurrentPolicy = (
                RecurrentPolicy(self.rows, hidden, embedding, generator)
                if recurrent
                else IndependentPolicy(self.rows)
            )
        parameters = [parameter.requires_grad_() for parameter in self.network.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)

    def rollout(self) -> Rollout:
        """Begins the decisions of a new architecture."""
        return Rollout(self)

    def log_likelihood(
        self, episodes: Sequence[Sequence[Token]]
    ) -> tuple[Float[Tensor, " episodes"], Float[Tensor, " episodes"]]:
        """Returns per episode the log-likelihood and the summed entropy of its decisions, in nats."""
        likelihood, entropy, owner = self._by_decision(episodes)
        totals = torch.zeros(2, len(episodes))
        totals = totals.index_add(1, owner, torch.stack([likelihood, entropy]))
        return totals[0], totals[1]

    def _by_decision(
        self, episodes: Sequence[Sequence[Token]]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Int[Tensor, " n"]]:
        """Returns log-likelihood, entropy and index of the episode of all n decisions of all episodes."""
        lengths = [len(tokens) for tokens in episodes]
        flat = [token for tokens in episodes for token in tokens]
        hole = np.array([token.hole for token in flat])
        option = np.array([token.option for token in flat])
        unit = np.array([token.unit for token in flat], dtype=np.float32)
        episode = np.repeat(np.arange(len(episodes)), lengths)
        time = np.concatenate([np.arange(length) for length in lengths])
        features = self.network.features(hole, option, unit, episode, time, len(episodes))
        likelihood = torch.zeros(len(flat))
        entropy = torch.zeros(len(flat))
        discrete = self.rows.sizes[hole] > 0
        for kind, density in ((discrete, self._categorical), (~discrete, self._continuous)):
            if kind.any():
                index = torch.from_numpy(np.flatnonzero(kind))
                part = None if features is None else features[index]
                found = density(hole[kind], option[kind], torch.from_numpy(unit[kind]), part)
                likelihood = likelihood.index_put((index,), found[0])
                entropy = entropy.index_put((index,), found[1])
        return likelihood, entropy, torch.from_numpy(episode)

    def update(self, results: Sequence[tuple[Sequence[Token], float]]) -> None:
        """Learns from a batch of results: the tokens of each and its advantage.

        Without `clip`: one step of Adam that ascends  mean_b( A_b * sum_t log p(a_t | a_<t) + entropy * sum_t
        H_t ),  whose gradient is the REINFORCE rule with a baseline (Williams 1992) as Zoph & Le 2017 average
        it over a batch.

        With it: `passes` steps on the same batch that ascend  mean_b( sum_t min(r_t A_b, clip(r_t, 1 - clip,
        1 + clip) A_b) + entropy * sum_t H_t ),  r_t being the probability of the decision now, relative to
        that before the first step (Schulman et al., "Proximal Policy Optimization Algorithms", 2017, eq. 7
        and 9, without a value function). So the policy is kept near the one that the update began with;
        results of older policies, and results from elsewhere, have no other.
        """
        episodes = [tokens for tokens, _ in results]
        advantages = torch.tensor([weight for _, weight in results], dtype=torch.float32)
        before: Tensor | None = None
        with _one_thread(), torch.enable_grad():
            for _ in range(self.passes):
                likelihood, entropy, owner = self._by_decision(episodes)
                weights = advantages[owner]
                if self.clip is None:
                    gain = weights * likelihood  # Williams 1992: (r - b) log p, whose gradient is taken
                else:
                    before = likelihood.detach() if before is None else before
                    ratio = (likelihood - before).exp()  # Schulman et al. 2017: r_t
                    clipped = ratio.clamp(1.0 - self.clip, 1.0 + self.clip)
                    gain = torch.minimum(ratio * weights, clipped * weights)  # eq. 7: L^CLIP
                loss = -(gain + self.entropy * entropy).sum() / len(episodes)  # eq. 9 with c1 = 0
                self.optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                self.optimizer.step()

    def _categorical(
        self,
        hole: Int[Integers, " n"],
        option: Int[Integers, " n"],
        unit: Float[Tensor, " n"],
        features: Float[Tensor, "n hidden"] | None,
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        sizes = self.rows.sizes[hole]
        columns = np.arange(sizes.max())
        valid = columns < sizes[:, None]
        rows = torch.from_numpy(np.where(valid, self.rows.first[hole][:, None] + columns, 0))
        logits = self.network.logits(rows, features).masked_fill(torch.from_numpy(~valid), -1e9)
        log_p = functional.log_softmax(logits, dim=1)
        chosen = log_p.gather(1, torch.from_numpy(option)[:, None])[:, 0]
        return chosen, -(log_p.exp() * log_p).sum(dim=1)

    def _continuous(
        self,
        hole: Int[Integers, " n"],
        option: Int[Integers, " n"],
        unit: Float[Tensor, " n"],
        features: Float[Tensor, "n hidden"] | None,
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        rows = torch.from_numpy(self.rows.first[hole][:, None] + np.arange(2))
        logits = self.network.logits(rows, features)
        # a normal distribution cut to [0, 1]: a proper density, edges included
        mean, log_spread = _mean(logits[:, 0]), _log_spread(logits[:, 1])
        spread = log_spread.exp()
        low, high = -mean / spread, (1.0 - mean) / spread
        mass = torch.special.ndtr(high) - torch.special.ndtr(low)
        log_scale = log_spread + mass.log() + 0.5 * math.log(2.0 * math.pi)
        log_p = -0.5 * ((unit - mean) / spread).square() - log_scale
        bell = [torch.exp(-0.5 * end.square()) / math.sqrt(2.0 * math.pi) for end in (low, high)]
        entropy = log_scale + 0.5 + (low * bell[0] - high * bell[1]) / (2.0 * mass)
        return log_p, entropy


class Rollout:
    """One architecture being decided by a policy, hole after hole."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._state: Any = learner.network.start()

    def decide(self, hole: int, rng: random.Random) -> Token:
        """Draws a decision for this hole."""
        first, size = int(self._learner.rows.first[hole]), int(self._learner.rows.sizes[hole])
        network = self._learner.network
        self._state, logits = network.decide(self._state, hole, slice(first, first + (size or 2)))
        if size:
            weights = np.exp(logits - logits.max()).cumsum()
            option = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
            token = Token(hole, min(option, size - 1), 0.0)
            network.decided(self._state, first + token.option, None)
        else:
            token = Token(hole, 0, _draw_cut_normal(float(logits[0]), float(logits[1]), rng.random()))
            network.decided(self._state, first, 2.0 * token.unit - 1.0)
        return token


def _mean(logit: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return torch.sigmoid(logit)


def _log_spread(logit: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return math.log(NARROWEST) + math.log(WIDEST / NARROWEST) * torch.sigmoid(logit + _START)


def _draw_cut_normal(mean_logit: float, spread_logit: float, uniform: float) -> float:
    """Draws a number in [0, 1] by the inverse of the distribution function."""
    mean = 1.0 / (1.0 + math.exp(-min(max(mean_logit, -60.0), 60.0)))
    share = 1.0 / (1.0 + math.exp(-min(max(spread_logit + _START, -60.0), 60.0)))
    spread = NARROWEST * math.pow(WIDEST / NARROWEST, share)
    low, high = _NORMAL.cdf(-mean / spread), _NORMAL.cdf((1.0 - mean) / spread)
    place = min(max(low + uniform * (high - low), 1e-12), 1.0 - 1e-12)
    return min(max(mean + spread * _NORMAL.inv_cdf(place), 0.0), 1.0)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Lets torch use one thread.

    These networks are too small for more, and the sums of several threads may differ in the last bit.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
