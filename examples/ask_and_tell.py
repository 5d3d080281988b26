"""A controller driven by hand: no search, no workers, no store; the space builds no network at all.

Run it with ``python examples/ask_and_tell.py``.
"""

import math

from controllers import RegularizedEvolution, maximize
from search_spaces import Space, choice, integer, real

space = Space(
    {
        "shape": choice("round", "square"),
        "size": integer(1, 20),
        "finish": choice(matt={"grain": real(0.0, 1.0)}, gloss=None),
    }
)


def value_of(thing: dict) -> float:
    """What a made-up customer pays."""
    finish = 1.0 if thing["finish"] is None else 2.0 - abs(thing["finish"]["grain"] - 0.3)
    return finish * math.exp(-abs(thing["size"] - 7) / 5) * (1.5 if thing["shape"] == "round" else 1.0)


def main(trials: int = 200) -> tuple[float, dict]:
    """The best thing that evolution finds, and what it is worth."""
    controller = RegularizedEvolution(space, maximize("price"), seed=0)
    best = (-math.inf, {})
    for _ in range(trials):
        proposal = controller.ask()
        price = value_of(proposal.architecture.value)
        controller.tell(proposal, {"price": price})
        best = max(best, (price, dict(proposal.architecture.decisions)), key=lambda pair: pair[0])
    return best


if __name__ == "__main__":
    price, decisions = main()
    print(f"{price:.3f} for {decisions}")
