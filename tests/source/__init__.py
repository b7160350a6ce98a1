"""Tests of bivy.source."""
