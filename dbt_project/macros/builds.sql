{# What this run may know, and what it has to do again. #}

{% macro built_through() -%}
    '{{ var("built_through") }}'::timestamptz
{%- endmacro %}

{% macro last_finished_build() -%}
    (
        select coalesce(max(builds.build_id), 0)
        from {{ source('ops', 'builds') }} as builds
        where builds.finished_at is not null
    )
{%- endmacro %}

{% macro previously_built_through() -%}
    (
        select builds.built_through
        from {{ source('ops', 'builds') }} as builds
        where builds.build_id = {{ last_finished_build() }}
    )
{%- endmacro %}

{# True if somebody was erased since the last finished build began: what was shared with them is open again. #}
{% macro erased_since_last_build() -%}
    exists (
        select 1
        from {{ source('privacy', 'erasures') }} as erasures
        cross join {{ source('ops', 'builds') }} as builds
        where
            builds.build_id = {{ last_finished_build() }}
            and erasures.erased_at >= builds.started_at
    )
{%- endmacro %}

{# The events that no finished build has taken in. A build that failed is repeated by the next. #}
{% macro is_new(alias) -%}
    {{ alias }}.build_id > {{ last_finished_build() }}
{%- endmacro %}

{# All events again, if somebody was erased who may have shared an id with others. #}
{% macro is_new_or_reopened(alias) -%}
    {% set erased, last = erased_since_last_build(), last_finished_build() -%}
    {% if is_incremental() -%}
    {{ alias }}.build_id > (select case when {{ erased }} then -1 else {{ last }} end)
    {%- else -%}
    true
    {%- endif %}
{%- endmacro %}

{# The refs whose customers this build makes anew; none in a run of the snapshots alone. #}
{% macro touched_refs() -%}
    (
        select touched.ref
        from {{ ref('int_touched_refs') }} as touched
        where touched.build_id = {{ var('build_id') }}
    )
{%- endmacro %}

{# A customer_id is the hash of a ref, so that those of the touched refs cover every customer there was. #}
{% macro touched_customers() -%}
    (
        select touched.customer_id
        from {{ ref('int_touched_refs') }} as touched
        where touched.build_id = {{ var('build_id') }}
    )
{%- endmacro %}

{% macro touched_orders() -%}
    (
        select touched.order_id
        from {{ ref('int_order_events') }} as touched
        where {{ is_new('touched') }}
    )
{%- endmacro %}

{# Fence: a transaction of this build and the start of a newer one exclude each other. #}
{% macro refuse_if_overtaken() -%}
    {% if execute and flags.WHICH in ('build', 'run') -%}
    do $$
    begin
        perform pg_advisory_xact_lock_shared(hashtextextended('footfall.build', 0));
        if exists (select 1 from ops.builds where build_id > {{ var('build_id') }}) then
            raise exception 'build {{ var("build_id") }} was overtaken by a newer one';
        end if;
    end
    $$
    {%- endif %}
{%- endmacro %}
