"""Training: splits, members, parts, and the run folder that they become."""
