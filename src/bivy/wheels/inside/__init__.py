"""Programs that run in the sandbox under the base image's Python, which has the standard library and nothing else."""
