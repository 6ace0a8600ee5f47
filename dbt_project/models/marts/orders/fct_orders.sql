{{ config(
    pre_hook=["{{ remember_rows() }}", "{{ forget_touched_customers() }}"],
    indexes=[{'columns': ['customer_id', 'ordered_at']}],
) }}

-- One row per order, with what is known of it now.
with orders as (

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

entries as (

    select * from {{ ref('int_order_entries') }}

),

refunds as (

    select
        orders.order_id,
        -sum(entries.amount) as refunded
    from orders
    inner join entries on orders.order_id = entries.order_id
    where not entries.is_order
    group by orders.order_id

),

priced as (

    select
        orders.order_id,
        identities.customer_id,
        orders.ordered_at,
        orders.currency,
        orders.exchange_rate::numeric(38, 10) as exchange_rate,
        orders.coupon,
        orders.gross_revenue::numeric(38, 2) as gross_revenue,
        orders.discount::numeric(38, 2) as discount,
        coalesce(refunds.refunded, 0)::numeric(38, 2) as refunded,
        (orders.paid - coalesce(refunds.refunded, 0))::numeric(38, 2) as net_revenue,
        orders.item_count::numeric(38, 6) as item_count,
        orders.product_count::integer as product_count,
        orders.copy_count::integer as copy_count,
        orders.message_id
    from orders
    inner join identities on orders.ref = identities.ref
    left join refunds on orders.order_id = refunds.order_id

)

select * from priced
