"""The commands of ``nas``, by what they are about."""
