"""Tests of several rooms together, and with other people's programs."""
