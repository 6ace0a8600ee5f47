{{ config(
    pre_hook="{{ forget_touched_ids() }}",
    indexes=[{'columns': ['ref']}, {'columns': ['customer_id']}, {'columns': ['external_id']}],
) }}

-- One row per id, turn of a user on it, and span in which the turn's customer was known: what occurred at t
-- with from_at <= t < until_at belonged, as far as was known at T, to the customer of the row with
-- known_after < T <= known_until.
with spans as not materialized (

    select * from {{ ref('int_identity_spans') }}

),

device_users as (

    select * from {{ ref('int_device_users') }}

),

ids as (

    select
        spans.ref,
        spans.ref like 'a:%' as is_anonymous
    from spans
    where
        spans.known_until = 'infinity'
        {% if is_incremental() %}
        and spans.ref in {{ touched_ids() }}
        {% endif %}

),

-- before anybody signed in an anonymous id is itself, and joined to its first user later
turns as (

    select
        ids.ref,
        ids.ref as owner_ref,
        '-infinity'::timestamptz as from_at
    from ids
    union all
    select
        ids.ref,
        'u:' || device_users.user_id as owner_ref,
        device_users.signed_in_at as from_at
    from ids
    inner join device_users on substr(ids.ref, 3) = device_users.anonymous_id
    where ids.is_anonymous

),

bounded as (

    select
        turns.ref,
        turns.owner_ref,
        turns.from_at,
        lead(turns.from_at, 1, 'infinity') over (
            partition by turns.ref order by turns.from_at, turns.owner_ref collate "C"
        ) as until_at
    from turns

),

history as (

    select
        bounded.ref,
        substr(bounded.ref, 3) as external_id,
        bounded.from_at,
        bounded.until_at,
        spans.customer_id,
        greatest(spans.known_after, bounded.from_at) as known_after,
        spans.known_until
    from bounded
    inner join spans on bounded.owner_ref = spans.ref
    where
        bounded.from_at < bounded.until_at
        and spans.known_until > bounded.from_at

)

select * from history
