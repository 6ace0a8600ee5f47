-- The dbt docs as one HTML page, for Airflow's menu: who writes it and who shows it may have no folder in common. One
-- row at most.
create table ops.docs_page (
    is_only boolean primary key default true check (is_only),
    page text not null,
    project_sha256 text not null,      -- of the files of dbt_project that it explains
    written_at timestamptz not null
);
