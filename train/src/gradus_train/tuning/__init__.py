"""Tuning: the search for member parameters."""
