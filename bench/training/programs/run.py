"""Run one of the programs beside this file: python3 run.py NAME."""

import importlib
import sys

# How often each is run, so that none outweighs the others.
ROUNDS = {
    "service": 5, "text": 8, "arithmetic": 8, "objects": 6, "data": 4, "waiting": 2, "language": 1, "starting": 1,
}  # fmt: skip

module = importlib.import_module(sys.argv[1])
for _ in range(ROUNDS[sys.argv[1]]):
    module.main()
