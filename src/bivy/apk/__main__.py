"""``python -m bivy.apk``."""

from bivy.apk.cli import main

main()
