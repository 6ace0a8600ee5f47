"""The local servers: Postgres, Redis, Kafka and Airflow, without Docker and without root."""
