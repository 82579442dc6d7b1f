"""The commands of gradus-convert; each maps arguments to the typed functions of the package and prints."""
