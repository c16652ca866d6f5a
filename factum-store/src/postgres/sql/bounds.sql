-- factum: how far readers may read.
select bound, pending, clock from factum.bounds()
