{{ config(
    pre_hook=["{{ remember_rows() }}", "{{ forget_touched_refs() }}"],
    indexes=[
        {'columns': ['ref', 'known_after'], 'unique': true},
        {'columns': ['root_ref']},
    ],
) }}

-- One row per ref and span of instants in which it belongs to one customer: at T the row with
-- known_after < T <= known_until. Walks up the links; a link counts for the instants after `linked_at`.
with recursive links as not materialized (

    select * from {{ ref('int_identity_links') }}

),

refs as (

    select refs.ref from {{ ref('int_identity_refs') }} as refs
    {% if is_incremental() %}
    where refs.ref in {{ touched_refs() }}
    {% endif %}
    union
    -- an id that only an alias names, and that is no user's
    select links.child_ref
    from links
    where
        links.child_ref like 'a:%'
        and not exists (
            select 1
            from {{ ref('int_identity_refs') }} as user_refs
            where user_refs.ref = 'u:' || substr(links.child_ref, 3)
        )
        {% if is_incremental() %}
        and links.child_ref in {{ touched_refs() }}
        {% endif %}

),

walk as (

    select
        refs.ref,
        refs.ref as node,
        array[refs.ref] as trail,
        '-infinity'::timestamptz as known_after,
        false as is_closed
    from refs
    union all
    select
        walk.ref,
        links.parent_ref as node,
        walk.trail || links.parent_ref as trail,
        greatest(walk.known_after, links.linked_at) as known_after,
        links.parent_ref = any(walk.trail) as is_closed
    from walk
    inner join links on walk.node = links.child_ref
    where not walk.is_closed

),

-- aliases may run in a circle; its members are one customer, named by the least of them
rooted as (

    select
        walk.ref,
        cardinality(walk.trail) as steps,
        walk.known_after,
        case
            when walk.is_closed
                then (
                    select min(members.ref collate "C")
                    from unnest(walk.trail[array_position(walk.trail, walk.node):]) as members (ref)
                )
            else walk.node
        end as root_ref
    from walk

),

spans as (

    select
        rooted.ref,
        rooted.root_ref,
        rooted.known_after,
        lead(rooted.known_after, 1, 'infinity') over (
            partition by rooted.ref order by rooted.steps
        ) as known_until
    from rooted

),

identity_spans as (

    select
        spans.ref,
        -- of the collation that the indexes of refs are of: no index serves a comparison in another
        spans.root_ref collate "default" as root_ref,
        {{ customer_id('spans.root_ref') }} as customer_id,
        spans.known_after,
        spans.known_until
    from spans
    where spans.known_after < spans.known_until

)

select * from identity_spans
