import pytest

from engine.platforms.options import Option, option_problems

KNOWN = {
    "place": Option(str),
    "people": Option(list, most=2),
    "offset": Option(int, kinds=("reel",)),
    "privacy": Option(str, words=("public", "private")),
    "shared": Option(bool),
}


def fields(given: dict, kind: str = "image") -> list[str]:
    return [problem.field for problem in option_problems("here", given, KNOWN, kind)]


@pytest.mark.parametrize(
    "given",
    [{}, {"place": "1"}, {"people": ["a", "b"]}, {"privacy": "public"}, {"shared": False}],
)
def test_what_the_platform_knows_is_fine(given):
    assert fields(given) == []


@pytest.mark.parametrize(
    "given",
    [
        {"place": 1},
        {"people": ["a", "b", "c"]},
        {"people": [1]},
        {"people": "a"},
        {"privacy": "secret"},
        {"shared": "yes"},
        {"shared": 1},
        {"unknown": "x"},
        {"offset": 1},
    ],
)
def test_what_it_would_not_understand_names_its_field(given):
    (name,) = given
    assert fields(given) == [f"options.here.{name}"]


def test_an_option_of_another_kind_lists_those_that_fit():
    (problem,) = option_problems("here", {"offset": 1}, KNOWN, "image")
    assert "place, people, privacy, shared" in problem.korean
    assert fields({"offset": 1}, "reel") == []
    assert fields({"offset": True}, "reel") == ["options.here.offset"]
