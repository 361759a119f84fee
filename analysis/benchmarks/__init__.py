"""Measurements that take longer than a test; each says how it is run."""
