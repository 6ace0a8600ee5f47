{{ config(
    pre_hook="{{ forget_touched_orders() }}",
    indexes=[
        {'columns': ['ref', 'known_at']},
        {'columns': ['order_id']},
    ],
) }}

-- One row per order that was placed and per refund of it, each with the amount that it adds to what the
-- order is worth. At T an order is worth the sum of its entries with known_at < T.
with orders as (

    select * from {{ ref('int_orders_placed') }} as orders
    {% if is_incremental() %}
    where orders.order_id in {{ touched_orders() }}
    {% endif %}

),

refund_events as (

    select * from {{ ref('int_order_events') }} as order_events
    where order_events.event_name in ('refund', 'cancel')

),

-- A refund that names no amount, and a cancellation, give back what is left of the order. One in another
-- currency than the order's is in orders_set_aside.
named as (

    select
        orders.order_id,
        orders.ref,
        orders.ordered_at,
        orders.exchange_rate,
        orders.paid_as_sent,
        orders.paid,
        refund_events.occurred_at,
        refund_events.message_id,
        refund_events.refunded
    from orders
    inner join refund_events on orders.order_id = refund_events.order_id
    where
        refund_events.refunded is null
        or coalesce(refund_events.currency, orders.currency) = orders.currency

),

summed as (

    select
        named.*,
        coalesce(sum(named.refunded) over so_far, 0) as refunded_as_sent,
        bool_or(named.refunded is null) over so_far as is_all
    from named
    window so_far as (
        partition by named.order_id
        order by named.occurred_at, named.message_id collate "C"
        rows between unbounded preceding and current row
    )

),

-- the sum is converted, not each refund: all of what was paid comes to exactly that
running as (

    select
        summed.order_id,
        summed.ref,
        summed.ordered_at,
        greatest(summed.occurred_at, summed.ordered_at) as known_at,
        summed.occurred_at,
        summed.message_id,
        greatest(
            case
                when summed.refunded_as_sent = summed.paid_as_sent then summed.paid
                else round(summed.refunded_as_sent * summed.exchange_rate, 2)
            end,
            case when summed.is_all then summed.paid else 0 end
        ) as refunded_so_far
    from summed

),

refunds as (

    select
        running.order_id,
        running.ref,
        running.ordered_at,
        running.known_at,
        coalesce(
            lag(running.refunded_so_far) over (
                partition by running.order_id
                order by running.occurred_at, running.message_id collate "C"
            ),
            0
        ) - running.refunded_so_far as amount
    from running

),

entries as (

    select
        orders.order_id,
        orders.ref,
        orders.ordered_at,
        orders.ordered_at as known_at,
        true as is_order,
        extract(isodow from orders.ordered_at at time zone 'UTC') >= 6 as is_on_weekend,
        orders.paid as amount,
        orders.gross_revenue,
        orders.discount,
        orders.product_count,
        orders.category_count
    from orders
    union all
    select
        refunds.order_id,
        refunds.ref,
        refunds.ordered_at,
        refunds.known_at,
        false as is_order,
        false as is_on_weekend,
        refunds.amount,
        0 as gross_revenue,
        0 as discount,
        0 as product_count,
        0 as category_count
    from refunds

)

select * from entries
