"""How long a trial takes, before it begins: by what its network does, and by those measured so far.

- ``speed``: `Speed`, which learns how fast trials are here and predicts the next ones
- ``trial_work``: what a trial does, as the amounts that its time is proportional to
"""
