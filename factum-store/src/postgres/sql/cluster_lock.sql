-- factum: of many that find the store elsewhere, one leaves the gap.
lock table factum.cluster in share row exclusive mode
