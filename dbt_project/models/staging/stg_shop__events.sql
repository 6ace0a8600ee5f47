-- One row per stored event that cleared the gate and occurred before `built_through`.
with events as (

    select * from {{ source('raw', 'events') }}

),

-- one reading of the event in the native shape, not one per column: it is compressed
typed as (

    select
        events.message_id,
        events.event_name,
        events.customer_ref as ref,
        events.anonymous_id,
        events.user_id,
        {{ id_text('body."previousId"') }} as previous_id,
        coalesce(
            {{ id_text('context."sessionId"') }},
            {{ id_text('context.session_id') }},
            {{ id_text('properties.session_id') }},
            {{ id_text('properties."$session_id"') }}
        ) as shop_session_id,
        events.occurred_at,
        events.allows_profiling,
        {{ id_text('properties.order_id') }} as order_id,
        properties.currency,
        properties.coupon #>> '{}' as coupon,
        {{ amount('properties.revenue') }} as revenue,
        {{ amount('properties.total') }} as total,
        {{ amount('properties.discount') }} as discount,
        case
            when events.event_name not in {{ order_events() }} then null
            when jsonb_typeof(properties.products) = 'array' then properties.products
            when properties.product_id is not null then jsonb_build_array(body.properties)
            else '[]'::jsonb
        end as products,
        case when events.event_name = 'identify' then coalesce(body.traits, '{}'::jsonb) end
            as traits,
        coalesce(
            {{ id_text('properties.product_id') }},
            {{ id_text("properties.products -> 0 -> 'product_id'") }}
        ) as product_id,
        coalesce(
            {{ id_text('properties.category') }},
            {{ id_text("properties.products -> 0 -> 'category'") }}
        ) as category,
        case
            when events.event_name in {{ order_events() }} then null
            when jsonb_typeof(properties.products) = 'array'
                then (
                    select sum({{ line_value('sent') }})
                    from jsonb_to_recordset(properties.products) as sent (
                        price jsonb, quantity jsonb
                    )
                )
            else {{ line_value('properties') }}
        end as product_value,
        coalesce(
            context.page ->> 'url',
            properties.url #>> '{}',
            context.page ->> 'path',
            properties.path #>> '{}'
        ) as page_url,
        coalesce(
            context.page ->> 'referrer', context.referrer ->> 'url', properties.referrer #>> '{}'
        ) as referrer,
        context.campaign ->> 'source' as utm_source,
        context.campaign ->> 'medium' as utm_medium,
        context.campaign ->> 'name' as utm_campaign,
        left(context."userAgent" #>> '{}', 500) as user_agent,
        context.device ->> 'type' as device_type,
        {{ id_text('properties.query') }} as query,
        {{ id_text('properties.promotion_id') }} as promotion_id,
        events.load_id
    from events
    cross join
        lateral jsonb_to_record(coalesce(events.mapped, events.payload))
            as body (
                "previousId" jsonb, context jsonb, properties jsonb, traits jsonb
            )
    cross join
        lateral jsonb_to_record(coalesce(body.context, '{}'::jsonb))
            as context (
                "sessionId" jsonb,
                session_id jsonb,
                page jsonb,
                referrer jsonb,
                campaign jsonb,
                "userAgent" jsonb,
                device jsonb
            )
    cross join
        lateral jsonb_to_record(coalesce(body.properties, '{}'::jsonb))
            as properties (
                order_id jsonb,
                currency text,
                coupon jsonb,
                revenue jsonb,
                total jsonb,
                discount jsonb,
                product_id jsonb,
                products jsonb,
                category jsonb,
                price jsonb,
                quantity jsonb,
                query jsonb,
                promotion_id jsonb,
                url jsonb,
                path jsonb,
                referrer jsonb,
                session_id jsonb,
                "$session_id" jsonb
            )
    where {{ is_cleared('events') }}

)

select * from typed
