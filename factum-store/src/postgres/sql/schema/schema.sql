-- factum: everything of one store's is in one schema of its own.
create schema if not exists factum
