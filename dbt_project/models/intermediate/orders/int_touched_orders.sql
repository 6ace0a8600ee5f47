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
-- it, may have been erased since: then the number of its events tells.
with order_events as not materialized (

    select * from {{ ref('int_order_events') }}

),

new_events as (

    select
        order_events.order_id,
        min(order_events.occurred_at) as changed_from
    from order_events
    where {{ is_new('order_events') }}
    group by order_events.order_id

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
    where order_events.order_id in (select new_events.order_id from new_events)
    {% endif %}
    group by order_events.order_id

),

touched as (

    select
        counted.order_id,
        counted.message_id,
        counted.event_count,
        counted.copy_count,
        coalesce(new_events.changed_from, '-infinity') as changed_from,
        {{ var('build_id') }}::bigint as build_id
    from counted
    left join new_events on counted.order_id = new_events.order_id
    {% if is_incremental() %}
    left join {{ this }} as known on counted.order_id = known.order_id
    where
        new_events.order_id is not null
        or known.event_count is distinct from counted.event_count
        or {{ is_new('known') }}
    {% endif %}

)

select * from touched
