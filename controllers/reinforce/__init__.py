"""Policy gradients: REINFORCE and PPO over the decisions of a space.

- `reinforce`: the controller, which joins the others.
- `learner`: draws from a policy and improves it; it and `policy` import torch.
- `policy`: the policies, an LSTM and one distribution per hole.
- `advantage`: how outcomes become advantages.
- `encoding`: decisions as the tokens that a policy draws.
"""

from controllers.reinforce.reinforce import Reinforce

__all__ = ["Reinforce"]
