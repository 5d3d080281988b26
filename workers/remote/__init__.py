"""What the executors on Ray share.

- ``card_memory``: the share of a card's memory that a worker may use
- ``cluster``: connecting to Ray, and how much room there is
- ``messages``: what passes between the driver and a worker
- ``runners``: the problem as it travels, and what a worker runs jobs with
- ``runs``: a job in flight, as the driver sees it
"""
