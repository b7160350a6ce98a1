"""Tests of how Pythons are compared."""
