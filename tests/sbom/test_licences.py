"""What packages say of their licence, as SPDX has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.licenses import canonicalize_license_expression

from bivy.sbom.distributions import license_of
from bivy.sbom.licences import CLASSIFIERS, expression


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("MIT", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("MPL-2.0 AND Apache-2.0", "MPL-2.0 AND Apache-2.0"),
        ("Public-Domain", "LicenseRef-Public-Domain"),
        ("MIT AND Public-Domain", "MIT AND LicenseRef-Public-Domain"),
        ("LicenseRef-Public-Domain", "LicenseRef-Public-Domain"),
        ("GPL-2.0-or-later AND (custom OR MIT)", "GPL-2.0-or-later AND (LicenseRef-custom OR MIT)"),
        ("BSD_3/Clause", "LicenseRef-BSD-3-Clause"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("Apache Software License 2.0", ""),
        ("MIT AND", ""),
        ("((((", ""),
        ("(" * 400 + "MIT" + ")" * 400, ""),
        ("MIT OR " * 5000 + "MIT", ""),
        ("", ""),
        (" \n", ""),
        ("///", ""),
    ],
)  # fmt: skip
def test_what_can_be_an_expression_is_one_and_free_text_is_not(told: str, expected: str) -> None:
    assert expression(told) == expected


@given(st.text(max_size=60) | st.lists(st.sampled_from(["MIT", "AND", "OR", "WITH", "(", ")", "x", "GPL-2.0+"]))
       .map(" ".join))  # fmt: skip
def test_whatever_is_told_gives_a_valid_expression_or_none(told: str) -> None:
    found = expression(told)
    assert not found or canonicalize_license_expression(found) == found


@pytest.mark.parametrize("found", sorted(CLASSIFIERS.values()))
def test_what_classifiers_mean_is_in_spdx_s_list(found: str) -> None:
    assert canonicalize_license_expression(found) == found


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other\n", "MIT OR Apache-2.0"),
        ("License: Apache-2.0\nClassifier: License :: OSI Approved :: Apache Software License\n", "Apache-2.0"),
        ("License: my own words\nClassifier: License :: OSI Approved :: MIT License\n", "MIT"),
        ("License: my own words\nClassifier: License :: OSI Approved :: BSD License\n", "BSD License"),
        ("License: Apache 2.0\n", "Apache 2.0"),
        ("License: first line\n  second line\n", ""),
        ("License: UNKNOWN\n", ""),
        ("Name: x\n", ""),
    ],
)  # fmt: skip
def test_a_licence_is_what_metadata_says_in_one_line(metadata: str, expected: str) -> None:
    assert license_of(metadata.encode()) == expected
