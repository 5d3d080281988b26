"""A plug-in of nasforge: what it offers by name is in ``pyproject.toml``."""
