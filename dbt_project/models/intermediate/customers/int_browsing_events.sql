{{ config(
    indexes=[
        {'columns': ['message_id'], 'unique': true},
        {'columns': ['ref', 'occurred_at']},
    ],
) }}

-- One row per event in which somebody looked around in the shop.
with events as (

    select * from {{ ref('int_events_admitted') }} as events
    where
        events.event_name in (
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
        {% if is_incremental() %}
        and {{ is_new('events') }}
        and not exists (
            select 1
            from {{ this }} as known
            where known.message_id = events.message_id
        )
        {% endif %}

),

browsing_events as (

    select
        events.message_id,
        events.ref,
        events.event_name,
        events.occurred_at
    from events

)

select * from browsing_events
