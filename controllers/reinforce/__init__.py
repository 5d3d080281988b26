"""Policy gradients: the policy, how outcomes become advantages, and the controller that joins them."""

from controllers.reinforce.reinforce import Reinforce

__all__ = ["Reinforce"]
