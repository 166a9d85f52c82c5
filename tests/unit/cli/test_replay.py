"""Files of real comments, in the shapes in which they are given away."""

import gzip
from pathlib import Path

import pytest

from engine.cli.faults import CommandFailed
from engine.cli.replay import read_texts, sample_texts


def test_the_own_sample_has_enough_different_korean_comments() -> None:
    texts = sample_texts()
    assert len(texts) >= 300
    assert len(set(texts)) == len(texts)
    assert all(any("가" <= letter <= "힣" for letter in text) for text in texts)


@pytest.mark.parametrize("name", ["text", "document", "comment"])
def test_a_named_column_is_read_and_rows_without_a_text_are_left_out(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f'id\t{name}\tlabel\n1\t첫 댓글\t0\n2\t\t1\n3\t"둘째"\t1\n')
    assert read_texts(path) == ["첫 댓글", '"둘째"']


def test_without_a_header_the_longest_column_is_read_also_when_it_is_packed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tsv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("1\t이것은 꽤 긴 댓글입니다\t0\n2\t또 하나의 댓글\t1\n")
    assert read_texts(path) == ["이것은 꽤 긴 댓글입니다", "또 하나의 댓글"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00binary", b"text\n\n"])
def test_what_is_no_such_file_is_said_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(CommandFailed, match=r"bad\.tsv"):
        read_texts(path)
