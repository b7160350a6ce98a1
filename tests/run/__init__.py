"""Tests of bivy.run."""
