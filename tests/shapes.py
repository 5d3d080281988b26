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

#: an integer is good where a float is expected, as everywhere in Python
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
