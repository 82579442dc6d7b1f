"""The commands that gradus-live adds to `gradus`, one a module."""
