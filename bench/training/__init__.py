"""The profile by which CPython is compiled, trained by programs that nothing is measured with."""
