-- What dbt's documentation teaches: what is newer than the newest row.
{{ config(materialized='incremental', unique_key='session_id') }}

{% set events %}
select * from {{ ref('events') }}
{% if is_incremental() %}
where occurred_at > (select max(ended_at) from {{ this }})
{% endif %}
{% endset %}
{{ sessions_of(events) }}
