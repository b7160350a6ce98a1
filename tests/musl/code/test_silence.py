"""A comment on the line silences a finding, with a reason."""

from __future__ import annotations

from collections.abc import Callable

from bivy.musl.report import Part, Severity


def names(part: Part) -> list[str]:
    return [finding.rule.name for finding in part.findings]


def test_a_comment_with_a_reason_silences_its_rule(check: Callable[..., Part]) -> None:
    part = check("import os\nos.getlogin()  # bivy: ok[login-name] only for the log\n")
    assert part.findings == ()
    assert [(silenced.finding.rule.name, silenced.reason) for silenced in part.silenced] == [
        ("login-name", "only for the log")
    ]


def test_without_a_reason_the_finding_counts_and_a_note_says_so(check: Callable[..., Part]) -> None:
    part = check("import os\nos.getlogin()  # bivy: ok[login-name]\n")
    assert names(part) == ["login-name", "silence-without-reason"]
    assert part.findings[1].weight is Severity.NOTE
    assert part.silenced == ()


def test_a_comment_on_any_line_of_the_statement_counts(check: Callable[..., Part]) -> None:
    part = check("""
        import os
        print(
            os.getlogin(),
            1,  # bivy: ok[login-name] a reason
        )
    """)
    assert part.findings == ()


def test_a_comment_in_the_body_does_not_silence_the_head(check: Callable[..., Part]) -> None:
    part = check("""
        import os
        if os.getlogin():
            print()  # bivy: ok[login-name] a reason
    """)
    assert names(part) == ["login-name", "silence-of-nothing"]


def test_a_comment_on_the_head_silences_the_head_alone(check: Callable[..., Part]) -> None:
    part = check("""
        import os
        if os.getlogin():  # bivy: ok[login-name] a reason
            os.getlogin()
    """)
    assert [finding.line for finding in part.findings] == [4]
    assert len(part.silenced) == 1


def test_one_comment_silences_several_rules_and_no_others(check: Callable[..., Part]) -> None:
    part = check("""
        import os, platform
        os.getlogin(), platform.libc_ver(), os.sched_getparam(0)  # bivy: ok[login-name, libc-version] a reason
    """)
    assert names(part) == ["scheduler-call"]
    assert len(part.silenced) == 2


def test_an_unknown_rule_and_one_that_finds_nothing_are_pointed_out(check: Callable[..., Part]) -> None:
    part = check("""
        x = 1  # bivy: ok[no-such-rule] a reason
        y = 2  # bivy: ok[login-name] a reason
    """)
    assert names(part) == ["silence-of-unknown-rule", "silence-of-nothing"]
    assert {finding.weight for finding in part.findings} == {Severity.NOTE}


def test_a_text_that_looks_like_the_comment_is_none(check: Callable[..., Part]) -> None:
    part = check('import os\nprint("# bivy: ok[login-name] a reason", os.getlogin())\n')
    assert names(part) == ["login-name"]


def test_it_may_stand_behind_another_comment(check: Callable[..., Part]) -> None:
    part = check("import os\nos.getlogin()  # noqa: S1  # bivy: ok[login-name] a reason\n")
    assert part.findings == ()
