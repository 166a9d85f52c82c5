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
    hangul = [("가", "힣"), ("ㄱ", "ㅣ")]  # letters by themselves too, as in ㅇㅈ
    assert all(any(a <= one <= z for one in text for a, z in hangul) for text in texts)
    longer = [text for text in texts if any(text.startswith(f"{one} ") for one in texts)]
    assert not longer, "one sentence with two endings is not two comments"
    assert sum(len(text) > 60 for text in texts) >= 5


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


def test_a_mark_of_byte_order_hides_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes("\ufefftext\n첫 댓글\n".encode())
    assert read_texts(path) == ["첫 댓글"]


@pytest.mark.parametrize("name", ["review", "sentence1", "answer"])
def test_a_header_of_other_names_is_no_comment(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{name}\tlabel\n꽤 좋아요\t1\n")
    assert read_texts(path) == ["꽤 좋아요"]


def test_a_damaged_packed_file_is_said_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "bad.tsv.gz"
    whole = bytearray(gzip.compress("댓글\n".encode() * 1000))
    whole[15:30] = b"\xff" * 15
    path.write_bytes(whole)
    with pytest.raises(CommandFailed, match=r"bad\.tsv\.gz"):
        read_texts(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00binary", b"text\n\n", b"1\t0\n0\t1\n"])
def test_what_is_no_such_file_is_said_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(CommandFailed, match=r"bad\.tsv"):
        read_texts(path)
