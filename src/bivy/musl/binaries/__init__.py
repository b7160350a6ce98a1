"""Will these ELF files load on musl: the loaders, libraries and symbols that they ask for, and what there is."""

from __future__ import annotations

from bivy.musl.binaries.places import check_binaries, check_folder, check_tree, read_root

__all__ = ["check_binaries", "check_folder", "check_tree", "read_root"]
