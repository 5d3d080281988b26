"""Strategies of a search compared on collected learning curves, where many seeds are cheap."""
