-- factum: from here on nobody is waited for; a program that stands still now holds others up for no longer than this.
set local idle_in_transaction_session_timeout = '5s'
