{{ config(
    pre_hook="{{ follow_their_owners(with_build_id=true) }}",
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['order_id']},
        {'columns': ['ref']},
        {'columns': ['build_id']},
    ],
) }}

-- One row per event about an order: that it was placed, refunded or cancelled.
with new_events as (

    select * from {{ ref('int_events_admitted') }} as events
    where
        events.order_id is not null
        {% if is_incremental() %}
        and {{ is_new('events') }}
        and not exists (
            select 1
            from {{ this }} as known
            where known.message_id = events.message_id
        )
        {% endif %}

),

events as (

    select * from {{ ref('stg_shop__events') }}

),

order_events as (

    select
        new_events.message_id,
        new_events.build_id,
        new_events.event_name,
        new_events.order_id,
        new_events.ref,
        new_events.occurred_at,
        events.currency,
        events.coupon,
        round(events.discount, 2) as discount,
        round(coalesce(events.revenue, events.total), 2) as revenue,
        -- null: all of the order
        case
            when new_events.event_name = 'refund'
                then coalesce(
                    round(abs(coalesce(events.total, events.revenue)), 2), sent_lines.gross
                )
        end as refunded
    from new_events
    inner join events on new_events.message_id = events.message_id
    left join lateral (
        select
            sum(round({{ amount('sent.price') }} * coalesce({{ amount('sent.quantity') }}, 1), 2))
                as gross
        from jsonb_to_recordset(events.products) as sent (quantity jsonb, price jsonb)
    ) as sent_lines on new_events.event_name = 'refund'

)

select * from order_events
