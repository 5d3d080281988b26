"""The plan of a search: what it chooses by its budget while it runs, each choice with its reason.

- ``plan``: the choices of a search: made one after another, stored before they act, read again on a resume.
- ``budget_end``: when the budget ends, where it is one of hours.
- ``lengths``: how long trials train, and where they pause.
- ``controller``: which controller proposes.
- ``hints``: which scores of untrained networks the controller may look at, and at what price.
- ``nearest``: the network that stands for the plain one where that breaks a limit.
- ``preview``: what it would choose, told before the search is run.
- ``shared``: how long a bank of shared weights is trained, and whether its scores are believed.
- ``threads``: with how many threads networks are trained.
- ``time_left``: whether a network comes to its end in time, judged before it is trained.
- ``finals``: the last share of the time, in which the best networks are trained to their end.
"""
