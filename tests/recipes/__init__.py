"""Tests of how recipes become packages."""
