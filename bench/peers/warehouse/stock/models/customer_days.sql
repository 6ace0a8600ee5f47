-- The newest day again: it was not over.
{{ config(materialized='incremental', unique_key=['customer', 'day']) }}

{% set events %}
select * from {{ ref('events') }}
{% if is_incremental() %}
where (occurred_at at time zone 'UTC')::date >= (select max(day) from {{ this }})
{% endif %}
{% endset %}
{{ customer_days_of(events) }}
