"""Bytes from repositories: addresses, connections, caches."""
