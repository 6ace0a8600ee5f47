{# The refs of the snapshots that this run computes, with their customers of then. #}
{% macro identities_in_scope() -%}
    select identities.*
    from {{ ref('int_identities_as_of') }} as identities
    {% set scope = ref('int_snapshot_scope') -%}
    {% if is_incremental() -%}
    inner join {{ scope }} as scope
        on identities.as_of = scope.as_of and identities.ref = scope.ref
    {%- endif %}
{%- endmacro %}

{# Elapsed days between two instants, with their fraction. #}
{% macro days_between(earlier, later) -%}
    (extract(epoch from {{ later }} - {{ earlier }}) / 86400)
{%- endmacro %}

{# The days [as_of - days, as_of) of an instant that lies before as_of. #}
{% macro within(instant, as_of, days) -%}
    {{ instant }} >= {{ as_of }} - interval '{{ days * 24 }} hours'
{%- endmacro %}

{# A label may change until 30 days after its snapshot: by new events, and by the mere passing of time. #}
{% macro is_label_open(as_of, customer_id) -%}
    (
        exists (
            select 1
            from {{ ref('int_snapshot_scope') }} as scope
            where scope.as_of = {{ as_of }} and scope.customer_id = {{ customer_id }}
        )
        or exists (
            select 1
            from {{ ref('int_touched_refs') }} as touched
            where
                touched.build_id = {{ var('build_id') }}
                and touched.customer_id = {{ customer_id }}
                and touched.changed_from < {{ as_of }} + interval '720 hours'
        )
        or (
            {{ built_through() }} > {{ previously_built_through() }}
            and {{ as_of }} + interval '720 hours' > {{ previously_built_through() }}
        )
    )
{%- endmacro %}

{% macro forget_labels() -%}
    {% set is_open = is_label_open('kept.as_of', 'kept.customer_id') %}
    {% if is_incremental() %}delete from {{ this }} as kept where {{ is_open }}{% endif %}
{%- endmacro %}
