"""Version 1: searches, trials, epochs, legs and weights. Where the steps begin."""

revision = "1"
down_revision = None
