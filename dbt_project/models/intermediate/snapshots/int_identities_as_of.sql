{{ config(
    pre_hook="{{ forget_scope('ref') }}",
    indexes=[
        {'columns': ['as_of', 'ref'], 'unique': true},
        {'columns': ['ref']},
    ],
) }}

-- One row per snapshot and ref seen before it, with the customer that it belonged to as far as was known
-- then: a link that came later does not count.
with snapshots as (

    select * from {{ source('ops', 'snapshots') }} as snapshots
    where snapshots.as_of <= {{ built_through() }}

),

refs as (

    select * from {{ ref('int_identity_refs') }}

),

spans as (

    select * from {{ ref('int_identity_spans') }}

),

scope as (

    select * from {{ ref('int_snapshot_scope') }}

),

identities as (

    select
        snapshots.as_of,
        refs.ref,
        spans.root_ref,
        spans.customer_id,
        refs.first_seen_at
    from snapshots
    inner join refs on snapshots.as_of > refs.first_seen_at
    inner join spans
        on
            refs.ref = spans.ref
            and snapshots.as_of > spans.known_after
            and snapshots.as_of <= spans.known_until
    {% if is_incremental() %}
    inner join scope on snapshots.as_of = scope.as_of and refs.ref = scope.ref
    {% endif %}

)

select * from identities
