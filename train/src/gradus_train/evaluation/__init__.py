"""Evaluation: metrics, baselines, the price of stepping down, gates."""
