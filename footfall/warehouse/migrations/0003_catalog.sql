-- The catalog: every fact about a product, and what each product is now.

-- One row per distinct fact, in whatever order and however often it was sent. Of the records that told a fact, the
-- position is that of the first by time stamp and offset (of a deletion, the last).
create table raw.product_versions (
    product_id text collate "C" not null,
    fact_sha256 bytea not null,           -- of is_deleted, updated_at and the value as jsonb
    is_deleted boolean not null,          -- a tombstone: the product was deleted at updated_at
    version bigint,
    updated_at timestamptz not null,      -- the fact's own; else, and of a deletion, the Kafka record's timestamp
    name text,
    category text,
    brand text,
    price numeric,
    currency text,
    stock bigint,
    attributes jsonb,                     -- the fields that have no column; null: a deletion
    received_at timestamptz not null,     -- the Kafka record's timestamp
    load_id bigint not null,
    kafka_topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    primary key (product_id, fact_sha256)
);
create index product_versions_newest on raw.product_versions
(product_id, version desc nulls last, updated_at desc, fact_sha256 desc) where not is_deleted;
create index product_deletions on raw.product_versions
(product_id, received_at desc, kafka_partition desc, kafka_offset desc) where is_deleted;

-- One row per product that is not deleted: the newest of its facts by version, then by updated_at. Written by the
-- load that brings a newer one.
create table raw.products (
    product_id text collate "C" primary key,
    version bigint,
    updated_at timestamptz not null,
    name text,
    category text,
    brand text,
    price numeric,
    currency text,
    stock bigint,
    attributes jsonb not null,
    load_id bigint not null,
    kafka_topic text not null,
    kafka_partition integer not null,
    kafka_offset bigint not null
);
