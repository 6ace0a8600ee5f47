-- The last three days again: all sessions of whoever came in them, merged by key.
{{ config(materialized='incremental', incremental_strategy='merge', unique_key='session_id') }}

{% set events %}
select * from {{ ref('events') }}
{% if is_incremental() %}
where customer in (
    select customer from {{ ref('events') }}
    where occurred_at >= (select max(started_at) from {{ this }}) - interval '3 days'
)
{% endif %}
{% endset %}
{{ sessions_of(events) }}
