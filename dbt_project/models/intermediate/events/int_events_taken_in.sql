{{ config(
    pre_hook=["{{ forget_everything() }}", "{{ read_by_all_cores() }}"],
    post_hook="analyze {{ this }}",
    unlogged=true,
) }}

-- One row per event that this build takes in, in columns: each is read from its JSON once. Empty between builds.
with events as (

    select * from {{ ref('stg_shop__events') }} as events
    {% if is_incremental() %}
    where {{ in_increment('events') }}
    {% endif %}

)

select * from events  -- noqa: AM04
