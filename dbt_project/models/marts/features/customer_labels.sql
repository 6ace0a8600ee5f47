{{ config(
    pre_hook="{{ forget_scope('customer_id', 'int_label_scope') }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per row of customer_features: what the customer did after as_of. Null while the window is not
-- over, and where the customer is not of the population. The list is that of ml/labels. Whoever turned out to be the same customer by
-- the window's end counts as one. An order's refunds count as far as they are known by the window's end.
with customers as (

    select customers.*
    from {{ ref('int_customers_as_of') }} as customers
    {% if is_incremental() %}
    inner join {{ ref('int_label_scope') }} as scope
        on customers.as_of = scope.as_of and customers.customer_id = scope.customer_id
    {% endif %}
    where customers.is_profilable

),

features as (

    select * from {{ ref('customer_features') }}

),

spans as not materialized (

    select * from {{ ref('int_identity_spans') }}

),

orders as not materialized (

    select
        ref,
        ordered_at,
        ordered_at as known_at,
        0 as amount,
        coupon is not null or (discount > 0 and discount >= 0.2 * gross_revenue) as is_discounted
    from {{ ref('int_orders_placed') }}

),

-- orders and their refunds, each with what it adds
entries as not materialized (

    select
        ref,
        ordered_at,
        known_at,
        amount
    from {{ ref('int_order_entries') }}

),

{% for label in labels() %}
{% set window_end = days_after('customers.as_of', label.days) %}
{{ label.name }}_buyers as (

    select
        customers.as_of,
        customers.customer_id,
        greatest(sum(bought.amount), 0) as amount
    from customers
    inner join spans as own
        on
            customers.root_ref = own.ref
            and {{ window_end }} > own.known_after
            and {{ window_end }} <= own.known_until
    inner join spans as theirs
        on
            own.root_ref = theirs.root_ref
            and {{ window_end }} > theirs.known_after
            and {{ window_end }} <= theirs.known_until
    inner join {{ 'entries' if label.kind == 'amount' else 'orders' }} as bought
        on
            theirs.ref = bought.ref
            and customers.as_of <= bought.ordered_at
            and {{ window_end }} > bought.known_at
            {% if label.outcome == 'discounted_order' -%}
            and bought.is_discounted
            {% endif %}
    group by
        customers.as_of,
        customers.customer_id

),

{% endfor %}
outcomes as (

    select
        customers.as_of,
        customers.customer_id,
        {% for label in labels() -%}
        case
            when {{ days_after('customers.as_of', label.days) }} <= {{ built_through() }}
                then {{ label.found }}
        end::{{ label.type }} as {{ label.column }}
        {%- if not loop.last %},
        {% endif %}
        {% endfor %}
    from customers
    {% for label in labels() -%}
    left join {{ label.name }}_buyers
        on
            customers.as_of = {{ label.name }}_buyers.as_of
            and customers.customer_id = {{ label.name }}_buyers.customer_id
    {% endfor %}

),

labels as (

    select
        outcomes.customer_id,
        outcomes.as_of,
        {% for label in labels() -%}
        {% if label.asked_if -%}
        case
            when features.{{ label.asked_if }} > 0 then outcomes.{{ label.column }}
        end::{{ label.type }} as {{ label.column }}
        {%- else -%}
        outcomes.{{ label.column }}
        {%- endif %}
        {%- if not loop.last %},
        {% endif %}
        {% endfor %}
    from outcomes
    inner join features
        on outcomes.as_of = features.as_of and outcomes.customer_id = features.customer_id

)

select * from labels
