#!/bin/sh
# Run once by the Postgres image, on an empty data folder: Airflow's own role and database.
set -eu
psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --set password="$AIRFLOW_DB_PASSWORD" <<'SQL'
create role airflow login password :'password';
create database airflow owner airflow;
SQL
