"""stub"""

import re


class Version:
    def __init__(self, s):
        self.k = [int(x) for x in re.findall(r"\d+", s)]

    def __lt__(self, o):
        return self.k < o.k

    def __gt__(self, o):
        return self.k > o.k
