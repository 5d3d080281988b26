"""From an architecture to a network: sizes, dry runs, modules, costs."""
