-- factum: the unit stays.
release factum_unit
