{# What this run may know, and what it has to do again. footfall/warehouse/build.py decides. #}

{% macro built_through() -%}
    '{{ var("built_through") }}'::timestamptz
{%- endmacro %}

{% macro previously_built_through() -%}
    '{{ var("previously_built_through") }}'::timestamptz
{%- endmacro %}

{# Of a stored event: whether the gate cleared its load, and this run may know it. #}
{% macro is_cleared(alias) -%}
    {{ alias }}.occurred_at < {{ built_through() }}
    and {{ alias }}.load_id in (
        select build_loads.load_id
        from {{ source('ops', 'build_loads') }} as build_loads
        inner join {{ source('ops', 'builds') }} as builds
            on build_loads.build_id = builds.build_id
        where builds.finished_at is not null or builds.build_id = {{ var('build_id') }}
    )
{%- endmacro %}

{# What no finished build has taken in or made. A build that failed is repeated by the next. #}
{% macro is_new(alias) -%}
    {{ alias }}.build_id > {{ var("last_build_id") }}
{%- endmacro %}

{# Of an event that this build takes in: whether the table lacks it. A build that did not finish may have put it
   there. #}
{% macro is_unknown(events) -%}
    not exists (
        select 1
        from {{ this }} as known
        where known.message_id = {{ events }}.message_id
    )
{%- endmacro %}

{# All events again, if somebody was erased who may have shared an id with others. #}
{% macro is_new_or_reopened(alias) -%}
    {% if is_incremental() and not var("is_anybody_erased") -%}
    {{ is_new(alias) }}
    {%- else -%}
    true
    {%- endif %}
{%- endmacro %}

{# The refs whose customers this build makes anew; none in a run of the snapshots alone. #}
{% macro touched_refs() -%}
    (
        select touched.ref
        from {{ ref('int_touched_refs') }} as touched
        where touched.build_id = {{ var("build_id") }}
    )
{%- endmacro %}

{# A table's rows of these refs, ref by ref, by its index: a merge with the index would walk it as far as the last of
   the refs. #}
{% macro rows_of_touched_refs(relation) -%}
    select looked_up.*
    from {{ ref('int_touched_refs') }} as touched
    cross join
        lateral (
            select * from {{ relation }} as kept
            where kept.ref = touched.ref
            offset 0  -- noqa: AM09
        ) as looked_up
    where touched.build_id = {{ var("build_id") }}
{%- endmacro %}

{# The ids whose customers this build makes anew: a device that a touched user shares, too. #}
{% macro touched_ids() -%}
    {% set device_users = ref('int_device_users') -%}
    (
        select touched.ref
        from {{ ref('int_touched_refs') }} as touched
        where touched.build_id = {{ var("build_id") }}
        union
        select 'a:' || device_users.anonymous_id
        from {{ ref('int_touched_refs') }} as touched
        inner join {{ device_users }} as device_users
            on substr(touched.ref, 3) = device_users.user_id
        where touched.build_id = {{ var("build_id") }} and touched.ref like 'u:%'
    )
{%- endmacro %}

{# A customer_id is the hash of a ref, so that those of the touched refs cover every customer there was. #}
{% macro touched_customers() -%}
    (
        select touched.customer_id
        from {{ ref('int_touched_refs') }} as touched
        where touched.build_id = {{ var("build_id") }}
    )
{%- endmacro %}

{% macro touched_orders() -%}
    (
        select touched.order_id
        from {{ ref('int_touched_orders') }} as touched
        where {{ is_new('touched') }}
    )
{%- endmacro %}

{# The next delta of what is published looks at these customers: to be noted in the transaction that makes them
   anew, or in one before it. A full refresh notes nobody: it concerns everybody. #}
{% macro note_touched_customers() -%}
    {% set changed_customers = source('ops', 'changed_customers') %}
    {% if is_incremental() %}
    insert into {{ changed_customers }} (build_id, customer_id)
    select distinct
        touched.build_id,
        touched.customer_id
    from {{ this }} as touched
    on conflict do nothing
    {% endif %}
{%- endmacro %}

{# Fence: a transaction of this build and the start of a newer one exclude each other. #}
{% macro refuse_if_overtaken() -%}
    {% if execute and flags.WHICH in ('build', 'run') and 'monitor' not in model.tags -%}
    do $$
    begin
        perform pg_advisory_xact_lock_shared(hashtextextended('footfall.build', 0));
        if exists (select 1 from ops.builds where build_id > {{ var("build_id") }}) then
            raise exception 'build {{ var("build_id") }} was overtaken by a newer one';
        end if;
    end
    $$
    {%- endif %}
{%- endmacro %}
