"""The store: what is recorded of searches, in a database, and everything that is read from it."""

from nas.store.store import DEFAULT_STORE, Store, open_store

__all__ = ["DEFAULT_STORE", "Store", "open_store"]
