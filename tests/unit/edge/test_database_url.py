import pytest

from edge.database import as_asyncpg_takes_it


@pytest.mark.parametrize(
    ("url", "dsn", "options"),
    [
        (
            "postgresql+asyncpg://sns:p%40ss@db:5433/sns",
            "postgresql://sns:p%40ss@db:5433/sns",
            {},
        ),
        (
            "postgresql+asyncpg://sns@/sns?host=/run/some where",
            "postgresql://sns@/sns?host=/run/some+where",
            {},
        ),
        (
            "postgresql+asyncpg://db/sns?ssl=require&prepared_statement_cache_size=0",
            "postgresql://db/sns?sslmode=require",
            {},
        ),
        (
            "postgresql://db/sns?statement_cache_size=0",
            "postgresql://db/sns",
            {"statement_cache_size": 0},
        ),
    ],
)
def test_one_setting_serves_engine_and_edge(url: str, dsn: str, options: dict[str, int]) -> None:
    assert as_asyncpg_takes_it(url) == (dsn, options)
