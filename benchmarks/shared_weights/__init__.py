"""How well inherited scores order networks: cells that share a bank, beside each trained alone.

``cases``: the problems and their cells; ``measure``: what is measured of them.
"""
