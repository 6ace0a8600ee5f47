{{ config(
    incremental_strategy='delete+insert',
    unique_key='order_id',
    indexes=[
        {'columns': ['order_id'], 'unique': true},
        {'columns': ['build_id']},
    ],
) }}

-- One row per order id that an event names, with the build that last made the order anew, and the event that
-- counts: an order that was sent twice is the copy that came first. Who refunded an order, or sent a copy of
-- it, may have been erased since: then the number of its events tells. An exchange rate that changed touches
-- the orders that it converts.
{% set spans = ref('int_exchange_spans') %}
with order_events as not materialized (

    select * from {{ ref('int_order_events') }}

),

{% if is_incremental() %}
spans as (

    select * from {{ spans }} as spans
    where {{ is_new('spans') }}

),
{% endif %}

changes as (

    select
        order_events.order_id,
        order_events.occurred_at
    from order_events
    where {{ is_new('order_events') }}
    {% if is_incremental() %}
    union all
    select
        repriced.order_id,
        repriced.occurred_at
    from spans
    cross join
        lateral (
            select
                order_events.order_id,
                order_events.occurred_at
            from order_events
            where
                order_events.event_name = 'purchase'
                and order_events.currency = spans.currency
                and order_events.occurred_at >= spans.valid_from
                and order_events.occurred_at < spans.valid_until
            -- span by span, by the index
            offset 0  -- noqa: AM09
        ) as repriced
    {% endif %}

),

changed as (

    select
        changes.order_id,
        min(changes.occurred_at) as changed_from
    from changes
    group by changes.order_id

),

counted as (

    select
        order_events.order_id,
        count(*) as event_count,
        count(*) filter (where order_events.event_name = 'purchase') as copy_count,
        (
            array_agg(
                order_events.message_id
                order by
                    order_events.event_name <> 'purchase',
                    order_events.occurred_at,
                    order_events.message_id collate "C"
            )
        )[1] as message_id
    from order_events
    {% if is_incremental() and not var('is_anybody_erased') %}
    where order_events.order_id in (select changed.order_id from changed)
    {% endif %}
    group by order_events.order_id

),

touched as (

    select
        counted.order_id,
        counted.message_id,
        counted.event_count,
        counted.copy_count,
        coalesce(changed.changed_from, '-infinity') as changed_from,
        {{ var('build_id') }}::bigint as build_id
    from counted
    left join changed on counted.order_id = changed.order_id
    {% if is_incremental() %}
    left join {{ this }} as known on counted.order_id = known.order_id
    where
        changed.order_id is not null
        or known.event_count is distinct from counted.event_count
        or {{ is_new('known') }}
    {% endif %}

)

select * from touched
