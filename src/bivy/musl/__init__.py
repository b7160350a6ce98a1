"""Will it run on musl, and why not: dependencies, binaries and one's own code, read before anything is built."""
