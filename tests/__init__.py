"""Tests of bivy: a folder a room, as in src/bivy; integration tests apart."""
