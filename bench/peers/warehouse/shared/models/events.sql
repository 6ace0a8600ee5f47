-- One row per event, with the customer it belongs to as far as is known.
{{ config(materialized='view', event_time='occurred_at') }}

select
    events.message_id,
    events.event_name,
    coalesce(events.user_id, visitors.user_id, events.anonymous_id) as customer,
    events.occurred_at,
    case
        when events.event_name in ('purchase', 'refund', 'cancel')
            then events.payload #>> '{properties,order_id}'
    end as order_id,
    case
        when events.event_name in ('purchase', 'refund')
            then (events.payload #>> '{properties,total}')::numeric
    end as total
from raw.events as events
left join {{ ref('visitors') }} as visitors on events.anonymous_id = visitors.anonymous_id
