"""The rows that training sees: read, computed, labelled, described."""
