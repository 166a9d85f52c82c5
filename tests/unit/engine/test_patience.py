import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from engine.actors import RETRIES, patiently


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        OperationalError("SELECT 1", {}, Exception()),
        asyncpg.ConnectionDoesNotExistError(),
        DBAPIError("SELECT 1", {}, Exception(), connection_invalidated=True),
    ],
)
def test_a_database_that_is_away_costs_no_retry(error: Exception) -> None:
    assert patiently(RETRIES + 100, error)


@pytest.mark.parametrize("error", [ValueError(), DBAPIError("SELECT 1", {}, Exception())])
def test_any_other_fault_is_retried_three_times(error: Exception) -> None:
    assert [patiently(retries, error) for retries in range(5)] == [True] * 3 + [False] * 2
