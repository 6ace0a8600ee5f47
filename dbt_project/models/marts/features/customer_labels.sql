{{ config(
    pre_hook="{{ forget_scope('customer_id', 'int_label_scope') }}",
    indexes=[{'columns': ['customer_id']}],
) }}

-- One row per row of customer_features: what the customer did after as_of. Null while the window is not
-- over, and where the customer is not of the population. Whoever turned out to be the same customer by
-- the window's end counts as one.
{% set windows = {'purchase': 7, 'churn': 30} %}
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

    select * from {{ ref('int_orders_placed') }}

),

{% for name, days in windows.items() %}
{% set window_end = days_after('customers.as_of', days) %}
{{ name }}_buyers as (

    select distinct
        customers.as_of,
        customers.customer_id
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
    inner join orders
        on
            theirs.ref = orders.ref
            and customers.as_of <= orders.ordered_at
            and {{ window_end }} > orders.ordered_at

),

{% endfor %}
outcomes as (

    select
        customers.as_of,
        customers.customer_id,
        {% for name, days in windows.items() -%}
        case
            when {{ days_after('customers.as_of', days) }} <= {{ built_through() }}
                then {{ name }}_buyers.customer_id is not null
        end as has_ordered_in_{{ days }}d
        {%- if not loop.last %},
        {% endif %}
        {% endfor %}
    from customers
    {% for name in windows -%}
    left join {{ name }}_buyers
        on
            customers.as_of = {{ name }}_buyers.as_of
            and customers.customer_id = {{ name }}_buyers.customer_id
    {% endfor %}

),

labels as (

    select
        outcomes.customer_id,
        outcomes.as_of,
        outcomes.has_ordered_in_7d as purchased_within_7_days,
        case
            when features.order_count_90d > 0 then not outcomes.has_ordered_in_30d
        end as churned_within_30_days
    from outcomes
    inner join features
        on outcomes.as_of = features.as_of and outcomes.customer_id = features.customer_id

)

select * from labels
