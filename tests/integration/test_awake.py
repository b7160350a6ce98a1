"""The bytecode pack in the image: the standard library starts from it, and all else is as if there were none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bivy.sandbox import why_no_sandbox
from tests.integration.conftest import NAME, bivy

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(why_no_sandbox() is not None, reason=f"no container can be started here: {why_no_sandbox()}"),
]

LIBRARY = "/usr/local/lib/python3.14"
PACK = f"{LIBRARY}/bytecode.pack"
# Prints which files of the standard library a program had to compile, and which it found in the pack.
WATCH = f"""
import sys
compiled, opened = [], []
def watch(event, told):
    if event == "compile" and isinstance(told[1], str): compiled.append(told[1])
    if event == "open" and told[0] == "{PACK}": opened.append(told[0])
sys.addaudithook(watch)
"""


@pytest.fixture
def dist_run(dist: Path) -> Run:
    return Run(dist)


class Run:
    """Runs shell commands in a fresh container of the image's."""

    def __init__(self, dist: Path) -> None:
        self.dist = dist

    def __call__(self, script: str, *options: str) -> str:
        done = bivy("run", "--output", str(self.dist), *options, NAME, "/bin/sh", "-euc", script, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def python(self, program: str, *words: str, before: str = "", env: tuple[str, ...] = ()) -> str:
        options = [word for each in env for word in ("--env", each)]
        flags = " ".join(words)
        return self(f"{before}\npython3 {flags} - <<'END'\n{program}\nEND", *options)


def compiled(run: Run, modules: str, *words: str, before: str = "", env: tuple[str, ...] = ()) -> list[str]:
    """What of the standard library is compiled when modules are imported."""
    program = f"{WATCH}import {modules}\nthere = [path for path in compiled if path.startswith('{LIBRARY}')]\n"
    told = run.python(f"{program}import json; print(json.dumps(there))", *words, before=before, env=env)
    found: list[str] = json.loads(told)
    return [path.removeprefix(f"{LIBRARY}/") for path in found]


def test_modules_come_from_the_pack_and_none_is_compiled(dist_run: Run) -> None:
    assert compiled(dist_run, "json, logging, argparse, dataclasses, typing, unittest.mock, ssl, asyncio") == []
    assert int(dist_run.python(f"{WATCH}import json, logging\nprint(len(opened))")) > 5


def test_the_start_itself_compiles_nothing(dist_run: Run) -> None:
    told = dist_run('python3 -v -c pass 2>&1 | grep -E "code object from .*\\.py\'?$" || true')
    assert told == ""


def test_a_module_that_few_programs_have_is_compiled_as_ever(dist_run: Run) -> None:
    assert compiled(dist_run, "sched, json") == ["sched.py"]


def test_an_edited_file_wins_though_its_size_and_time_stay(dist_run: Run) -> None:
    edit = f"""
cd {LIBRARY}
touch -r textwrap.py /tmp/time
sed -i "s/\\[\\.\\.\\.\\]/[!!!]/g" textwrap.py
touch -r /tmp/time textwrap.py
"""
    program = "import textwrap; print(textwrap.shorten('one two three', 10))"
    assert dist_run.python(program) == "one [...]"
    assert dist_run.python(program, before=edit) == "one [!!!]"
    assert compiled(dist_run, "textwrap, json", before=edit) == ["textwrap.py"]


def test_a_file_that_was_only_touched_is_still_served(dist_run: Run) -> None:
    assert compiled(dist_run, "textwrap", before=f"touch {LIBRARY}/textwrap.py") == []


@pytest.mark.parametrize(
    "damage",
    [
        f": > {PACK}",
        f"rm {PACK}",
        f"head -c 20 {PACK} > /tmp/p; cat /tmp/p > {PACK}",
        f"head -c 5000 {PACK} > /tmp/p; cat /tmp/p > {PACK}",
        f"head -c 100000 {PACK} > /tmp/p; cat /tmp/p > {PACK}",
        f"dd if=/dev/zero of={PACK} bs=1000 seek=1 count=4 conv=notrunc 2>/dev/null",
        f"dd if=/dev/zero of={PACK} bs=100000 seek=1 count=20 conv=notrunc 2>/dev/null",
        f"dd if=/dev/urandom of={PACK} bs=100000 count=20 conv=notrunc 2>/dev/null",
        f"dd if=/dev/urandom of={PACK} bs=100000 seek=1 count=20 conv=notrunc 2>/dev/null",
        f"rm {PACK}; mkdir {PACK}",
        f"rm {PACK}; ln -s bytecode.pack {PACK}",
    ],
)
def test_a_damaged_pack_is_as_good_as_none(dist_run: Run, damage: str) -> None:
    program = "import json, logging, argparse, typing, unittest.mock, ssl; print(json.dumps({'a': 1}))"
    assert dist_run.python(program, before=damage) == '{"a": 1}'
    assert compiled(dist_run, "json, logging, argparse, typing, unittest.mock", before=damage) != []


def test_tracebacks_sources_and_names_are_those_of_the_files(dist_run: Run) -> None:
    program = f"""
import inspect, json.decoder, linecache, textwrap, traceback
assert json.decoder.__file__ == "{LIBRARY}/json/decoder.py"
spec = json.decoder.__spec__
assert spec.origin == json.decoder.__file__ and spec.has_location, spec
assert json.decoder.__cached__ == spec.cached == "{LIBRARY}/json/__pycache__/decoder.cpython-314.pyc"
assert type(spec.loader).__name__ == "SourceFileLoader" and "JSONDecoder" in spec.loader.get_source("json.decoder")
assert json.decoder.JSONDecoder.decode.__code__.co_filename == json.decoder.__file__
assert "def shorten" in inspect.getsource(textwrap.shorten) and inspect.getsourcefile(textwrap) == textwrap.__file__
assert json.decoder.__doc__ and textwrap.shorten.__doc__.startswith("Collapse")
try:
    json.loads("[1,")
except ValueError:
    told = traceback.format_exc()
assert '{LIBRARY}/json/decoder.py", line ' in told and "raise JSONDecodeError" in told, told
assert "^^^" in told, told
print("well")
"""
    assert dist_run.python(program) == "well"


def test_a_debugger_and_a_tracer_see_the_lines(dist_run: Run) -> None:
    program = """
import sys, textwrap
lines = set()
def trace(frame, event, told):
    if frame.f_code.co_filename == textwrap.__file__:
        lines.add(frame.f_lineno)
    return trace
sys.settrace(trace)
textwrap.shorten("one two", 10)
sys.settrace(None)
text = open(textwrap.__file__).read().split("\\n")
assert any("w.fill" in text[line - 1] for line in lines), lines
import io, pdb
out = io.StringIO()
debugger = pdb.Pdb(stdin=io.StringIO("b textwrap.shorten\\nc\\nw\\nc\\n"), stdout=out)
debugger.run("textwrap.shorten('one two', 10)", {"textwrap": textwrap})
assert "w = TextWrapper" in out.getvalue(), out.getvalue()
print("well")
"""
    assert dist_run.python(program) == "well"


@pytest.mark.parametrize("words", ["-O", "-OO"])
def test_optimised_python_takes_nothing_from_it(dist_run: Run, words: str) -> None:
    assert "json/decoder.py" in compiled(dist_run, "json", words)
    assert dist_run.python(f"{WATCH}import json\nprint(len(opened), json.__doc__ is None)", words) == (
        f"0 {words == '-OO'}"
    )


def test_nothing_is_written_beside_modules_that_it_has_and_compileall_works_as_ever(dist_run: Run) -> None:
    assert dist_run(f"python3 -c 'import json, logging, ssl'; find {LIBRARY} -name '*.pyc'") == ""
    assert dist_run(f"python3 -c 'import this' >/dev/null; find {LIBRARY} -name '*.pyc'").endswith(
        "__pycache__/this.cpython-314.pyc"
    )
    compiling = f"python3 -m compileall -q {LIBRARY}/json; "
    assert len(dist_run(f"{compiling}find {LIBRARY}/json -name '*.pyc'").split()) == 6
    assert dist_run.python(f"{WATCH}import json.decoder\nprint(json.decoder.__spec__.cached in opened)",
                           before=compiling) == "False"  # fmt: skip


def test_bytecode_beside_a_source_goes_first(dist_run: Run) -> None:
    before = f"""
cd {LIBRARY}
cp textwrap.py /tmp/keep
echo 'mark = 1' >> textwrap.py
python3 -m compileall -fq --invalidation-mode unchecked-hash textwrap.py
cp /tmp/keep textwrap.py
"""
    assert dist_run.python("import textwrap; print(textwrap.mark)", before=before) == "1"


def test_stale_bytecode_beside_a_source_does_not_hide_it(dist_run: Run) -> None:
    before = f"mkdir -p {LIBRARY}/__pycache__; echo stale > {LIBRARY}/__pycache__/textwrap.cpython-314.pyc"
    assert compiled(dist_run, "textwrap", before=before) == []


def test_a_loader_that_changes_what_it_reads_is_not_passed_over(dist_run: Run) -> None:
    program = """
import importlib.machinery, importlib.util
class Changing(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, **more):
        return super().source_to_code(data + b"\\nmark = 1\\n", path, **more)
import textwrap
loader = Changing("textwrap", textwrap.__file__)
spec = importlib.util.spec_from_file_location("textwrap", textwrap.__file__, loader=loader)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.mark)
"""
    assert dist_run.python(program) == "1"


@pytest.mark.parametrize("mode", ["default", "always"])
def test_whoever_wants_hashes_checked_has_them_checked(dist_run: Run, mode: str) -> None:
    edit = f"echo 'mark = 1' >> {LIBRARY}/textwrap.py"
    program = "import textwrap; print(hasattr(textwrap, 'mark'))"
    assert dist_run.python(program, "--check-hash-based-pycs", mode, before=edit) == "True"


def test_whoever_wants_no_hash_checked_has_none_checked(dist_run: Run) -> None:
    edit = f"echo 'mark = 1' >> {LIBRARY}/textwrap.py"
    program = "import textwrap; print(hasattr(textwrap, 'mark'))"
    assert dist_run.python(program, "--check-hash-based-pycs", "never", before=edit) == "False"


def test_it_is_there_in_virtual_environments_other_interpreters_and_processes(dist_run: Run) -> None:
    program = f"""
import multiprocessing, concurrent.interpreters
code = '''{WATCH}
import json, logging, ssl
assert not [each for each in compiled if each.startswith("{LIBRARY}")], compiled
'''
if __name__ == "__main__":
    for start in ("fork", "spawn", "forkserver"):
        process = multiprocessing.get_context(start).Process(target=exec, args=(code, {{}}))
        process.start()
        process.join(30)
        assert process.exitcode == 0, start
    other = concurrent.interpreters.create()
    other.exec(code)
    other.close()
    print("well")
"""
    assert dist_run(f"cat > /tmp/program.py <<'END'\n{program}\nEND\npython3 /tmp/program.py") == "well"
    venv = "python3 -m venv --without-pip /tmp/venv; . /tmp/venv/bin/activate"
    assert compiled(dist_run, "json, logging", before=venv) == []


def test_a_folder_for_bytecode_elsewhere_is_used_for_what_it_lacks_alone(dist_run: Run) -> None:
    told = dist_run("python3 -c 'import this, json' >/dev/null; find /tmp/cache -name '*.pyc'",
                    "--env", "PYTHONPYCACHEPREFIX=/tmp/cache")  # fmt: skip
    assert told.split() == [f"/tmp/cache{LIBRARY}/this.cpython-314.pyc"]


def test_it_is_read_without_rights_to_write(dist: Path) -> None:
    program = f"{WATCH}import json, logging\nprint([each for each in compiled if each.endswith('.py')])"
    options = ("--output", str(dist), "--read-only", "--user", "65532")
    told = bivy("run", *options, NAME, "python3", "-c", program).stdout
    assert told.strip() == "[]"


def test_modules_that_run_as_programs_come_from_it_too(dist_run: Run) -> None:
    assert dist_run("echo '{}' | python3 -m json").strip() == "{}"
    told = dist_run("echo '{}' | python3 -v -m json 2>&1 | grep -c bytecode.pack")
    assert int(told) > 10
