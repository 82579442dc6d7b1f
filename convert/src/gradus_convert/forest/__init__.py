"""The Forest IR: what a tree model means, whatever library wrote it, and how its numbers are rounded."""
