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

{# A day is 24 hours, whatever the session's time zone. #}
{% macro days_before(instant, days) -%}
    {{ instant }} - interval '{{ days * 24 }} hours'
{%- endmacro %}

{% macro days_after(instant, days) -%}
    {{ instant }} + interval '{{ days * 24 }} hours'
{%- endmacro %}
