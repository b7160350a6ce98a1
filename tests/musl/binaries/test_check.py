"""What keeps ELF files from loading on musl is found, and what does not is not complained of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bivy.arch import ARCHES
from bivy.elf import read_elf
from bivy.musl.binaries import check_binaries, judge
from bivy.musl.report import Finding, Part, Severity
from bivy.musl.target import Target, make_target
from tests.elves import Linker

X86_64 = make_target("3.14", ARCHES["x86_64"], "1.2.6")
AARCH64 = make_target("3.14", ARCHES["aarch64"], "1.2.6")
OLD = make_target("3.14", ARCHES["x86_64"], "1.2.2")


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Linker:
    return Linker(tmp_path_factory.mktemp("elf"))


@pytest.fixture(scope="module")
def musl(linker: Linker) -> Path:
    """What a linker takes for musl."""
    return linker.link("musl/libc.so", "int puts(void) {return 0;}", "-soname=libc.musl-x86_64.so.1")


def check(files: Mapping[str, Path | bytes], targets: Sequence[Target] = (X86_64,), tags: Sequence[str] = ()) -> Part:
    members = [(path, file if isinstance(file, bytes) else file.read_bytes()) for path, file in files.items()]
    return check_binaries(members, targets=targets, where="pkg.whl", tags=tags)


def only(part: Part) -> Finding:
    assert len(part.findings) == 1, part.findings
    return part.findings[0]


def names(part: Part) -> list[tuple[str, str]]:
    return [(finding.rule.name, finding.weight.value) for finding in part.findings]


def test_a_module_that_is_linked_to_musl_and_python_is_fine(linker: Linker, musl: Path) -> None:
    source = "int puts(void); int PyLong_FromLong(int); int f(void) { return PyLong_FromLong(puts()); }"
    part = check({"pkg/_fast.so": linker.link("_fast.so", source, needs=[musl]), "pkg/__init__.py": b"import this"})
    assert (part.findings, part.problems) == ((), ())
    assert part.looked_at == {"binaries": 1}


def test_symbols_that_only_glibc_has_are_named_with_their_versions(linker: Linker) -> None:
    source = "int puts(void); int __printf_chk(void); int getcontext(void); __attribute__((weak)) int gnu_only(void);"
    source += "int f(void) { return puts() + __printf_chk() + getcontext() + (gnu_only ? gnu_only() : 0); }"
    finding = only(check({"pkg/_fast.so": linker.link("glibc.so", source, needs=[linker.glibc()])}))
    assert (finding.rule.name, finding.weight, finding.guess) == ("linked-to-glibc", Severity.ERROR, False)
    assert finding.path == "pkg.whl:pkg/_fast.so"
    assert set(finding.evidence) == {"__printf_chk, GLIBC_2.3.4", "getcontext, GLIBC_2.2.5"}


def test_a_file_that_is_linked_to_glibc_and_loads_all_the_same_is_a_note(linker: Linker) -> None:
    # musl's loader takes libc.so.6 for itself, and knows the old names for large files though it exports them no more.
    source = "int puts(void); int stat64(void); int f(void) { return puts() + stat64(); }"
    plain = linker.link("harmless.so", source, needs=[linker.glibc()])
    finding = only(check({"pkg/_fast.so": plain}))
    assert (finding.rule.name, finding.weight, finding.guess) == ("linked-to-glibc", Severity.NOTE, True)
    several = only(check({"pkg/_one.so": plain, "pkg/_two.so": plain}))
    assert (several.path, several.evidence) == ("pkg.whl", ("pkg.whl:pkg/_one.so", "pkg.whl:pkg/_two.so"))


def test_glibcs_loader_among_the_libraries_is_not_there(linker: Linker) -> None:
    loader = linker.link("glibc/ld-linux-x86-64.so.2", "int g(void) {return 0;}", "-soname=ld-linux-x86-64.so.2")
    finding = only(check({"pkg/_fast.so": linker.link("ld.so", "int f(void) {return 0;}", needs=[loader])}))
    assert (finding.rule.name, finding.weight) == ("linked-to-glibc", Severity.ERROR)
    assert finding.evidence == ("needs ld-linux-x86-64.so.2",)


def test_a_wheel_that_says_musllinux_and_is_linked_to_glibc_is_told(linker: Linker) -> None:
    bad = linker.link(
        "bad.so", "int __printf_chk(void); int f(void) { return __printf_chk(); }", needs=[linker.glibc()]
    )
    good = linker.link("good.so", "int puts(void); int f(void) { return puts(); }", needs=[linker.glibc()])
    tags = ["cp314-cp314-musllinux_1_2_x86_64"]
    assert names(check({"pkg/_fast.so": bad}, tags=tags)) == [
        ("false-musllinux-tag", "error"), ("linked-to-glibc", "error"),
    ]  # fmt: skip
    assert names(check({"pkg/_fast.so": good}, tags=tags)) == [
        ("false-musllinux-tag", "warning"), ("linked-to-glibc", "note"),
    ]  # fmt: skip
    assert names(check({"pkg/_fast.so": bad}, tags=["cp314-cp314-manylinux_2_28_x86_64"])) == [
        ("linked-to-glibc", "error")
    ]


def test_the_symbols_of_gccs_library_are_not_glibcs_though_their_versions_are_called_so(linker: Linker) -> None:
    gcc = linker.link("gcc/libgcc_s.so.1", "int _Unwind_Resume(void) {return 0;}", "-soname=libgcc_s.so.1",
                      versions="GLIBC_2.0 { global: _Unwind_Resume; };")  # fmt: skip
    module = linker.link("unwinds.so", "int _Unwind_Resume(void); int f(void) { return _Unwind_Resume(); }",
                         "-rpath=$ORIGIN/../pkg.libs", needs=[gcc])  # fmt: skip
    assert check({"pkg/_fast.so": module, "pkg.libs/libgcc_s.so.1": gcc}).findings == ()


def test_a_program_for_glibc_is_told_by_its_loader(linker: Linker) -> None:
    source = "int puts(void); void _start(void) { puts(); }"
    program = linker.link("program", source, "--dynamic-linker=/lib64/ld-linux-x86-64.so.2", kind="-pie",
                          needs=[linker.glibc()])  # fmt: skip
    finding = only(check({"pkg-1.0.data/scripts/tool": program}))
    assert (finding.rule.name, finding.weight) == ("loader-missing", Severity.ERROR)
    assert "/lib64/ld-linux-x86-64.so.2" in finding.message
    musls = linker.link("musls", "void _start(void) {}", "--dynamic-linker=/lib/ld-musl-x86_64.so.1", kind="-pie")
    assert check({"pkg-1.0.data/scripts/tool": musls}).findings == ()


def test_libraries_are_found_along_the_path_of_the_file_or_of_what_it_came_with(linker: Linker) -> None:
    inner = linker.link("inner.so", "int inner(void) {return 0;}", "-soname=libinner.so.1")
    # It has no path itself: what led to it does.
    outer = linker.link("outer.so", "int inner(void); int outer(void) {return inner();}", "-soname=libouter.so.1",
                        needs=[inner])  # fmt: skip
    module = linker.link("finds.so", "int outer(void); int f(void) {return outer();}", "-rpath=$ORIGIN/../pkg.libs",
                         needs=[outer])  # fmt: skip
    files = {"pkg/_fast.so": module, "pkg.libs/libouter.so.1": outer, "pkg.libs/libinner.so.1": inner}
    assert check(files).findings == ()
    # Nothing loads it but itself.
    assert names(check({path: file for path, file in files.items() if file != module})) == [
        ("library-astray", "warning")
    ]


def test_a_library_is_looked_for_in_the_folder_of_a_wheels_data_where_it_will_be_installed(linker: Linker) -> None:
    inner = linker.link("data.so", "int inner(void) {return 0;}", "-soname=libinner.so.1")
    module = linker.link("reaches.so", "int inner(void); int f(void) {return inner();}",
                         "-rpath=$ORIGIN/../../../../lib", needs=[inner])  # fmt: skip
    files = {"pkg-1.0.data/platlib/pkg/_fast.so": module, "pkg-1.0.data/data/lib/libinner.so.1": inner}
    assert check(files).findings == ()


def test_a_library_that_nothing_leads_to_is_told_with_where_it_lies(linker: Linker) -> None:
    inner = linker.link("astray.so", "int inner(void) {return 0;}", "-soname=libinner.so.1")
    module = linker.link("loses.so", "int inner(void); int f(void) {return inner();}", needs=[inner])
    finding = only(check({"pkg/_fast.so": module, "pkg/lib/libinner.so.1": inner}))
    assert (finding.rule.name, finding.weight, finding.guess) == ("library-astray", Severity.WARNING, True)
    assert finding.evidence == ("pkg.whl:pkg/lib/libinner.so.1 is there",)


def test_a_path_with_a_word_that_musl_does_not_know_is_no_path(linker: Linker) -> None:
    inner = linker.link("platform.so", "int inner(void) {return 0;}", "-soname=libinner.so.1")
    module = linker.link("platforms.so", "int f(void) {return 0;}", "-rpath=$ORIGIN:$ORIGIN/$PLATFORM", needs=[inner])
    assert names(check({"pkg/_fast.so": module, "pkg/libinner.so.1": inner})) == [("library-astray", "warning")]


@pytest.mark.parametrize(
    ("library", "found"),
    [
        ("libz.so.1", []),
        ("libssl.so.3", []),
        ("libpython3.14.so.1.0", []),
        ("libpython3.so", []),
        ("libpthread.so.0", [("linked-to-glibc", "note")]),
        ("libstdc++.so.6", [("library-missing", "warning")]),
        ("libpython3.12.so.1.0", [("library-missing", "error")]),
        ("libunheardof.so.7", [("library-missing", "error")]),
        ("libresolv.so.2", [("linked-to-glibc", "error")]),
    ],
)
def test_what_the_image_has_is_there_and_what_a_package_brings_is_named(
    linker: Linker, library: str, found: list[tuple[str, str]]
) -> None:
    needed = linker.link(f"needed/{library}", "int g(void) {return 0;}", f"-soname={library}")
    part = check({"pkg/_fast.so": linker.link("needs.so", "int f(void) {return 0;}", needs=[needed])})
    assert names(part) == found
    if library == "libstdc++.so.6":
        assert part.findings[0].evidence == ("apk add libstdc++",)


def test_a_library_that_many_files_lack_is_one_finding(linker: Linker) -> None:
    needed = linker.link("needed/libmany.so.1", "int g(void) {return 0;}", "-soname=libmany.so.1")
    module = linker.link("many.so", "int f(void) {return 0;}", needs=[needed])
    finding = only(check({f"pkg/_{number}.so": module for number in range(30)}))
    assert finding.path == "pkg.whl"
    assert finding.message.startswith("30 files need libmany.so.1")
    assert (len(finding.evidence), finding.evidence[-1]) == (21, "and 10 more")


def test_a_symbol_that_nothing_has_is_a_guess_unless_the_libraries_are_not_known(linker: Linker) -> None:
    source = "int from_elsewhere(void); int f(void) { return from_elsewhere(); }"
    finding = only(check({"pkg/_fast.so": linker.link("elsewhere.so", source)}))
    assert (finding.rule.name, finding.weight, finding.guess) == ("symbol-missing", Severity.WARNING, True)
    assert finding.evidence == ("from_elsewhere",)
    zlib = linker.link("needed/libz.so.1", "int deflate(void) {return 0;}", "-soname=libz.so.1")
    assert check({"pkg/_fast.so": linker.link("perhaps.so", source, needs=[zlib])}).findings == ()


def test_libraries_that_are_given_take_the_place_of_the_images(linker: Linker) -> None:
    zlib = linker.link("needed/libz.so.1", "int deflate(void) {return 0;}", "-soname=libz.so.1")
    module = linker.link("inflates.so", "int inflate(void); int f(void) { return inflate(); }", needs=[zlib])
    files = [("pkg/_fast.so", module.read_bytes())]
    given = {"libz.so.1": read_elf(zlib.read_bytes())}
    assert names(check_binaries(files, targets=[X86_64], where="w", provided=given)) == [("symbol-missing", "warning")]
    assert names(check_binaries(files, targets=[X86_64], where="w", provided={})) == [("library-missing", "warning")]


def test_a_symbol_of_glibcs_is_an_error_without_its_library_too(linker: Linker, musl: Path) -> None:
    module = linker.link("fortified.so", "int __printf_chk(void); int f(void) { return __printf_chk(); }", needs=[musl])
    finding = only(check({"pkg/_fast.so": module}))
    assert (finding.rule.name, finding.weight, finding.guess) == ("symbol-missing", Severity.ERROR, False)


def test_a_library_may_take_symbols_from_who_uses_it(linker: Linker) -> None:
    plugin = linker.link("plugin.so", "int host(void); int plugin(void) {return host();}", "-soname=libplugin.so")
    module = linker.link("host.so", "int plugin(void); int host(void) {return 1;} int f(void) {return plugin();}",
                         "-rpath=$ORIGIN", needs=[plugin])  # fmt: skip
    assert check({"pkg/_fast.so": module, "pkg/libplugin.so": plugin}).findings == ()


def test_a_symbol_that_came_with_a_later_musl_is_told_for_the_targets_that_lack_it(linker: Linker, musl: Path) -> None:
    module = linker.link("sorts.so", "int qsort_r(void); int f(void) { return qsort_r(); }", needs=[musl])
    finding = only(check({"pkg/_fast.so": module}, [X86_64, OLD]))
    assert (finding.rule.name, finding.weight, finding.targets) == ("musl-too-old", Severity.ERROR, (OLD,))
    assert finding.evidence == ("qsort_r",)
    assert "musl 1.2.2" in finding.message
    newer = make_target("3.14", ARCHES["x86_64"], "1.2.9")
    assert check({"pkg/_fast.so": module}, [newer]).findings == ()


def test_files_for_another_architecture_are_told_once(linker: Linker) -> None:
    module = linker.link("arch.so", "int f(void) {return 0;}")
    finding = only(check({"pkg/_fast.so": module}, [X86_64, AARCH64]))
    assert (finding.rule.name, finding.weight, finding.targets) == ("other-architecture", Severity.ERROR, (AARCH64,))
    assert (finding.path, finding.message) == ("pkg.whl:pkg/_fast.so", "it is for x86_64, not for aarch64")
    several = only(check({"pkg/_one.so": module, "pkg/_two.so": module}, [AARCH64]))
    assert (several.path, len(several.evidence), several.targets) == ("pkg.whl", 2, ())


def test_files_for_several_architectures_beside_each_other_are_a_note(linker: Linker) -> None:
    other = Linker(linker.folder, "aarch64")
    files = {"pkg/x86.so": linker.link("x86.so", "int f(void) {return 0;}"),
             "pkg/arm.so": other.link("arm.so", "int missing(void); int f(void) {return missing();}")}  # fmt: skip
    assert names(check(files)) == [("other-architecture", "note")]


def test_code_for_a_graphics_processor_is_nobodys_architecture(linker: Linker) -> None:
    content = bytearray(linker.link("cubin.so", "int missing(void); int f(void) {return missing();}").read_bytes())
    content[18:20] = (190).to_bytes(2, "little")
    assert check({"pkg/kernel.cubin": bytes(content)}, [X86_64, AARCH64]).findings == ()


def test_thread_local_variables_that_have_to_be_there_at_start_are_told_unless_they_are(linker: Linker) -> None:
    model = ["-fPIC", "-ftls-model=initial-exec"]
    library = linker.link(
        "tls.so", "_Thread_local int n; int g(void) { return ++n; }", "-soname=libtls.so", compiled=model
    )
    assert names(check({"pkg/libtls.so": library})) == [("static-tls", "error")]
    program = linker.link("tool", "int g(void); void _start(void) { g(); }", "-rpath=$ORIGIN", kind="-pie",
                          needs=[library])  # fmt: skip
    assert check({"pkg/libtls.so": library, "pkg/tool": program}).findings == ()


def test_an_executable_stack_and_text_relocations_are_warnings(linker: Linker) -> None:
    stack = linker.link("stack.so", "int f(void) {return 0;}", "-zexecstack")
    finding = only(check({"pkg/_fast.so": stack}))
    assert (finding.rule.name, finding.weight, finding.guess) == ("executable-stack", Severity.WARNING, True)
    x86 = Linker(linker.folder, "x86")
    text = x86.link("text.so", "extern int PyExc; int f(void) {return PyExc;}", "-znotext", compiled=["-fno-PIC"])
    target = make_target("3.14", ARCHES["x86"], "1.2.6")
    assert names(check({"pkg/_fast.so": text}, [target])) == [("text-relocations", "warning")]


def test_what_is_wrong_in_a_wheel_for_every_platform_is_a_warning(linker: Linker) -> None:
    source = "int __printf_chk(void); int f(void) { return __printf_chk(); }"
    module = linker.link("attach.so", source, needs=[linker.glibc()])
    assert names(check({"pkg/attach_linux.so": module}, tags=["py3-none-any"])) == [("linked-to-glibc", "warning")]
    assert names(check({"pkg/attach_linux.so": module}, [AARCH64], tags=["py3-none-any"])) == [
        ("other-architecture", "warning")
    ]


def test_a_damaged_file_is_a_problem_and_the_others_are_checked(linker: Linker) -> None:
    needed = linker.link("needed/liblost.so.1", "int g(void) {return 0;}", "-soname=liblost.so.1")
    module = linker.link("whole.so", "int f(void) {return 0;}", needs=[needed])
    part = check({"pkg/_bad.so": module.read_bytes()[:200], "pkg/_fast.so": module})
    assert [problem.subject for problem in part.problems] == ["pkg.whl:pkg/_bad.so"]
    assert part.problems[0].message.startswith("a damaged ELF file: ")
    assert part.problems[0].hint
    assert names(part) == [("library-missing", "error")]
    assert part.looked_at == {"binaries": 2}


def test_two_members_that_would_be_installed_as_one_are_both_looked_at(linker: Linker) -> None:
    bad = linker.link("twice.so", "int f(void) {return 0;}", "-zexecstack")
    good = linker.link("once.so", "int f(void) {return 0;}")
    part = check({"pkg-1.data/purelib/pkg/_fast.so": bad, "pkg/_fast.so": good})
    assert only(part).path == "pkg.whl:pkg-1.data/purelib/pkg/_fast.so"


def test_files_that_all_need_each_other_are_followed_for_so_long_and_this_is_told(
    linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "_PATIENCE", 100)
    stubs = [linker.link(f"stub/lib{n}.so", "int g(void) {return 0;}", f"-soname=lib{n}.so") for n in range(12)]
    files = {
        f"pkg/lib{n}.so": linker.link(f"ring/lib{n}.so", "int g(void) {return 0;}", "-rpath=$ORIGIN", needs=stubs)
        for n in range(12)
    }
    part = check(files)
    assert [problem.subject for problem in part.problems] == ["pkg.whl"]
    monkeypatch.undo()
    assert check(files) == Part(looked_at={"binaries": 12})
