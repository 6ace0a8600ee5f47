"""In an increment data tests look at what was made anew; by themselves they look at everything."""

import pytest

from footfall.errors import BuildFailed
from footfall.settings import settings
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from footfall.warehouse.dbt import run_dbt
from tests.warehouse.shop import event, midnight, store

RULE = "a_session_ends_no_earlier_than_it_starts"


def compiled() -> str:
    (file,) = (settings().home / "dbt" / "build" / "target" / "compiled").rglob(f"{RULE}.sql")
    return file.read_text()


@pytest.mark.unbuilt
@pytest.mark.usefixtures("shop")
def test_an_increment_looks_at_what_it_made_anew_and_dbt_test_at_everything():
    store([event(message="m1", user="1")])
    build(midnight(3, 9))
    assert "int_touched_refs" not in compiled()
    with transaction() as connection:
        connection.execute("update analytics.fct_sessions set event_count = 0")
    store([event(message="m2", user="2")])
    build(midnight(3, 9))
    assert "int_touched_refs" in compiled()
    with pytest.raises(BuildFailed, match=RULE):
        run_dbt(["test", "--select", RULE], {"build_id": 2}, caller="test")
