"""One trial: a training with its checkpoints, its log and what it leaves behind."""
