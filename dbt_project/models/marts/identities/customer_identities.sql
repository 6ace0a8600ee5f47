{{ config(
    pre_hook=["{{ remember_rows() }}", "{{ forget_touched_ids() }}"],
    indexes=[{'columns': ['customer_id']}, {'columns': ['external_id']}],
) }}

-- One row per user id or anonymous id, with the customer it belongs to now: a shared device to the last
-- user who signed in there.
with spans as not materialized (

    select * from {{ ref('int_identity_spans') }} as spans
    where spans.known_until = 'infinity'

),

links as (

    select * from {{ ref('int_identity_links') }}

),

device_users as (

    select * from {{ ref('int_device_users') }}

),

owned as (

    select
        spans.ref,
        spans.customer_id,
        coalesce(turns.signed_in_at, links.linked_at) as linked_at,
        coalesce('u:' || turns.user_id, spans.ref) as owner_ref
    from spans
    left join links on spans.ref = links.child_ref
    left join lateral (
        select
            device_users.user_id,
            device_users.signed_in_at
        from device_users
        where device_users.anonymous_id = substr(spans.ref, 3) and spans.ref like 'a:%'
        order by device_users.signed_in_at desc, device_users.user_id collate "C" desc
        limit 1
    ) as turns on true
    {% if is_incremental() %}
    where spans.ref in {{ touched_ids() }}
    {% endif %}

),

identities as (

    select
        owned.ref,
        case when owned.ref like 'u:%' then 'user' else 'anonymous' end as id_kind,
        substr(owned.ref, 3) as external_id,
        owners.customer_id,
        owned.linked_at
    from owned
    inner join spans as owners on owned.owner_ref = owners.ref

)

select * from identities
