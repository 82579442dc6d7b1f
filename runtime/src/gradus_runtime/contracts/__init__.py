"""The contracts: file formats that the three packages share, each defined here once.

`feature_order` (features, groups, levels), `manifest` (an artifact), `run_folder` (from training to
conversion). All are read by `strict_json`, which refuses what JSON merely tolerates.
"""
