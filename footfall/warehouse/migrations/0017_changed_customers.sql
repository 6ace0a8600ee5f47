-- What a delta of a publication has to look at, so that it costs what changed and not what is stored.

-- One row per build and customer whose rows in dim_customers, customer_rfm or customer_products it made anew. A full
-- refresh notes nobody: after it everybody is looked at. Rows that no publication needs any more are deleted.
create table ops.changed_customers (
    build_id bigint not null,
    customer_id text not null,
    primary key (build_id, customer_id)
);

alter table ml.score_sets add column kept_set bigint; -- that all its models took scores over from; null: none, or several
alter table ml.score_sets add column build_id bigint; -- the newest that had finished when it was scored
alter table ml.scores add column is_changed boolean not null default true; -- whether the content is not that of kept_set
create index scores_changed on ml.scores (score_set, customer_id) where is_changed;

-- An update finds room on its page, so that no index has to be written.
alter table serving.published_records set (fillfactor = 85);
