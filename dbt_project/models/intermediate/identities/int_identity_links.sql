{{ config(
    incremental_strategy='delete+insert',
    unique_key='child_ref',
    indexes=[
        {'columns': ['child_ref'], 'unique': true},
        {'columns': ['parent_ref']},
        {'columns': ['build_id']},
    ],
) }}

-- One row per id that belongs to a user: an anonymous id to the first user seen with it, an aliased id
-- to the first user it was aliased to. First wins, so that the links known at an earlier instant are
-- simply those with an earlier `linked_at`.
with events as not materialized (

    select * from {{ ref('int_events_admitted') }} as events
    where events.user_id is not null and {{ is_new_or_reopened('events') }}

),

-- many events, few pairs
pairs as (

    select
        events.anonymous_id,
        events.user_id,
        min(events.occurred_at) as linked_at
    from events
    where events.anonymous_id is not null
    group by events.anonymous_id, events.user_id

),

claims as (

    select
        'a:' || pairs.anonymous_id as child_ref,
        'u:' || pairs.user_id as parent_ref,
        pairs.linked_at
    from pairs
    union all
    -- an alias does not say whether the previous id was anonymous
    select
        kinds.kind || events.previous_id as child_ref,
        'u:' || events.user_id as parent_ref,
        events.occurred_at as linked_at
    from events
    cross join (values ('a:'), ('u:')) as kinds (kind)
    where events.event_name = 'alias' and events.previous_id <> events.user_id

),

first_claims as (

    select distinct on (claims.child_ref)
        claims.child_ref,
        claims.parent_ref,
        claims.linked_at
    from claims
    order by claims.child_ref, claims.linked_at, claims.parent_ref collate "C"

),

{% if is_incremental() %}
known as (

    select
        known.child_ref,
        known.parent_ref,
        known.linked_at,
        case when {{ is_new('known') }} then known.displaced_refs else '{}'::text[] end
            as displaced_refs
    from {{ this }} as known

),

compared as (

    select
        first_claims.child_ref,
        first_claims.parent_ref,
        first_claims.linked_at,
        known.parent_ref as known_parent_ref,
        coalesce(known.displaced_refs, '{}'::text[]) as displaced_refs,
        coalesce(
            (known.linked_at, known.parent_ref collate "C")
            <= (first_claims.linked_at, first_claims.parent_ref collate "C"),
            false
        ) as is_known_earlier
    from first_claims
    left join known on first_claims.child_ref = known.child_ref

),

links as (

    select
        compared.child_ref,
        compared.parent_ref,
        compared.linked_at,
        -- whom this id belonged to until now has to be built anew, too
        array_remove(compared.displaced_refs || compared.known_parent_ref, null) as displaced_refs,
        {{ var('build_id') }}::bigint as build_id
    from compared
    where not compared.is_known_earlier

)
{% else %}
links as (

    select
        first_claims.child_ref,
        first_claims.parent_ref,
        first_claims.linked_at,
        '{}'::text[] as displaced_refs,
        {{ var('build_id') }}::bigint as build_id
    from first_claims

)
{% endif %}

select * from links
