"""The peers: one module each, with `prepare` (models to files) and `load` (files to a scorer).

A module imports at its top what the peer needs to serve and nothing else, because a worker measures that
import. What only `prepare` needs is imported inside it.
"""
