"""Tests of the scripts that recipes bring."""
