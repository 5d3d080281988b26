"""A search as a job on a Ray cluster."""
