-- factum: which revisions of the schema have been applied.
create table if not exists factum.revision (
    number integer primary key,
    applied_at timestamptz not null default clock_timestamp()
)
