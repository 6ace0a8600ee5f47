{{ config(materialized='incremental', incremental_strategy='merge', unique_key='order_id') }}

{% set purchases %}
select * from {{ ref('events') }}
{% if is_incremental() %}
where occurred_at >= (select max(ordered_at) from {{ this }}) - interval '3 days'
{% endif %}
{% endset %}
{{ orders_of(purchases) }}
