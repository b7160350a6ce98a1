import importlib, sys, time
ROUNDS = {"service": 5, "text": 8, "numbers": 8, "objects": 6, "data": 4, "waiting": 2, "language": 1}
name = sys.argv[1]
module = importlib.import_module(name)
for _ in range(ROUNDS[name]):
    module.main()
