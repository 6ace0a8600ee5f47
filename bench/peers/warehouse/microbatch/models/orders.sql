-- A day is a batch; the newest and the three before it are merged again by key.
{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    unique_key='order_id',
    event_time='ordered_at',
    batch_size='day',
    begin='2024-01-01',
    lookback=3,
) }}

{% set events %}
select * from {{ ref('events') }}
{% endset %}
{{ orders_of(events) }}
