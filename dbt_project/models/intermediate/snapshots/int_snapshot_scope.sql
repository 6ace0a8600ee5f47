{{ config(
    pre_hook="{{ forget_everything() }}",
    post_hook="analyze {{ this }}",
    indexes=[
        {'columns': ['as_of', 'ref'], 'unique': true},
        {'columns': ['as_of', 'customer_id']},
    ],
) }}

-- One row per snapshot and ref that this run computes: every ref of a new snapshot; of an older one the
-- touched refs, if they changed before its as_of. `customer_id` is the ref's own, not its root's.
with snapshots as (

    select * from {{ source('ops', 'snapshots') }} as snapshots
    where snapshots.as_of <= {{ built_through() }}

),

refs as (

    select * from {{ ref('int_identity_refs') }}

),

touched as (

    select * from {{ ref('int_touched_refs') }} as touched
    where touched.build_id = {{ var('build_id') }}

),

scope as (

    select
        snapshots.as_of,
        refs.ref,
        {{ customer_id('refs.ref') }} as customer_id
    from snapshots
    inner join refs on snapshots.as_of > refs.first_seen_at
    {% if is_incremental() %}
    where snapshots.build_id is null
    union
    select
        snapshots.as_of,
        touched.ref,
        touched.customer_id
    from snapshots
    inner join touched on snapshots.as_of > touched.changed_from
    {% endif %}

)

select * from scope
