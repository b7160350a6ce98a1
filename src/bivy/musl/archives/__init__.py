"""What is in a wheel or a source archive, local or at an index, without trusting a byte of it."""
