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

{# The windows of the features, in days before as_of. #}
{% macro window_days() -%}
    {{ return([1, 7, 30, 90]) }}
{%- endmacro %}

{# Every instant at which a window of a snapshot of this run begins or ends, as one ordered array. #}
{% macro window_edges(scope) -%}
    select array_agg(distinct edges.instant order by edges.instant) as instants
    from (select distinct scope.as_of from {{ scope }} as scope) as snapshots
    cross join
        lateral unnest(
            array[
                snapshots.as_of
                {%- for days in window_days() %}, {{ days_before('snapshots.as_of', days) }}{% endfor %}
            ]
        ) as edges (instant)
{%- endmacro %}

{# The newest edge at or before an instant. What has the same lies in the same windows. #}
{% macro edge_before(instant, edges='edges') -%}
    {{ edges }}.instants[width_bucket({{ instant }}, {{ edges }}.instants)]
{%- endmacro %}

{# From when until when the snapshots of this run read of a ref. #}
{% macro ranges_of_refs(scope) -%}
    select
        scope.ref,
        {{ days_before('min(scope.as_of)', 90) }} as since,
        max(scope.as_of) as until
    from {{ scope }} as scope
    group by scope.ref
{%- endmacro %}

{# What something is worth after so many days, in millionths of millionths: half after each 30. Whole numbers,
   so that the sum is the same in any order. #}
{% macro decayed(days) -%}
    (1000000000000 * power(0.5::double precision, ({{ days }}) / 30.0::double precision))::bigint
{%- endmacro %}

{# One feature in several windows; 0 for a customer whom the relation does not hold. #}
{% macro counted(relation, name, windows) -%}
    {% for days in windows -%}
    coalesce({{ relation }}.{{ name }}_{{ days }}d, 0)::double precision as {{ name }}_{{ days }}d,
    {% endfor %}
{%- endmacro %}

{# Exact until the last step, so that it is the same however the parts were added up. #}
{% macro ratio(part, whole) -%}
    ({{ part }} / {{ whole }})::double precision
{%- endmacro %}

{% macro days_since(instant) -%}
    {{ days_between(instant, 'customers.as_of') }}::double precision
{%- endmacro %}
