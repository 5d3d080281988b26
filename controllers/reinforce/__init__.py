"""Policy gradients: REINFORCE and PPO over the decisions of a space.

- `reinforce`: the controller, which joins the others.
- `policy`: the policies (an LSTM, and one distribution per hole) and how they learn; it imports torch.
- `advantage`: how outcomes become advantages.
- `encoding`: decisions as the tokens that a policy draws.
"""

from controllers.reinforce.reinforce import Reinforce

__all__ = ["Reinforce"]
