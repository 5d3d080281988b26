"""Two spirals: points of the plane on two arms that wind around each other (Lang & Witbrock 1988)."""

from __future__ import annotations

from workers.problems import Problem


def spirals(examples: int = 600, seed: int = 0) -> Problem:
    """Which of two spirals a point lies on; made when it is loaded.

    Args:
        examples: The number of points in all splits together.
        seed: The seed of the noise.
    """
    import torch

    from search_spaces import Classification, Signature, Vector

    generator = torch.Generator().manual_seed(seed)
    arm = torch.arange(examples) % 2
    turn = torch.rand(examples, generator=generator).sqrt() * 9
    angle = turn + arm * torch.pi
    points = torch.stack([turn * angle.cos(), turn * angle.sin()], 1) / 9
    points += 0.02 * torch.randn(examples, 2, generator=generator)
    return Problem.from_tensors(
        "spirals",
        (points, arm),
        validation=0.2,
        test=0.2,
        signature=Signature({"point": Vector(2)}, {"arm": Classification(2)}),
        seed=seed,
        options={"examples": examples, "seed": seed},
        description="Two spirals",
    )
