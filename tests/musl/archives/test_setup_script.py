from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bivy.musl.archives.setup_script import Script, read_script


def script(source: str) -> Script:
    found = read_script(source.encode())
    assert found
    return found


@pytest.mark.parametrize(
    ("source", "extensions"),
    [
        ("setup()", False),
        ("setup(ext_modules=None)", False),
        ("setup(ext_modules=[])", False),
        ("setup(ext_modules=cythonize('a.pyx'))", True),
        ("setup(cffi_modules=['build.py:ffi'])", True),
        ("setup(rust_extensions=[RustExtension('a')])", True),
        ("setup(ext_modules=mypycify(['a.py']))", True),
        ("extensions = [Pybind11Extension('a', ['a.cpp'])]\nsetup(ext_modules=extensions)", True),
        ("arguments = {'ext_modules': [a]}\nsetup(**arguments)", True),
        ("arguments = {}\narguments['packages'] = []\nsetup(**arguments)", None),
        ("setup(**{'name': 'demo'})", False),
        ("setup(ext_modules=find())", None),
        ("class CMakeExtension(Extension): pass\nsetup()", None),
        ("if sys.platform == 'win32':\n    setup(ext_modules=[Extension('a', ['a.c'])])\nelse:\n    setup()", False),
    ],
)
def test_extension_modules_are_recognised(source: str, extensions: bool | None) -> None:
    assert script(source).extensions is extensions


@pytest.mark.parametrize(
    ("source", "libraries"),
    [
        ("Extension('a', ['a.c'], libraries=['z', 'm'])", ["z", "m"]),
        ("libs = ['xslt', 'xml2'] + standard", ["xslt", "xml2"]),
        ("self.libraries += ['pq']", ["pq"]),
        ("options = {'libraries': ['ssl', 'crypto']}", ["ssl", "crypto"]),
        ("libraries: list[str] = ['ffi']", ["ffi"]),
        ("if os.name == 'nt':\n    libraries = ['ws2_32']\nelse:\n    libraries = ['z']", ["z"]),
        ("if sys.platform != 'win32':\n    libraries = ['z']\nelse:\n    libraries = ['ws2_32']", ["z"]),
        ("if not sys.platform.startswith('win'):\n    libraries = ['z']", ["z"]),
        ("if sys.platform in ('darwin', 'cygwin'):\n    libraries = ['objc']", []),
        ("libraries = ['z'] if sys.platform != 'win32' else ['zlib1']", []),
        ("packages = ['demo']", []),
        ("libraries = ['-Wl,x', 'a b', '']", []),
    ],
)
def test_libraries_are_those_that_linux_would_link(source: str, libraries: list[str]) -> None:
    assert list(script(source).libraries) == libraries


@pytest.mark.parametrize(
    ("source", "optional"),
    [
        ("Extension('a', ['a.c'], optional=True)", True),
        ("Extension('a', ['a.c'], optional=False)", False),
        ("try:\n    setup()\nexcept BuildFailed:\n    setup()", True),
        ("try:\n    build()\nexcept (CompileError, errors.LinkError):\n    log()\n", True),
        ("try:\n    build()\nexcept CompileError:\n    log()\n    raise", False),
        ("try:\n    build()\nexcept CompileError:\n    log()\n    sys.exit(1)", False),
        ("try:\n    build()\nexcept CompileError:\n    if wanted:\n        raise\n    log()", True),
        ("try:\n    import cython\nexcept ImportError:\n    pass", False),
        ("try:\n    setup(ext_modules=[a])\nexcept SystemExit:\n    setup()", True),
        ("def plain():\n    setup()\ntry:\n    setup(ext_modules=[a])\nexcept Exception:\n    plain()", True),
        ("try:\n    setup(ext_modules=[a])\nexcept Exception:\n    print('failed')", False),
        (
            "class A(build_ext):\n  def run(self):\n    try:\n      super().run()\n    except Exception:\n      log()",
            True,
        ),
        (
            "class A(build_ext):\n  def run(self):\n    try:\n      super().run()\n    except:\n      raise",
            False,
        ),
        (
            "class A(build_ext):\n  def run(self):\n    try:\n      look()\n    except Exception:\n      log()",
            False,
        ),
        (
            "class A(install):\n  def run(self):\n    try:\n      super().run()\n    except Exception:\n      log()",
            False,
        ),
    ],
)
def test_a_build_that_goes_on_without_a_compiler_is_recognised(source: str, optional: bool) -> None:
    assert script(source).optional is optional


def test_programs_that_tell_where_libraries_are_count_as_tools() -> None:
    found = script("run(['pkg-config', '--libs', 'x'])\nos.environ.get('XML2', 'xml2-config')\nrun('pg_config')")
    assert set(found.tools) == {"pkg-config", "xml2-config", "pg_config"}


def test_imports_and_requirements_of_the_script_are_listed() -> None:
    found = script(
        "import setupinfo, os.path\nfrom versioning import x\nfrom . import y\nsetup(setup_requires=['cffi'])"
    )
    assert set(found.imports) == {"setupinfo", "os", "versioning"}
    assert set(found.requires) == {"cffi"}


@pytest.mark.parametrize("source", [b"print 'x'", b"\0", b"\xff\xfe", b"(" * 50_000, b"x = " + b"-" * 100_000 + b"1"])
def test_what_is_not_python_is_not_read(source: bytes) -> None:
    assert read_script(source) is None


def test_a_script_that_python_would_warn_of_is_read_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_script(b"x = '\\d'\nassert (1, 'x')\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_not(source: bytes) -> None:
    read_script(source)
