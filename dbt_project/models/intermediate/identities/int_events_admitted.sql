{{ config(
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'occurred_at']},
        {'columns': ['build_id']},
        {'columns': ['order_id']},
    ],
) }}

-- One row per event that the warehouse knows, with the build that first took it in: what is new since
-- the last finished build is this build's increment.
with events as (

    select * from {{ ref('stg_shop__events') }}

),

build_loads as (

    select * from {{ source('ops', 'build_loads') }}

),

admitted as (

    select
        events.message_id,
        {{ var('build_id') }}::bigint as build_id,
        events.event_name,
        events.ref,
        events.anonymous_id,
        events.user_id,
        events.previous_id,
        events.shop_session_id,
        case
            when events.event_name in ('purchase', 'refund', 'cancel') then events.order_id
        end as order_id,
        events.occurred_at,
        events.allows_profiling
    from events
    {% if is_incremental() %}
    where
        (
            -- late or not, what these loads brought
            events.load_id = any(
                array(
                    select build_loads.load_id
                    from build_loads
                    where build_loads.build_id = {{ var('build_id') }}
                )
            )
            -- what an earlier as_of left out
            or events.occurred_at >= {{ previously_built_through() }}
        )
        -- what a build took in that did not finish
        and not exists (
            select 1
            from {{ this }} as known
            where known.message_id = events.message_id
        )
    {% endif %}

)

select * from admitted
