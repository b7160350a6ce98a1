"""Whoever watches a task is told how it ended."""

from __future__ import annotations

import io

import pytest

from bivy.progress import Lines, under_way


def test_a_task_that_ends_well_says_what_is_for_the_person() -> None:
    said = io.StringIO()
    with under_way(Lines(said), "load it", detail="1.2 MB"):
        assert said.getvalue() == ""
    assert said.getvalue() == "load it: done (1.2 MB)\n"


@pytest.mark.parametrize("fault", [ValueError("wrong"), KeyboardInterrupt()])
def test_a_task_that_does_not_is_said_to_have_failed_and_the_fault_goes_on(fault: BaseException) -> None:
    said = io.StringIO()
    with pytest.raises(type(fault)), under_way(Lines(said), "load it", detail="1.2 MB"):
        raise fault
    assert said.getvalue() == "load it: failed\n"
