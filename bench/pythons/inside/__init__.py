"""Programs that run in the sandbox, with the Python that is measured: nothing but the standard library is there."""
