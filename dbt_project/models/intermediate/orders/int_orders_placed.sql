{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[
        {'columns': ['order_id'], 'unique': true},
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'ordered_at']},
        {'columns': ['ordered_at']},
    ],
) }}

-- One row per order, as it was placed, converted into the shop's currency: what snapshots need, so that they
-- never read the lines. An order without a rate, or worth less than nothing, is in orders_set_aside.
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

spans as (

    select * from {{ ref('int_exchange_spans') }}

),

converted as (

    select
        orders.order_id,
        orders.message_id,
        order_events.ref,
        order_events.occurred_at as ordered_at,
        order_events.currency,
        rates.rate as exchange_rate,
        order_events.coupon,
        round(order_events.gross_revenue * rates.rate, 2) as gross_revenue,
        round(order_events.discount * rates.rate, 2) as discount,
        order_events.item_count,
        order_events.product_count,
        order_events.category_count,
        orders.copy_count,
        order_events.gross_revenue - order_events.discount as paid_as_sent
    from orders
    inner join order_events on orders.message_id = order_events.message_id
    cross join
        lateral (
            select spans.rate
            from spans
            where
                spans.currency = order_events.currency
                and spans.valid_from <= order_events.occurred_at
                and spans.rate is not null
            order by spans.valid_from desc
            limit 1
        ) as rates
    where order_events.gross_revenue >= order_events.discount

),

orders_placed as (

    select
        converted.*,
        converted.gross_revenue - converted.discount as paid
    from converted

)

select * from orders_placed
