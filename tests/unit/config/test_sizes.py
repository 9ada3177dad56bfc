from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.sizes import LARGEST, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512 * 1024**2),
        ("4g", 4 * 1024**3),
        ("4G", 4 * 1024**3),
        ("4GB", 4 * 1024**3),
        ("4GiB", 4 * 1024**3),
        ("1.5g", 1536 * 1024**2),
        ("64k", 65536),
        ("1t", 1024**4),
        ("0.3k", 307),
        ("100", 100),
        ("100b", 100),
        (100, 100),
        ("1024t", LARGEST),
    ],
)
def test_a_size_is_read(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("4 GB", '"4 GB" is not a size (try "4g")'),
        ("512 megabytes", '"512 megabytes" is not a size (try "512m")'),
        ("1.5 gigabytes", '"1.5 gigabytes" is not a size (try "1536m")'),
        ("1.5", '"1.5" is not a size (try "1536m")'),
        ("~4g", '"~4g" is not a size (try "4g")'),
        ("-4g", '"-4g" is not a size (try "4g")'),
        ("a lot", '"a lot" is not a size (try "4g")'),
        ("", '"" is not a size (try "4g")'),
        ("4e9", '"4e9" is not a size (try "4g")'),
        ("4g\n", '"4g\\n" is not a size (try "4g")'),
        ("\u0664g", '"\u0664g" is not a size (try "4g")'),
        ("4\u212a", '"4\u212a" is not a size (try "4k")'),
        ("unlimited", '"unlimited" is not a size (try "4g")'),
        ("0", '"0" is too small (it must be at least one byte)'),
        ("0.0001k", '"0.0001k" is too small (it must be at least one byte)'),
        ("1025t", '"1025t" is too large (at most "1024t")'),
        (None, 'a size is missing (try "4g")'),
        (True, 'a size is missing (try "4g")'),
        ([4], 'a size is expected, not a list (try "4g")'),
        (-4, '"-4" is not a size (try "4g")'),
    ],
)
def test_what_is_no_size_is_told_with_a_remedy(wrong: object, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        parse_size(wrong)


@given(st.integers(min_value=1, max_value=LARGEST))
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_a_size_is_written_short() -> None:
    sizes = [1, 1024, 1536 * 1024**2, 4 * 1024**3, LARGEST, None]
    assert [format_size(size) for size in sizes] == ["1", "1k", "1536m", "4g", "1024t", None]


@given(st.text(alphabet="0123456789.kmgtibGMB -~x", max_size=12))
def test_each_suggestion_is_a_size(text: str) -> None:
    try:
        parse_size(text)
    except ValueError as exc:
        said = re.search(r'\((?:try|at most) "(.*)"\)$', str(exc))
    else:
        return
    assert said is None or parse_size(said[1]) > 0
