-- What a build was made by, and what it did. Null: it was older than these notes, or did not finish.
alter table ops.builds
    add column rules jsonb,               -- settings, and hashes of seeds, models and macros
    add column report jsonb;              -- footfall/warehouse/build_report.py
