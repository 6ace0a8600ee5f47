{# The kinds of device that analysts compare, whatever a sender calls them; null for what none of these is. #}
{% macro device_named(kind) -%}
    case
        when lower({{ kind }}) in ('desktop', 'computer', 'laptop', 'pc', 'web') then 'desktop'
        when
            lower({{ kind }}) in ('mobile', 'phone', 'smartphone', 'handheld', 'ios', 'android')
            then 'mobile'
        when lower({{ kind }}) in ('tablet', 'ipad') then 'tablet'
        when lower({{ kind }}) in ('tv', 'smart tv', 'smarttv', 'settopbox', 'set-top box') then 'tv'
        when lower({{ kind }}) in ('watch', 'wearable') then 'watch'
    end
{%- endmacro %}

{# The kind of device that a user agent speaks of; an Android without `Mobile` is a tablet. #}
{% macro device_of_agent(agent) -%}
    case
        when {{ agent }} ~* 'smart-?tv|hbbtv|googletv|appletv|apple tv|roku|crkey|bravia|; aft' then 'tv'
        when {{ agent }} ~* 'watch' then 'watch'
        when {{ agent }} ~* 'ipad|tablet|kindle|silk/|playbook' then 'tablet'
        when {{ agent }} ~* 'mobi|iphone|ipod|windows phone|blackberry|opera mini' then 'mobile'
        when {{ agent }} ~* 'android' then 'tablet'
        when {{ agent }} ~* 'windows|macintosh|x11|cros|linux' then 'desktop'
    end
{%- endmacro %}
