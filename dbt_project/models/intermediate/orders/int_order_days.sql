{{ config(
    pre_hook="{{ forget_touched_refs() }}",
    indexes=[{'columns': ['ref', 'ordered_on'], 'unique': true}],
) }}

-- One row per ref and UTC day on which it ordered.
with orders as (

    {% set orders_placed = ref('int_orders_placed') -%}
    {% if is_incremental() -%}
    {{ rows_of_touched_refs(orders_placed) }}
    {%- else -%}
    select * from {{ orders_placed }}
    {%- endif %}

),

order_days as (

    select
        orders.ref,
        (orders.ordered_at at time zone 'UTC')::date as ordered_on,
        min(orders.ordered_at) as first_ordered_at,
        max(orders.ordered_at) as last_ordered_at
    from orders
    group by orders.ref, (orders.ordered_at at time zone 'UTC')::date

)

select * from order_days
