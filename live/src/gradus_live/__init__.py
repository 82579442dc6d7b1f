"""gradus live: labels, costs and money, defined once for training and for the record of a running bot."""

__version__ = "0.1.0"
