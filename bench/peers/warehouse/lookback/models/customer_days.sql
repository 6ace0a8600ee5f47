{{ config(
    materialized='incremental', incremental_strategy='merge', unique_key=['customer', 'day']
) }}

{% set events %}
select * from {{ ref('events') }}
{% if is_incremental() %}
where (occurred_at at time zone 'UTC')::date >= (select max(day) from {{ this }}) - 3
{% endif %}
{% endset %}
{{ customer_days_of(events) }}
