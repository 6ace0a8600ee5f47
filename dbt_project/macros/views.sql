{# A view that is replaced in place, not dropped and made anew: what others built on it stays. #}
{% materialization standing_view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if existing is not none and (existing.is_table or should_full_refresh() or var('keep_built')) %}
    {{ adapter.drop_relation(existing) }}
    {% endif %}
    {% call statement('main') -%}
    {% if config.get('contract').enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
    create or replace view {{ target }} as (
        {{ sql }}
    )
    {%- endcall %}
    {% do persist_docs(target, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
