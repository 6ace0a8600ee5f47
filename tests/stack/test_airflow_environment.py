"""Airflow's tasks see the settings as they are."""

from footfall.settings import settings
from footfall.stack.airflow import environment
from tests.conftest import set_environment


def test_tasks_get_the_secrets_themselves(tmp_path, monkeypatch):
    set_environment(monkeypatch, home=tmp_path, kafka_sasl_password="abc#1", loaders=3)
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "jwt-secret").write_text("of the api-server")
    given = environment(settings(), "postgresql://airflow@127.0.0.1/airflow", 18080)
    assert given["FOOTFALL_KAFKA_SASL_PASSWORD"] == "abc#1"
    assert given["FOOTFALL_LOADERS"] == "3"
