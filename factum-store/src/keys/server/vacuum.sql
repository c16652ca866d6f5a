-- factum: writes the table anew, so that no page holds what was deleted.
vacuum full factum.key
