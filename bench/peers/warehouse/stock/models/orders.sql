{{ config(materialized='incremental', unique_key='order_id') }}

{% set purchases %}
select * from {{ ref('events') }}
{% if is_incremental() %}
where occurred_at > (select max(ordered_at) from {{ this }})
{% endif %}
{% endset %}
{{ orders_of(purchases) }}
