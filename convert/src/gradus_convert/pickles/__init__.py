"""Existing production ensembles, out of pickle and joblib files, without running what is in them.

First `machine` reads a file into inert values: numbers, text, lists, mappings, arrays, and `Inert` containers
that name a class and hold its state. Nothing is imported and nothing of the file is called. Then `rebuild`
rebuilds, from an exact list, the few library objects that conversion needs. `ensemble` finds members, weights
and feature names in what was read.
"""
