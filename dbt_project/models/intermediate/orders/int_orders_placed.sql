{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[
        {'columns': ['order_id'], 'unique': true},
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'ordered_at']},
        {'columns': ['ordered_at']},
    ],
) }}

-- One row per order, as it was placed: what snapshots need, so that they never read the lines.
with orders as (

    select * from {{ ref('int_touched_orders') }} as orders
    where
        orders.copy_count > 0
        {% if is_incremental() %}
        and {{ is_new('orders') }}
        {% endif %}

),

order_events as (

    select * from {{ ref('int_order_events') }}

),

orders_placed as (

    select
        orders.order_id,
        orders.message_id,
        order_events.ref,
        order_events.occurred_at as ordered_at,
        order_events.currency,
        order_events.coupon,
        order_events.gross_revenue,
        order_events.discount,
        order_events.item_count,
        order_events.product_count,
        order_events.category_count,
        orders.copy_count,
        order_events.gross_revenue - order_events.discount as paid
    from orders
    inner join order_events on orders.message_id = order_events.message_id

)

select * from orders_placed
