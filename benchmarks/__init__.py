"""Side by side with what a user would pick instead: the same models, fresh processes, ratios in one run."""
