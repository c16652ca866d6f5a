-- factum: positions; without a cache, so that each one drawn is above every one drawn before.
create sequence factum.position as bigint minvalue 1 start 1 cache 1
