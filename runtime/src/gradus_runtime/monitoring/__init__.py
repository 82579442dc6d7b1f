"""What can be said about a running Predictor: health, info, drift, and log lines about changes."""
