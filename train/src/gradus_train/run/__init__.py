"""A whole training run: from data and configuration to the run folder."""
