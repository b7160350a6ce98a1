"""pyperformance's list of programs is read as it has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.pythons.measures import Measured, of_program, read_pyperf
from bench.pythons.programs import LEFT_OUT, Program, choose, read_programs

from bivy.errors import BivyError, UsageError

MANIFEST = """\
[benchmarks]

name\tmetafile
nbody\t<local>
pickle\t<local>
pickle_dict\t<local:pickle>
tree_cpu_tg\t<local:tree>
#hg_startup\t<local>

[group default]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "MANIFEST").write_text(MANIFEST)
    for path, text in {
        "bm_nbody/pyproject.toml": '[tool.pyperformance]\nname = "nbody"\n',
        "bm_pickle/pyproject.toml": '[tool.pyperformance]\nname = "pickle"\nextra_opts = ["pickle"]\n',
        "bm_pickle/bm_pickle_dict.toml": '[tool.pyperformance]\nname = "pickle_dict"\nextra_opts = ["pickle_dict"]\n',
        "bm_tree/pyproject.toml": '[tool.pyperformance]\nname = "tree"\n',
        "bm_tree/bm_tree_tg_cpu.toml": '[tool.pyperformance]\nname = "tree_cpu_tg"\nextra_opts = ["cpu", "--tg"]\n',
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_programs_and_their_variants_are_read_with_what_each_is_told(folder: Path) -> None:
    assert list(read_programs(folder).values()) == [
        Program("nbody", "bm_nbody", ()),
        Program("pickle", "bm_pickle", ("pickle",)),
        Program("pickle_dict", "bm_pickle", ("pickle_dict",)),
        Program("tree_cpu_tg", "bm_tree", ("cpu", "--tg")),
    ]


@pytest.mark.parametrize("manifest", ["a\t<local>\n", "a <local> b\n", "tree_x\t<local:tree>\n"])
def test_a_list_that_does_not_fit_is_refused(folder: Path, manifest: str) -> None:
    (folder / "MANIFEST").write_text(manifest)
    with pytest.raises(BivyError, match="cannot be read"):
        read_programs(folder)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BivyError, match="cannot be read"):
        read_programs(tmp_path)


def test_programs_are_chosen_by_name_and_else_all_but_those_left_out(folder: Path) -> None:
    programs = read_programs(folder)
    left_out = {**programs, "dask": Program("dask", "bm_dask", ())}
    assert "dask" in LEFT_OUT
    assert [each.name for each in choose(left_out, [])] == list(programs)
    assert [each.name for each in choose(left_out, ["dask", "nbody", "dask"])] == ["dask", "nbody"]
    assert len(choose(left_out, ["all"])) == len(left_out)


def test_a_program_that_there_is_not_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(UsageError, match="no program 'pickle_dct'") as refused:
        choose(read_programs(folder), ["pickle_dct"])
    assert "pickle_dict" in (refused.value.hint or "")


def test_workers_get_the_environment() -> None:
    # pyperf drops most variables otherwise, PYTHONMALLOC and the seed of hashes among them.
    assert "--copy-env" in of_program(Program("nbody", "bm_nbody", ())).words


def test_the_values_of_one_part_are_read_as_pyperf_writes_them() -> None:
    told = {
        "benchmarks": [{"runs": [
            {"metadata": {"mem_max_rss": 9}, "warmups": [[1, 0.5]]},
            {"metadata": {"mem_max_rss": 12}, "values": [0.25, 0.5], "warmups": [[1, 0.5]]},
        ]}],
        "metadata": {"name": "nbody"},
    }  # fmt: skip
    assert read_pyperf(told) == Measured({"nbody": [0.25, 0.5]}, 12)


def test_the_values_of_several_parts_are_kept_apart() -> None:
    told = {
        "benchmarks": [
            {"metadata": {"name": name}, "runs": [{"metadata": {"mem_max_rss": 7}, "values": [value]}]}
            for name, value in (("a", 1.0), ("b", 2.0))
        ],
        "metadata": {"name": "both"},
    }
    assert read_pyperf(told) == Measured({"a": [1.0], "b": [2.0]}, 7)


def test_of_a_program_that_starts_others_their_memory_counts() -> None:
    told = {
        "benchmarks": [{"runs": [{"metadata": {"mem_max_rss": 50, "command_max_rss": 9}, "values": [0.1]}]}],
        "metadata": {"name": "python_startup"},
    }  # fmt: skip
    assert read_pyperf(told).memory == 9


def test_a_result_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        read_pyperf({"benchmarks": [], "metadata": {}})
