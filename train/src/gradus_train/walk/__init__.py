"""The walk: the weekly procedure, replayed over a history with retraining, gates, outages and costs."""
