"""The only SQL outside dbt: bulk load, build, read as of, score sets, models, publications."""
