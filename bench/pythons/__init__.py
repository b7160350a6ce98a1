"""How fast the image's Python is beside any other, measured in turns, in the same sandbox, with the same programs.

    python -m bench.pythons [--side NAME=WHAT]... [--rounds N] [--json FILE] [--draw FILE.svg]
    python -m bench.pythons debian FOLDER       unpack Debian's Python, the side on glibc
    python -m bench.pythons official FOLDER     build the official image's Python, the other side on musl
    python -m bench.pythons show FILE           print, or draw, what was measured

A side is an image, a folder that is a root with a Python in it, or `system`. Without --side it is the image
python:3.14-alpine beside Debian's Python. Measured are pyperformance's programs and the memory they take, start-up,
the import of frameworks, and threads. Ratios are the base's time by the side's: above 1 where the side is faster.
"""
