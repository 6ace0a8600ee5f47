{# The rules of dbt_project/segments, compiled to SQL. footfall/warehouse/segment_rules.py says what a rule may hold;
   `footfall build` passes all versions of all rules as the variable `segment_rules`. #}

{# Pre-hook: the stays of touched customers, and those of rules that a build which failed began to evaluate. #}
{% macro forget_evaluated_stays() -%}
    {% set touched = touched_customers() %}
    {% if is_incremental() %}
    delete from {{ this }} where customer_id in {{ touched }}
    {%- for rule in var('segment_rules') if rule.is_new %};
    delete from {{ this }} where segment = '{{ rule.name }}' and rule_version = {{ rule.version }}
    {%- endfor %}
    {% endif %}
{%- endmacro %}

{# A new rule is evaluated for everybody, a known one for touched customers. #}
{% macro is_a_rule_new() -%}
    {{ return(var('segment_rules') | selectattr('is_new') | list | length > 0) }}
{%- endmacro %}

{# What every condition of every rule counts: from one instant to before another an amount, of a customer and, with
   `per`, of a category. Conditions and customers have numbers: much is sorted by them. #}
{% macro contributions() -%}
    {% set ns = namespace(condition=0) %}
    {% for rule in var('segment_rules') %}
    {% for condition in rule.when %}
    {% set ns.condition = ns.condition + 1 %}
    -- {{ rule.name }} version {{ rule.version }}, condition {{ loop.index }}
    select
        {{ ns.condition }} as condition,
        counted.customer_number,
        counted.category,
        counted.from_at,
        counted.until_at,
        counted.amount
    from (
        {% if condition.measure == 'events' %}{{ counted_events(condition, rule) }}
        {% elif condition.measure == 'value' %}{{ counted_value(condition, rule) }}
        {% elif condition.measure == 'cart_value' %}{{ counted_cart(condition, rule) }}
        {% else %}{{ counted_once(condition, rule) }}
        {% endif %}
    ) as counted
    union all
    {% endfor %}
    {% endfor %}
    select
        null::integer as condition,
        null::bigint as customer_number,
        null::text as category,
        null::timestamptz as from_at,
        null::timestamptz as until_at,
        null::numeric as amount
    where false
{%- endmacro %}

{# The conditions' comparisons, as rows, with the number of those that somebody has to do something for. #}
{% macro comparisons() -%}
    {% set ns = namespace(condition=0) %}
    {% for rule in var('segment_rules') %}
    {% set rule_number = loop.index %}
    {% for condition in rule.when %}
    {% set ns.condition = ns.condition + 1 %}
    select
        {{ ns.condition }} as condition,
        {{ rule_number }} as rule,
        '{{ rule.name }}' as segment,
        {{ rule.version }} as rule_version,
        '{{ condition.comparison }}' as comparison,
        {{ condition.bound }}::numeric as bound,
        {{ rule.when | rejectattr('comparison', 'in', ['none', 'fewer_than']) | list | length }}
            as turn_count
    union all
    {% endfor %}
    {% endfor %}
    select
        null::integer as condition,
        null::integer as rule,
        null::text as segment,
        null::integer as rule_version,
        null::text as comparison,
        null::numeric as bound,
        null::integer as turn_count
    where false
{%- endmacro %}

{# Whether a condition holds of a measure. #}
{% macro holds(conditions, measure) -%}
    case {{ conditions }}.comparison
        when 'at_least' then {{ measure }} >= {{ conditions }}.bound
        when 'more_than' then {{ measure }} > {{ conditions }}.bound
        when 'fewer_than' then {{ measure }} < {{ conditions }}.bound
        else {{ measure }} <= 0
    end
{%- endmacro %}

{# Events of these kinds, each once from when it occurred. An order counts as it was placed, however often it was
   sent; with `per`, once in each category of its lines. #}
{% macro counted_events(condition, rule) -%}
    {% if event_kinds(condition) %}
    select
        events.customer_number,
        {{ group_of('events', rule) }} as category,
        events.occurred_at as from_at,
        {{ end_of('events.occurred_at', condition) }} as until_at,
        1::numeric as amount
    from events
    where {{ is_of('events', condition) }} {{ in_group('events', rule) }}
    {% endif %}
    {% if event_kinds(condition) and is_of_orders(condition) %}union all{% endif %}
    {% if is_of_orders(condition) %}
    {% if rule.per %}
    select
        order_lines.customer_number,
        order_lines.category,
        order_lines.ordered_at as from_at,
        {{ end_of('order_lines.ordered_at', condition) }} as until_at,
        count(distinct order_lines.order_id)::numeric as amount
    from order_lines
    where true {{ in_group('order_lines', rule) }}
    group by order_lines.customer_number, order_lines.category, order_lines.ordered_at
    {% else %}
    select
        entries.customer_number,
        '' as category,
        entries.known_at as from_at,
        {{ end_of('entries.ordered_at', condition) }} as until_at,
        1::numeric as amount
    from entries
    where entries.is_order {{ if_evaluated('entries', rule) }}
    {% endif %}
    {% endif %}
{%- endmacro %}

{# What events are worth; orders: what was paid, and from when it is known what was given back, both for as long as
   the order counts. #}
{% macro counted_value(condition, rule) -%}
    {% if event_kinds(condition) %}
    select
        events.customer_number,
        {{ group_of('events', rule) }} as category,
        events.occurred_at as from_at,
        {{ end_of('events.occurred_at', condition) }} as until_at,
        events.product_value as amount
    from events
    where
        {{ is_of('events', condition) }}
        and events.product_value is not null {{ in_group('events', rule) }}
    {% endif %}
    {% if event_kinds(condition) and is_of_orders(condition) %}union all{% endif %}
    {% if is_of_orders(condition) %}
    select
        entries.customer_number,
        '' as category,
        entries.known_at as from_at,
        {{ end_of('entries.ordered_at', condition) }} as until_at,
        entries.amount
    from entries
    where true {{ if_evaluated('entries', rule) }}
    {% endif %}
{%- endmacro %}

{# Products or shop sessions, each once at a time: from the first event of the same one until the window has passed
   since the last, where the next came later than that or never. In between neither begins nor ends anything. #}
{% macro counted_once(condition, rule) -%}
    {% set key = {'products': 'product_id', 'shop_sessions': 'shop_session_id'}[condition.measure] %}
    select
        visits.customer_number,
        visits.category,
        case when visits.is_first then visits.occurred_at end as from_at,
        case when visits.is_last then {{ end_of('visits.occurred_at', condition) }} end as until_at,
        1::numeric as amount
    from (
        select
            named.customer_number,
            named.category,
            named.occurred_at,
            lag(named.occurred_at) over one is null
            or {{ end_of('lag(named.occurred_at) over one', condition) }} < named.occurred_at
                as is_first,
            coalesce(
                {{ end_of('named.occurred_at', condition) }} < lead(named.occurred_at) over one,
                true
            ) as is_last
        from (
        {% if event_kinds(condition) %}
        select
            events.customer_number,
            {{ group_of('events', rule) }} as category,
            events.occurred_at,
            events.{{ key }} as key
        from events
        where
            events.{{ key }} is not null
            and {{ is_of('events', condition) }} {{ in_group('events', rule) }}
        {% endif %}
        {% if event_kinds(condition) and is_of_orders(condition) %}union all{% endif %}
        {% if is_of_orders(condition) %}
        select
            order_lines.customer_number,
            {{ group_of('order_lines', rule) }} as category,
            order_lines.ordered_at as occurred_at,
            order_lines.product_id as key
        from order_lines
        where true {{ in_group('order_lines', rule) }}
        {% endif %}
        ) as named
        window one as (
            partition by named.customer_number, named.category, named.key
            order by named.occurred_at
        )
    ) as visits
    where visits.is_first or visits.is_last
{%- endmacro %}

{# What lies in the cart: what was put in less what was taken out, never below nothing. A purchase empties it; within
   a window, so does as long a silence. Of what happens at one instant, additions come first and the purchase last. #}
{% macro counted_cart(condition, rule) -%}
    select
        clamped.customer_number,
        '' as category,
        clamped.occurred_at as from_at,
        least(
            {{ end_of('clamped.occurred_at', condition) }},
            lead(clamped.occurred_at, 1, 'infinity') over (
                partition by clamped.customer_number order by clamped.occurred_at
            )
        ) as until_at,
        case when clamped.is_bought then 0 else clamped.filled - clamped.lowest end as amount
    from (
        select
            filled.*,
            least(
                min(filled.filled) over (
                    partition by filled.customer_number, filled.cart order by filled.occurred_at
                ),
                0
            ) as lowest
        from (
            select
                carts.*,
                sum(carts.moved) over (
                    partition by carts.customer_number, carts.cart order by carts.occurred_at
                ) as filled
            from (
                select
                    moves.*,
                    count(*) filter (where moves.opens_a_cart) over (
                        partition by moves.customer_number order by moves.occurred_at
                    ) as cart
                from (
                    select
                        moved.*,
                        coalesce(
                            lag(moved.is_bought) over (
                                partition by moved.customer_number order by moved.occurred_at
                            )
                            {% if condition.within_minutes %}
                            or moved.occurred_at >= {{ end_of(
                                'lag(moved.occurred_at) over (
                                    partition by moved.customer_number order by moved.occurred_at
                                )', condition
                            ) }}
                            {% endif %},
                            true
                        ) as opens_a_cart
                    from (
                        select
                            events.customer_number,
                            events.occurred_at,
                            bool_or(events.event_name = 'purchase') as is_bought,
                            sum(
                                case events.event_name
                                    when 'add_to_cart' then coalesce(events.product_value, 0)
                                    when 'remove_from_cart' then -coalesce(events.product_value, 0)
                                    else 0
                                end
                            ) as moved
                        from events
                        where
                            events.event_name in ('add_to_cart', 'remove_from_cart', 'purchase')
                            {{ if_evaluated('events', rule) }}
                        group by events.customer_number, events.occurred_at
                    ) as moved
                ) as moves
            ) as carts
        ) as filled
    ) as clamped
{%- endmacro %}

{# A window is half open: what occurred at t counts in [t, t + window). #}
{% macro end_of(instant, condition) -%}
    {% if condition.within_minutes -%}
    {{ instant }} + interval '{{ condition.within_minutes }} minutes'
    {%- else -%}
    'infinity'::timestamptz
    {%- endif %}
{%- endmacro %}

{% macro group_of(table, rule) -%}
    {{ table ~ '.category' if rule.per else "''" }}
{%- endmacro %}

{% macro in_group(table, rule) -%}
    {% if rule.per %}and {{ table }}.category is not null{% endif %} {{ if_evaluated(table, rule) }}
{%- endmacro %}

{% macro if_evaluated(table, rule) -%}
    {% if is_a_rule_new() and not rule.is_new %}and {{ table }}.is_touched{% endif %}
{%- endmacro %}

{# Orders are counted as the warehouse knows them, all else event by event. A shop session is in any event. #}
{% macro is_of_orders(condition) -%}
    {{ return(condition.measure != 'shop_sessions' and ('purchase' in condition.of or 'any' in condition.of)) }}
{%- endmacro %}

{% macro event_kinds(condition) -%}
    {% if condition.measure == 'shop_sessions' %}{{ return(condition.of) }}{% endif %}
    {{ return(condition.of | reject('equalto', 'purchase') | list) }}
{%- endmacro %}

{% macro is_of(table, condition) -%}
    {% set kinds = event_kinds(condition) -%}
    {% if 'any' in kinds %}true{% else %}{{ table }}.event_name in ('{{ kinds | join("', '") }}'){% endif %}
{%- endmacro %}
