{# What a data test looks at, by its `where`: in an increment only what the build made anew, for the rest has
   passed before; in a full refresh, and by `dbt test`, everything. Not by ref(): what is tested was built from it. #}
{% macro get_where_subquery(relation) -%}
    {% set made_anew = {
        'touched customers': 'customer_id in (
            select touched.customer_id from intermediate.int_touched_refs as touched
            where touched.build_id = ' ~ var('build_id') ~ '
        )',
        'touched orders': 'order_id in (
            select touched.order_id from intermediate.int_touched_orders as touched
            where touched.build_id > ' ~ var('last_build_id') ~ '
        )',
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
