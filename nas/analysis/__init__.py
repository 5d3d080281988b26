"""What the trials of a search say when they are looked at together, as pandas frames."""
