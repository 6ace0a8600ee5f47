{{ config(
    pre_hook="{{ forget_touched_customers() }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per order id of which something is not counted.
with order_events as not materialized (

    select * from {{ ref('int_order_events') }}

),

orders as (

    select * from {{ ref('int_touched_orders') }}

),

placed as not materialized (

    select * from {{ ref('int_orders_placed') }}

),

-- the orders that refunds in another currency may be of
refundable as (

    {% set orders_placed = ref('int_orders_placed') -%}
    {% if is_incremental() -%}
    {{ rows_of_touched_refs(orders_placed) }}
    {%- else -%}
    select * from {{ orders_placed }}
    {%- endif %}

),

identities as (

    select * from {{ ref('int_identity_spans') }} as spans
    where spans.known_until = 'infinity'

),

not_placed as (

    select
        orders.order_id,
        counted.ref,
        case
            when orders.copy_count = 0 then 'unknown_order'
            when counted.gross_revenue < counted.discount then 'negative_total'
            else 'no_exchange_rate'
        end as reason,
        case
            when orders.copy_count = 0 then counted.event_name || ' of an order that has not come'
            when counted.gross_revenue < counted.discount
                then (counted.gross_revenue - counted.discount) || ' ' || counted.currency
            else
                counted.currency || ' into ' || {{ shop_currency() }}
                || to_char(counted.occurred_at at time zone 'UTC', '" on "YYYY-MM-DD')
        end as detail,
        counted.occurred_at as first_seen_at,
        counted.message_id
    from order_events as counted
    inner join orders
        on counted.order_id = orders.order_id and counted.message_id = orders.message_id
    left join placed on orders.order_id = placed.order_id
    where
        placed.order_id is null
        {% if is_incremental() %}
        and counted.ref in {{ touched_refs() }}
        {% endif %}

),

refunds_not_counted as (

    select
        refundable.order_id,
        refundable.ref,
        'refund_in_other_currency' as reason,
        string_agg(
            refunds.refunded || ' ' || refunds.currency,
            ', '
            order by refunds.occurred_at, refunds.message_id collate "C"
        ) || ' of an order in ' || min(refundable.currency) as detail,
        min(refunds.occurred_at) as first_seen_at,
        (
            array_agg(
                refunds.message_id
                order by refunds.occurred_at, refunds.message_id collate "C"
            )
        )[1] as message_id
    from refundable
    inner join order_events as refunds on refundable.order_id = refunds.order_id
    where
        refunds.event_name = 'refund'
        and refunds.refunded is not null
        and refunds.currency <> refundable.currency
    group by refundable.order_id, refundable.ref

),

unnamed as (

    select * from not_placed
    union all
    select * from refunds_not_counted

),

set_aside as (

    select
        unnamed.order_id,
        identities.customer_id,
        unnamed.reason,
        unnamed.detail,
        unnamed.first_seen_at,
        unnamed.message_id
    from unnamed
    inner join identities on unnamed.ref = identities.ref

)

select * from set_aside
