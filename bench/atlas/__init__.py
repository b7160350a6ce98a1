"""The atlas: what happens when much-downloaded packages are installed in the image, and whether `bivy check` said so.

    python -m bench.atlas install [NAME…]   install and import each in the image, and record what happened
    python -m bench.atlas compare [NAME…]   ask `bivy check` about each, and say where the record is otherwise
    python -m bench.atlas page              write docs/atlas.md

What is recorded lies beside this file: `names.txt` (which packages), `record.jsonl` (what happened), `verdicts.jsonl`
(what `check` said) and `notes.toml` (why the two differ, where they do, and what else a person wrote).
"""
