{{ config(
    pre_hook="{{ forget_touched_refs() }}",
    indexes=[{'columns': ['ref', 'ordered_on'], 'unique': true}],
) }}

-- One row per ref and UTC day on which it ordered.
with orders as (

    select * from {{ ref('int_orders_placed') }} as orders
    {% if is_incremental() %}
    where orders.ref in {{ touched_refs() }}
    {% endif %}

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
