"""The store: what is recorded of searches, in a database, and everything that is read from it.

- `store`: the class that all others use. It opens a `database` with the tables of `schema`, which
  `migrations` bring to this version; what a turn of a search records is a `transaction`.
- What is read: `searches`, `trials` (the best found by an index), `histories` (epochs, time of workers) and
  `columns` (a million trials as a frame, put together by `column_types`); `runs` of networks outside of
  searches.
- `layouts` and `encoding`: how values are kept. `copies` and `parquet`: searches taken elsewhere.
"""

from nas.store.store import DEFAULT_STORE, Store, open_store

__all__ = ["DEFAULT_STORE", "Store", "open_store"]
