"""What two versions, or two schemas, have in common and where they differ."""
