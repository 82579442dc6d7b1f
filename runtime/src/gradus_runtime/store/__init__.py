"""Store: versions, pins and history on disk."""
