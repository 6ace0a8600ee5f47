{# What the models of all three projects are; they differ in the events that a run looks at. #}

{% macro sessions_of(events) %}
with events as ({{ events }}),

gaps as (
    select
        events.*,
        events.occurred_at - lag(events.occurred_at) over by_customer > interval '30 minutes'
            as is_first
    from events
    window by_customer as (
        partition by events.customer order by events.occurred_at, events.message_id
    )
),

numbered as (
    select
        gaps.*,
        count(*) filter (where gaps.is_first) over (
            partition by gaps.customer order by gaps.occurred_at, gaps.message_id
        ) as number
    from gaps
)

select
    md5(
        numbered.customer
        || (array_agg(numbered.message_id order by numbered.occurred_at, numbered.message_id))[1]
    ) as session_id,
    numbered.customer,
    min(numbered.occurred_at) as started_at,
    max(numbered.occurred_at) as ended_at,
    count(*) as event_count
from numbered
group by numbered.customer, numbered.number
{% endmacro %}

{# All refunds of an order, whenever they came: the model's filter is on the purchases. #}
{% macro orders_of(purchases) %}
with purchases as ({{ purchases }}),

refunds as (
    select
        events.order_id,
        bool_or(events.event_name = 'cancel' or events.total is null) as is_whole,
        sum(events.total) as total
    from {{ ref('events').render() }} as events
    where events.event_name in ('refund', 'cancel')
    group by events.order_id
),

placed as (
    select distinct on (purchases.order_id) purchases.*
    from purchases
    where purchases.event_name = 'purchase'
    order by purchases.order_id, purchases.occurred_at, purchases.message_id
)

select
    placed.order_id,
    placed.customer,
    placed.occurred_at as ordered_at,
    placed.total,
    case when refunds.is_whole then placed.total else coalesce(refunds.total, 0) end as refunded
from placed
left join refunds on placed.order_id = refunds.order_id
{% endmacro %}

{% macro customer_days_of(events) %}
with events as ({{ events }})

select
    events.customer,
    (events.occurred_at at time zone 'UTC')::date as day,
    count(*) as event_count,
    count(*) filter (where events.event_name = 'purchase') as order_count,
    sum(events.total) filter (where events.event_name = 'purchase') as total
from events
group by events.customer, (events.occurred_at at time zone 'UTC')::date
{% endmacro %}
