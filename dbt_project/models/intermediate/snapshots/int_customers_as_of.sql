{{ config(
    pre_hook="{{ forget_scope('customer_id') }}",
    indexes=[{'columns': ['as_of', 'customer_id'], 'unique': true}],
) }}

-- One row per snapshot and customer seen before it: since when, on how many devices, and whether the
-- customer could be profiled then.
with identities as (

    {{ identities_in_scope() }}

),

decisions as (

    select * from {{ ref('int_consent_decisions') }}

),

decided as (

    select
        identities.as_of,
        identities.customer_id,
        identities.root_ref,
        newest.decided_at,
        newest.allows_profiling
    from identities
    left join lateral (
        select
            decisions.decided_at,
            decisions.allows_profiling
        from decisions
        where decisions.ref = identities.ref and decisions.decided_at < identities.as_of
        order by decisions.decided_at desc, decisions.allows_profiling asc
        limit 1
    ) as newest on true

),

newest_decisions as (

    select distinct on (decided.as_of, decided.customer_id)
        decided.as_of,
        decided.customer_id,
        decided.root_ref,
        decided.allows_profiling
    from decided
    order by
        decided.as_of asc,
        decided.customer_id asc,
        decided.decided_at desc nulls last,
        decided.allows_profiling asc

),

seen as (

    select
        identities.as_of,
        identities.customer_id,
        min(identities.first_seen_at) as first_seen_at,
        count(*) filter (where identities.ref like 'a:%') as device_count
    from identities
    group by identities.as_of, identities.customer_id

),

customers as (

    select
        newest_decisions.as_of,
        newest_decisions.customer_id,
        newest_decisions.root_ref,
        {{ is_profilable('newest_decisions.allows_profiling') }} as is_profilable,
        seen.first_seen_at,
        seen.device_count
    from newest_decisions
    inner join seen
        on
            newest_decisions.as_of = seen.as_of
            and newest_decisions.customer_id = seen.customer_id

)

select * from customers
