"""How versions get into a store, leave it, and travel: publish, collect, export, import, wheel."""
