-- factum: the unit goes, and what it shares the commit with stays.
rollback to factum_unit
