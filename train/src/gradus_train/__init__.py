"""gradus train: features, labels, walk-forward training, tuning and reports."""

__version__ = "0.1.0"
