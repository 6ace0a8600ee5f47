{{ config(
    pre_hook="{{ forget_everything() }}",
    post_hook=["analyze {{ this }}", "{{ note_touched_customers() }}"],
    indexes=[{'columns': ['ref'], 'unique': true}],
) }}

-- One row per ref whose customer this build makes anew: what new events mention, closed over the links
-- as they are and as they were. Nothing before `changed_from` changes.
{% set events = ref('int_events_admitted') %}
{% set bot_events = ref('int_bot_events') %}
{% set links = ref('int_identity_links') %}
{% set order_events = ref('int_order_events') %}
{% set touched_orders = ref('int_touched_orders') %}
{% if is_incremental() %}
with recursive new_events as (

    select * from {{ events }} as events
    where {{ is_new('events') }}

),

mentioned as (

    select
        new_events.ref,
        new_events.occurred_at as changed_from
    from new_events
    union all
    select
        'a:' || new_events.anonymous_id as ref,
        new_events.occurred_at as changed_from
    from new_events
    where new_events.anonymous_id is not null
    union all
    -- whose event it was, until somebody else turned out to have signed in before it
    select
        displaced.ref,
        new_events.occurred_at as changed_from
    from new_events
    cross join lateral jsonb_array_elements_text(new_events.displaced_refs) as displaced (ref)
    union all
    -- a robot that refuses may be a person
    select
        bot_events.ref,
        bot_events.occurred_at as changed_from
    from {{ bot_events }} as bot_events
    where {{ is_new('bot_events') }} and not bot_events.allows_profiling
    union all
    select
        reopened.ref,
        '-infinity'::timestamptz as changed_from
    from {{ source('ops', 'reopened_refs') }} as reopened
    union all
    select
        kinds.kind || new_events.previous_id as ref,
        new_events.occurred_at as changed_from
    from new_events
    cross join (values ('a:'), ('u:')) as kinds (kind)
    where new_events.event_name = 'alias'
    union all
    -- another customer's event may be about the same order: an earlier copy of it, or its refund
    select
        order_events.ref,
        touched_orders.changed_from
    from {{ touched_orders }} as touched_orders
    inner join {{ order_events }} as order_events
        on touched_orders.order_id = order_events.order_id
    where {{ is_new('touched_orders') }}
    union all
    select
        links.child_ref as ref,
        links.linked_at as changed_from
    from {{ links }} as links
    where {{ is_new('links') }}

),

mentioned_once as (

    select
        mentioned.ref,
        min(mentioned.changed_from) as changed_from
    from mentioned
    group by mentioned.ref

),

closed as (

    select
        mentioned_once.ref,
        mentioned_once.changed_from
    from mentioned_once
    union
    select
        neighbours.ref,
        closed.changed_from
    from closed
    cross join lateral (
        select links.parent_ref as ref
        from {{ links }} as links
        where links.child_ref = closed.ref
        union all
        select unnest(links.displaced_refs) as ref
        from {{ links }} as links
        where links.child_ref = closed.ref and {{ is_new('links') }}
        union all
        select links.child_ref as ref
        from {{ links }} as links
        where links.parent_ref = closed.ref
    ) as neighbours

),

touched as (

    select
        closed.ref,
        {{ customer_id('closed.ref') }} as customer_id,
        min(closed.changed_from) as changed_from,
        {{ var('build_id') }}::bigint as build_id
    from closed
    group by closed.ref

)
{% else %}
with touched as (

    select
        refs.ref,
        {{ customer_id('refs.ref') }} as customer_id,
        '-infinity'::timestamptz as changed_from,
        {{ var('build_id') }}::bigint as build_id
    from {{ ref('int_identity_refs') }} as refs

)
{% endif %}

select * from touched
