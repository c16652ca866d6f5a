customer_id text primary key,
orders bigint not null,
cancelled bigint not null
