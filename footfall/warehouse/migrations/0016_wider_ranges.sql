-- A look-up by load asks every range of the index, tens of thousands in ten million events. Four times as wide, there
-- is a quarter of them to ask, and 128 pages to read of each that is found.
drop index raw.events_by_loads;
create index events_by_loads on raw.events using brin (load_id) with (pages_per_range = 128);
