{{ config(
    pre_hook="{{ follow_their_owners(with_build_id=true) }}",
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['ref']},
        {'columns': ['build_id']},
        {'columns': ['currency', 'occurred_at']},
    ],
) }}

-- One row per event about an order: that it was placed, refunded or cancelled. What orders need of it later
-- is kept here, for raw.events is read once.
with new_events as (

    select * from {{ ref('int_events_admitted') }} as events
    where
        events.order_id is not null
        {% if is_incremental() %}
        and {{ is_new('events') }}
        and {{ is_unknown('events') }}
        {% endif %}

),

events as (

    select * from {{ ref('int_events_taken_in') }}

),

order_events as (

    select
        new_events.message_id,
        new_events.build_id,
        new_events.event_name,
        new_events.order_id,
        new_events.ref,
        new_events.occurred_at,
        -- a refund that names none is in its order's
        coalesce(
            {{ currency_code('events.currency') }},
            case when new_events.event_name = 'purchase' then {{ shop_currency() }} end
        ) as currency,
        coalesce(nullif(events.coupon, ''), totals.coupon) as coupon,
        case
            when new_events.event_name = 'purchase'
                then coalesce(
                    totals.gross_revenue,
                    round(coalesce(events.revenue, events.total), 2)
                    + coalesce(round(events.discount, 2), 0),
                    0
                )
        end as gross_revenue,
        case
            when new_events.event_name = 'purchase'
                then coalesce(round(events.discount, 2), totals.discount, 0)
        end as discount,
        -- null: all of the order
        case
            when new_events.event_name = 'refund'
                then abs(
                    coalesce(
                        round(coalesce(events.total, events.revenue), 2),
                        case when totals.is_priced then totals.gross_revenue end
                    )
                )
        end as refunded,
        coalesce(totals.item_count, 0) as item_count,
        coalesce(totals.product_count, 0) as product_count,
        coalesce(totals.category_count, 0) as category_count,
        case when new_events.event_name = 'purchase' then totals.order_lines end as order_lines
    from new_events
    inner join events on new_events.message_id = events.message_id
    left join lateral (  -- noqa: ST05
        select
            sum(sent_lines.gross_revenue) as gross_revenue,
            sum(sent_lines.discount) as discount,
            sum(sent_lines.quantity) as item_count,
            count(*) as product_count,
            count(distinct sent_lines.category) as category_count,
            bool_or(sent_lines.is_priced) as is_priced,
            string_agg(distinct sent_lines.coupon, ', ' order by sent_lines.coupon) as coupon,
            jsonb_agg(to_jsonb(sent_lines) order by sent_lines.product_id collate "C")
                as order_lines
        from ({{ lines_of('events.products') }}) as sent_lines
    ) as totals on new_events.event_name in ('purchase', 'refund')

)

select * from order_events
