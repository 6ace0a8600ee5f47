{{ config(pre_hook="{{ forget_touched_customers() }}") }}

-- One row per customer, as known now. Traits are kept only of those who may be profiled.
with identities as (

    select * from {{ ref('int_identity_spans') }} as identities
    where
        identities.known_until = 'infinity'
        {% if is_incremental() %}
        and identities.ref in {{ touched_refs() }}
        {% endif %}

),

events as not materialized (

    select * from {{ ref('int_events_admitted') }}

),

decisions as (

    select * from {{ ref('int_consent_decisions') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

seen as (

    select
        identities.customer_id,
        min(events.occurred_at) as first_seen_at,
        max(events.occurred_at) as last_seen_at
    from identities
    inner join events on identities.ref = events.ref
    group by identities.customer_id

),

ordered as (

    select
        orders.customer_id,
        min(orders.ordered_at) as first_order_at,
        max(orders.ordered_at) as last_order_at
    from orders
    where orders.customer_id in (select identities.customer_id from identities)
    group by orders.customer_id

),

newest_decisions as (

    select distinct on (identities.customer_id)
        identities.customer_id,
        decisions.allows_profiling
    from identities
    inner join decisions on identities.ref = decisions.ref
    order by identities.customer_id asc, decisions.decided_at desc, decisions.allows_profiling asc

),

-- the newest value of each trait
traits as (

    select
        identities.customer_id,
        jsonb_object_agg(
            trait.name, trait.value
            order by events.occurred_at, events.message_id collate "C"
        ) as traits
    from identities
    inner join events on identities.ref = events.ref and events.event_name = 'identify'
    cross join lateral jsonb_each(events.traits) as trait (name, value)
    group by identities.customer_id

),

customers as (

    select
        seen.customer_id,
        seen.first_seen_at,
        seen.last_seen_at,
        ordered.first_order_at,
        ordered.last_order_at,
        {{ is_profilable('newest_decisions.allows_profiling') }} as is_profilable,
        case
            when {{ is_profilable('newest_decisions.allows_profiling') }}
                then coalesce(traits.traits, '{}'::jsonb)
        end as traits
    from seen
    left join ordered on seen.customer_id = ordered.customer_id
    left join newest_decisions on seen.customer_id = newest_decisions.customer_id
    left join traits on seen.customer_id = traits.customer_id

)

select * from customers
