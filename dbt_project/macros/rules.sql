{# What a data test looks at, by its `where`: in an increment only what the build made anew, for the rest has
   passed before; in a full refresh, and by `dbt test`, everything. Not by ref(): what is tested was built from it. #}
{% macro get_where_subquery(relation) -%}
    {% set touched_customers = 'customer_id = any(array(
            select touched.customer_id from intermediate.int_touched_refs as touched
            where touched.build_id = ' ~ var('build_id') ~ '
        ))' %}
    {% set made_anew = {
        'touched customers': touched_customers,
        'touched customers and new snapshots': touched_customers ~ ' or as_of = any(array(
            select snapshots.as_of from ops.snapshots where snapshots.build_id is null
        ))',
        'touched orders': 'order_id = any(array(
            select touched.order_id from intermediate.int_touched_orders as touched
            where touched.build_id > ' ~ var('last_build_id') ~ '
        ))',
        'new rows': 'build_id > ' ~ var('last_build_id'),
    } %}
    {% set where = config.get('where') %}
    {% if where and where not in made_anew %}
        {% do exceptions.raise_compiler_error('where: ' ~ where ~ ' is not in macros/rules.sql') %}
    {% endif %}
    {% if where and flags.WHICH == 'build' and not flags.FULL_REFRESH %}
        {% do return('(select * from ' ~ relation ~ ' where ' ~ made_anew[where] ~ ') as made_anew') %}
    {% endif %}
    {% do return(relation) %}
{%- endmacro %}
