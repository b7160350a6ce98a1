"""Run one of the programs beside this file: python3 run.py NAME."""

import importlib
import sys

module = importlib.import_module(sys.argv[1])
for _ in range(4):  # Python adapts its code to what it has seen
    module.main()
