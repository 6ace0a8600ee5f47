{# The kinds of event that are about an order. #}
{% macro order_events() -%}
    ('purchase', 'refund', 'cancel')
{%- endmacro %}

{# What counts whatever the agent calls itself: money, who is who, and what somebody decided. #}
{% macro events_kept_of_bots() -%}
    ('purchase', 'refund', 'cancel', 'identify', 'alias', 'group', 'consent')
{%- endmacro %}

{# The kinds of event in which somebody looked around in the shop. #}
{% macro browsing_events() -%}
    (
        'page_view',
        'product_list_view',
        'product_click',
        'product_view',
        'search',
        'add_to_cart',
        'cart_view',
        'wishlist_add',
        'checkout_start'
    )
{%- endmacro %}

{# What a product of an event comes to: its price, as often as it is there. #}
{% macro line_value(product) -%}
    round({{ amount(product ~ '.price') }} * coalesce({{ amount(product ~ '.quantity') }}, 1), 2)
{%- endmacro %}

{# The events that this build takes in: what its loads brought, late or not, and what an earlier as_of left out.
   The months before the oldest of them need not be looked at. #}
{% macro in_increment(alias) -%}
    (
        {{ alias }}.load_id = any(
            array(
                select build_loads.load_id
                from {{ source('ops', 'build_loads') }} as build_loads
                where build_loads.build_id = {{ var('build_id') }}
            )
        )
        or {{ alias }}.occurred_at >= {{ previously_built_through() }}
    )
    and {{ alias }}.occurred_at >= least(
        {{ previously_built_through() }},
        (
            select min(loads.oldest_event_at)
            from {{ source('raw', 'loads') }} as loads
            inner join {{ source('ops', 'build_loads') }} as build_loads
                on loads.load_id = build_loads.load_id
            where build_loads.build_id = {{ var('build_id') }}
        )
    )
{%- endmacro %}
