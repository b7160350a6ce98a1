"""Tests of making repositories."""
