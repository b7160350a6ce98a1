"""Tests of bivy.cli."""
