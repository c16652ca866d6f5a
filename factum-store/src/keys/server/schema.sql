-- factum: keys are in a schema of their own, so that a copy of the store's has none.
create schema if not exists factum
