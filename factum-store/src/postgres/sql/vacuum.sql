-- factum: takes out what was deleted, in the application's tables too.
vacuum
