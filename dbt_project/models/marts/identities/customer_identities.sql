{{ config(
    pre_hook="{{ forget_touched_refs() }}",
    indexes=[{'columns': ['customer_id']}, {'columns': ['external_id']}],
) }}

-- One row per user id or anonymous id, with the customer it belongs to now.
with spans as (

    select * from {{ ref('int_identity_spans') }}

),

links as (

    select * from {{ ref('int_identity_links') }}

),

identities as (

    select
        spans.ref,
        case when spans.ref like 'u:%' then 'user' else 'anonymous' end as id_kind,
        substr(spans.ref, 3) as external_id,
        spans.customer_id,
        links.linked_at
    from spans
    left join links on spans.ref = links.child_ref
    where
        spans.known_until = 'infinity'
        {% if is_incremental() %}
        and spans.ref in {{ touched_refs() }}
        {% endif %}

)

select * from identities
