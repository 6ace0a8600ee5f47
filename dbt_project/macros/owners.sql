{# Pre-hooks: where a sign-in came late, known events move to the user who had signed in before them. #}

{# int_events_admitted: of the devices that this build made anew. Moved events are new once more. #}
{% macro move_to_owners() -%}
    {% if is_incremental() %}
    {% set device_users = ref('int_device_users') %}
    update {{ this }} as kept
    set
        ref = owned.ref,
        displaced_refs = case
            when {{ is_new('kept') }} then kept.displaced_refs else '[]'::jsonb
        end || to_jsonb(kept.ref),
        build_id = {{ var('build_id') }}
    from (
        select
            events.message_id,
            {{ owner('events', 'sign_ins') }} as ref
        from {{ this }} as events
        {{ last_sign_in('events', device_users) }}
        where
            events.user_id is null
            and events.anonymous_id in (
                select device_users.anonymous_id
                from {{ device_users }} as device_users
                where {{ is_new('device_users') }}
            )
    ) as owned
    where kept.message_id = owned.message_id and kept.ref <> owned.ref
    {% endif %}
{%- endmacro %}

{# A table with a row per event, for the events that moved. #}
{% macro follow_their_owners(with_build_id=false) -%}
    {% if is_incremental() %}
    {% set events = ref('int_events_admitted') %}
    update {{ this }} as kept
    set
        ref = events.ref
        {%- if with_build_id %}, build_id = events.build_id{% endif %}
    from {{ events }} as events
    where
        {{ is_new('events') }}
        and kept.message_id = events.message_id
        and kept.ref <> events.ref
    {% endif %}
{%- endmacro %}

{# Of an event without a user: the turn on its device that it falls in. #}
{% macro last_sign_in(events, device_users) -%}
    left join lateral (
        select device_users.user_id
        from {{ device_users }} as device_users
        where
            {{ events }}.user_id is null
            and device_users.anonymous_id = {{ events }}.anonymous_id
            and device_users.signed_in_at <= {{ events }}.occurred_at
        order by device_users.signed_in_at desc, device_users.user_id collate "C" desc
        limit 1
    ) as sign_ins on true
{%- endmacro %}

{% macro owner(events, sign_ins) -%}
    coalesce(
        'u:' || {{ events }}.user_id,
        'u:' || {{ sign_ins }}.user_id,
        'a:' || {{ events }}.anonymous_id
    )
{%- endmacro %}

{# The sign-ins of the devices that somebody signed in on now: the new ones, and those that earlier builds
   took in, device by device. Not by ref(): the events come after their devices. #}
{% macro sign_ins() -%}
    select distinct
        events.anonymous_id,
        events.user_id,
        events.occurred_at
    from {{ ref('int_events_of_people') }} as events
    where
        events.anonymous_id is not null
        and events.user_id is not null
    {%- if is_incremental() %}
    union
    select
        known.anonymous_id,
        known.user_id,
        known.occurred_at
    from {{ signed_in_devices() }} as devices
    cross join lateral (
        select
            events.anonymous_id,
            events.user_id,
            events.occurred_at
        from {{ intermediate('int_events_admitted') }} as events
        where events.anonymous_id = devices.anonymous_id and events.user_id is not null
        offset 0  -- noqa: AM09
    ) as known
    {%- endif %}
{%- endmacro %}

{# All devices, if somebody was erased who may have shared one. #}
{% macro signed_in_devices() -%}
    (
        {% if var('is_anybody_erased') -%}
        select devices.anonymous_id
        from {{ intermediate('int_events_admitted') }} as devices
        where devices.user_id is not null and devices.anonymous_id is not null
        union
        {% endif -%}
        select distinct events.anonymous_id
        from {{ ref('int_events_of_people') }} as events
        where
            events.anonymous_id is not null
            and events.user_id is not null
    )
{%- endmacro %}

{% macro forget_signed_in_devices() -%}
    {% if is_incremental() %}
    {%- if var('is_anybody_erased') %}
    delete from {{ this }}
    {%- else %}
    delete from {{ this }} where anonymous_id in {{ signed_in_devices() }}
    {%- endif %}
    {% endif %}
{%- endmacro %}
