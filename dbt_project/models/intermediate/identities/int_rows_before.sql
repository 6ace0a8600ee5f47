{{ config(
    pre_hook="{{ forget_finished() }}",
    indexes=[{'columns': ['customer_id']}, {'columns': ['row_id']}],
) }}

-- One row per session, order, id, owner of events and customer that this build makes anew, as the last
-- finished build left it: what the report of the build compares with. A build after one that failed keeps what that one found.
{% set sessions = mart('fct_sessions') %}
{% set orders = mart('fct_orders') %}
{% set identities = mart('customer_identities') %}
{% set spans = intermediate('int_identity_spans') %}
{% set touched = ref('int_touched_refs') %}
{% set touched_ids = touched_ids() %}
{% if is_incremental() %}
with touched as (

    select
        touched.ref,
        touched.customer_id
    from {{ touched }} as touched
    where
        touched.build_id = {{ var('build_id') }}
        and not exists (
            select 1
            from {{ this }} as known
            where known.kind = 'customer' and known.customer_id = touched.customer_id
        )

),

rows_before as (

    select
        'customer' as kind,
        touched.ref as row_id,
        touched.customer_id,
        null::timestamptz as started_at,
        null::timestamptz as ended_at,
        '' as fingerprint,
        {{ var('build_id') }}::bigint as build_id
    from touched
    union all
    select
        'identity' as kind,
        identities.ref as row_id,
        identities.customer_id,
        null as started_at,
        null as ended_at,
        '' as fingerprint,
        {{ var('build_id') }}::bigint as build_id
    from {{ identities }} as identities
    where
        identities.ref in {{ touched_ids }}
        and not exists (
            select 1
            from {{ this }} as known
            where known.kind = 'identity' and known.row_id = identities.ref
        )
    union all
    select
        'owner' as kind,
        spans.ref as row_id,
        spans.customer_id,
        null as started_at,
        null as ended_at,
        '' as fingerprint,
        {{ var('build_id') }}::bigint as build_id
    from {{ spans }} as spans
    where
        spans.known_until = 'infinity'
        and spans.ref in {{ touched_refs() }}
        and not exists (
            select 1
            from {{ this }} as known
            where known.kind = 'owner' and known.row_id = spans.ref
        )
    union all
    select
        'session' as kind,
        sessions.session_id as row_id,
        sessions.customer_id,
        sessions.started_at,
        sessions.ended_at,
        md5(sessions::text) as fingerprint,
        {{ var('build_id') }}::bigint as build_id
    from {{ sessions }} as sessions
    where sessions.customer_id in (select touched.customer_id from touched)
    union all
    select
        'order' as kind,
        orders.order_id as row_id,
        orders.customer_id,
        null as started_at,
        null as ended_at,
        md5(orders::text) as fingerprint,
        {{ var('build_id') }}::bigint as build_id
    from {{ orders }} as orders
    where orders.customer_id in (select touched.customer_id from touched)

)
{% else %}
with rows_before as (

    select
        null::text as kind,
        null::text as row_id,
        null::text as customer_id,
        null::timestamptz as started_at,
        null::timestamptz as ended_at,
        null::text as fingerprint,
        null::bigint as build_id
    where false

)
{% endif %}

select * from rows_before
