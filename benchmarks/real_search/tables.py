"""The tables and targets of the comparison, made of the rows of its file alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common import Target, at_least
from benchmarks.real_search.comparison import (
    Difference,
    difference,
    holm,
    mean_ranks,
    scores_of,
    wilcoxon,
)
from benchmarks.real_search.methods import METHODS, OPTUNA, OURS, PLAIN, RUN, SANITY, WORDS
from benchmarks.real_search.rows import DONE, FAILED, LACKING

NOT_WORSE = -0.5
"""Points below the plain network that do not count as worse."""

HEADROOM = 98.0
"""A problem has headroom where the plain network scores less than this."""

BETTER = 4
"""On so many problems with headroom ours is to be better than the plain network."""

TELLING = 6
"""So many problems an exact signed-rank test needs to come below .05."""

SomeTable = tuple[str, list[str], list[list[object]]]
"""A title, the names of the columns, and the rows."""


class Comparison:
    """What the rows say.

    Args:
        rows: the rows of the file.

    Attributes:
        methods: the methods that were run, in the order of `METHODS`.
        budgets: the seconds, ascending.
        scores: the scores in percent.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = [row for row in rows if row["status"] in (DONE, FAILED)]
        lacking = {row["method"]: row["reason"] for row in rows if row["status"] == LACKING}
        self.methods = [name for name in METHODS if any(row["method"] == name for row in self.rows)]
        self._lacking = {name: why for name, why in lacking.items() if name not in self.methods}
        self.budgets = sorted({row["seconds"] for row in self.rows})
        self.scores = scores_of(self.rows)

    def cases(self, seconds: float) -> list[tuple[str, float]]:
        """The problems of a budget, in the order in which they came into the file."""
        names = dict.fromkeys(row["problem"] for row in self.rows if row["seconds"] == seconds)
        return [(name, seconds) for name in names]

    def tables(self) -> list[SomeTable]:
        """All tables."""
        found = [self._legend()]
        for seconds in self.budgets:
            found += [self._of_scores(seconds), self._of_trials(seconds)]
            for other in (PLAIN, OPTUNA, SANITY):
                if other in self.methods and OURS in self.methods:
                    found.append(self._of_differences(seconds, other))
        failed = [row for row in self.rows if row["status"] == FAILED]
        if failed:
            lines = [
                [row["method"], row["problem"], row["seconds"], row["seed"], _last_line(row["reason"])]
                for row in failed
            ]
            found.append(("Runs that failed", ["method", "problem", "seconds", "seed", "why"], lines))
        return found

    def _legend(self) -> SomeTable:
        lines: list[list[object]] = []
        for name in METHODS:
            if name in self.methods:
                runs = sum(row["method"] == name for row in self.rows)
                lines.append([name, WORDS[name], runs])
            elif name in self._lacking:
                lines.append([name, WORDS[name], f"not run: {self._lacking[name]}"])
        return "Methods", ["name", "what it is", "runs"], lines

    def _of_scores(self, seconds: float) -> SomeTable:
        lines: list[list[object]] = []
        for case in self.cases(seconds):
            line: list[object] = [case[0]]
            for method in self.methods:
                own = [*self.scores.get(case, {}).get(method, {}).values()]
                line.append(_mean(own) if own else "none")
            lines.append(line)
        ranks = mean_ranks(self.scores, self.cases(seconds), self._ranked)
        lines.append(["mean rank", *(f"{ranks[m]:.2f}" if m in ranks else "" for m in self.methods)])
        title = f"{seconds:g} s: test score in percent, mean ± standard deviation (n)"
        return title, ["problem", *self.methods], lines

    def _of_trials(self, seconds: float) -> SomeTable:
        lines: list[list[object]] = []
        for problem, _ in self.cases(seconds):
            line: list[object] = [problem]
            for method in self.methods:
                own = self._runs(problem, seconds, method)
                if own:
                    finished, begun = (statistics.fmean(row[n] for row in own) for n in ("finished", "begun"))
                    whole = sum(row["whole"] for row in own)
                    took = statistics.fmean(row["took"] for row in own)
                    line.append(f"{finished:.3g} of {begun:.3g}, {took:.0f} s, {whole}/{len(own)}")
                else:
                    line.append("none")
            lines.append(line)
        title = f"{seconds:g} s: finished trials of those begun, seconds used, runs with a finished network"
        return title, ["problem", *self.methods], lines

    @property
    def _ranked(self) -> list[str]:
        """The methods of the comparison, without those that were run on some problems to see what they do."""
        return [method for method in self.methods if method in RUN]

    def _runs(self, problem: str, seconds: float, method: str) -> list[Mapping[str, Any]]:
        wanted = (problem, seconds, method, DONE)
        names = ("problem", "seconds", "method", "status")
        return [row for row in self.rows if tuple(row[name] for name in names) == wanted]

    def differences(self, seconds: float, other: str) -> dict[str, Difference]:
        """How much better ours is than another method, by problem."""
        found = {}
        for case in self.cases(seconds):
            scores = self.scores.get(case, {})
            one = difference(scores.get(OURS, {}), scores.get(other, {}))
            if one is not None:
                found[case[0]] = one
        return found

    def _of_differences(self, seconds: float, other: str) -> SomeTable:
        found = self.differences(seconds, other)
        adjusted = holm([one.p_above(NOT_WORSE) for one in found.values()])
        lines: list[list[object]] = [
            [
                name,
                one.n,
                f"{one.mean:+.2f}",
                f"{one.low:+.2f} to {one.high:+.2f}",
                f"{one.lower:+.2f}",
                f"{p:.3g}",
            ]
            for (name, one), p in zip(found.items(), adjusted, strict=True)
        ]
        p, n = wilcoxon(self.scores, self.cases(seconds), OURS, other)
        lines.append(["over problems, exact Wilcoxon", n, "", "", "", "" if p is None else f"{p:.3g}"])
        columns = [
            "problem",
            "n",
            "mean",
            "95 %",
            "one-sided 95 %: from",
            f"p, {NOT_WORSE:g} or less, Holm",
        ]
        return f"{seconds:g} s: {OURS} minus {other}, in points, paired by seed", columns, lines

    # -- the targets ---------------------------------------------------------------------------------------

    def targets(self) -> list[Target]:
        """What was wanted, as far as there are runs that can say so."""
        if OURS not in self.methods:
            return []
        own = [row for row in self.rows if row["method"] == OURS]
        whole = [row["status"] == DONE and row["whole"] for row in own]
        found = [at_least("runs of ours with a finished network", 100 * statistics.fmean(whole), 100, "%")]
        for seconds in self.budgets:
            found += self._against_plain(seconds) + self._against_all(seconds) + self._against_sanity(seconds)
        return found

    def _against_plain(self, seconds: float) -> list[Target]:
        differences = self.differences(seconds, PLAIN)
        if not differences:
            return []
        ps = holm([one.p_above(NOT_WORSE) for one in differences.values()])
        worst = max(ps)
        targets = [
            Target(f"{seconds:g} s: not worse than plain, largest p (Holm)", worst, "< 0.05", worst < 0.05)
        ]
        if seconds == self.budgets[-1] and len(self.budgets) > 1:
            better = sum(
                one.lower > 0
                for name, one in differences.items()
                if statistics.fmean(self.scores[name, seconds][PLAIN].values()) < HEADROOM
            )
            targets.append(
                at_least(f"{seconds:g} s: better than plain, with headroom", better, BETTER, "problems")
            )
        return targets

    def _against_all(self, seconds: float) -> list[Target]:
        cases = self.cases(seconds)
        ranks = mean_ranks(self.scores, cases, self._ranked)
        others = {name: rank for name, rank in ranks.items() if name != OURS}
        if not others:
            return []
        second = min(others.values())
        targets = [
            Target(f"{seconds:g} s: mean rank of ours", ranks[OURS], f"< {second:.3g}", ranks[OURS] < second)
        ]
        p, n = wilcoxon(self.scores, cases, OURS, OPTUNA)
        if p is not None and n >= TELLING:
            means = [one.mean for one in self.differences(seconds, OPTUNA).values()]
            met = p < 0.05 and statistics.fmean(means) > 0
            targets.append(Target(f"{seconds:g} s: better than Optuna, exact Wilcoxon, p", p, "< 0.05", met))
        return targets

    def _against_sanity(self, seconds: float) -> list[Target]:
        highs = [one.high for one in self.differences(seconds, SANITY).values()]
        if not highs:
            return []
        least = min(highs)
        name = f"{seconds:g} s: above the sanity line, least upper end of a 95 % interval"
        return [Target(name, least, ">= 0 points", least >= 0)]


def _mean(values: Sequence[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{deviation} ({len(values)})"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:120]
