"""The modules whose annotated shapes are checked in tests, and what checks them.

Outside of tests the annotations are only read: no call there costs anything for them.
"""

from beartype import BeartypeConf, beartype

CHECKED = (
    "controllers.predictor.gaussian_process",
    "controllers.reinforce.learner",
    "controllers.reinforce.policy",
    "workers.training.balancing",
    "workers.training.criterion",
    "workers.training.gradient_balancing",
)

#: An integer is good where a float is expected, as always in Python. Which item of a sequence is looked at
#: is not drawn from the global generator, whose state tests compare.
check = beartype(conf=BeartypeConf(is_pep484_tower=True, is_random=False))
