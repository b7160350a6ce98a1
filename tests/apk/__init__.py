"""Tests of the package format and its repository."""
