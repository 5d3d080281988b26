"""Results: leaderboards, curves, importance and plots, as pandas frames and as text."""
