//! Keys in a PostgreSQL database: one ring for programs on many machines.
//!
//! In a schema of its own, beside the store's, so that a copy of the store's schema holds no key; wrapped, as in a
//! file, by a master key that is in no database. What is destroyed leaves the table at once; the server's write-ahead
//! log, its replicas and its backups keep what they have, until they are recycled: that is the server's to set up.
//! Runs on a thread of its own, because keys are asked for from inside of whatever executor a program has.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use factum_core::{StoreError, StoreErrorKind, Timestamp, hash64};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tokio::runtime::Runtime;

use super::file::Ring;
use super::{Entry, KeyTable, Proof, Row, Wrap, cipher};
use crate::postgres::error::{Trouble, store_error};
use crate::postgres::place::Place;

/// Questions that wait for the thread: whoever asks waits for the answer.
const JOBS_MAX: usize = 16;

/// How long one attempt to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// What is added to the store's schema for that of its keys.
const SUFFIX: &str = "_keys";

/// The lock's first number, so that it meets no other of Factum's.
const LOCK_CLASS: i32 = 0x_fac8;

const SCHEMA: [&str; 4] = [
    include_str!("server/schema.sql"),
    include_str!("server/ring.sql"),
    include_str!("server/subject.sql"),
    include_str!("server/key.sql"),
];

type Job = Box<dyn FnOnce(&mut Session) + Send>;

pub(super) struct KeyServer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// The connection, and the executor that drives it.
struct Session {
    runtime: Runtime,
    place: Place,
    connection: Option<PgConnection>,
    /// Whether a transaction is open: then a lost connection loses it.
    is_in: bool,
}

impl Session {
    /// Runs statements, on a new connection when the one there was turns out to be gone.
    fn run<T>(
        &mut self,
        done: &str,
        work: impl AsyncFn(&mut PgConnection, &Place) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let rested = self.connection.is_some() && !self.is_in;
        let ran = match self.once(&work) {
            Err(_) if rested && self.connection.is_none() => self.once(&work),
            ran => ran,
        };
        ran.map_err(|error| store_error(&format!("the keys cannot be {done}"), error))
    }

    fn once<T>(
        &mut self,
        work: &impl AsyncFn(&mut PgConnection, &Place) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let Self { runtime, place, connection, is_in } = self;
        let ran = runtime.block_on(async {
            let mut own = match connection.take() {
                Some(own) => own,
                None => {
                    let connecting = PgConnection::connect_with(&place.options);
                    let connected = tokio::time::timeout(CONNECT_MAX, connecting).await;
                    connected.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??
                }
            };
            let ran = work(&mut own, place).await;
            if ran.as_ref().err().is_none_or(keeps) {
                *connection = Some(own);
            }
            ran
        });
        *is_in &= connection.is_some();
        ran
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.run("written", async |own, _| own.execute("begin").await.map(|_| ()))?;
        self.is_in = true;
        Ok(())
    }

    fn end(&mut self, statement: &'static str) -> Result<(), StoreError> {
        if !self.is_in {
            let message = "the keys cannot be written: the connection was lost; ask again";
            return Err(StoreError::new(StoreErrorKind::Unavailable, message));
        }
        let ended = self.run("written", async |own, _| own.execute(statement).await.map(|_| ()));
        self.is_in = false;
        ended
    }
}

/// Whether the server has said no and is still there: not when that was its last word, or the error is the connection's.
fn keeps(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(_)) && Trouble::of(error) != Trouble::Lost
}

fn text(place: &Place, sql: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(place.schema.render(sql))
}

fn row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let number: i64 = row.try_get(0)?;
    Ok(Row { number: number.cast_unsigned(), subject: row.try_get(1)?, wrapped: row.try_get(2)? })
}

impl KeyServer {
    /// Opens the ring beside the store of a URL; a new one is bound to the master key by `prove`.
    pub(super) fn open(
        url: &str,
        prove: &mut dyn FnMut(&str) -> Result<Proof, StoreError>,
    ) -> Result<(Self, Ring), StoreError> {
        let server = Self::beside(url)?;
        let name: String = cipher::random::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let Proof { fingerprint, bytes } = prove(&name)?;
        let ring = server.ask(move |session| {
            session.run("opened", async |own, place| {
                let mut tx = own.begin().await?;
                let key = hash64(place.schema.as_str().as_bytes()) as i32;
                let lock = sqlx::query(include_str!("server/lock.sql")).bind(LOCK_CLASS).bind(key);
                lock.execute(&mut *tx).await?;
                let there = sqlx::query(include_str!("server/is_there.sql")).bind(place.schema.as_str());
                if !there.fetch_one(&mut *tx).await?.try_get::<bool, _>(0)? {
                    for sql in SCHEMA {
                        tx.execute(sqlx::raw_sql(text(place, sql))).await?;
                    }
                    let insert = sqlx::query(text(place, include_str!("server/ring_insert.sql")));
                    insert.bind(&name).bind(&fingerprint).bind(&bytes).execute(&mut *tx).await?;
                }
                let ring =
                    sqlx::query(text(place, include_str!("server/ring_get.sql"))).fetch_one(&mut *tx).await?;
                tx.commit().await?;
                let proof = Proof { fingerprint: ring.try_get(1)?, bytes: ring.try_get(2)? };
                Ok(Ring { name: ring.try_get(0)?, proof })
            })
        })?;
        Ok((server, ring))
    }

    /// The way to the keys beside the store of a URL.
    fn beside(url: &str) -> Result<Self, StoreError> {
        let place = place_of(url)?;
        let (jobs, queue) = sync_channel::<Job>(JOBS_MAX);
        let thread = thread::Builder::new().name("factum-keys".to_owned());
        let thread = thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Without one, whoever asks is told that the thread has ended.
            if let Ok(runtime) = runtime {
                serve(Session { runtime, place, connection: None, is_in: false }, &queue);
            }
        });
        let thread = thread.map_err(|error| failed("opened", &error.to_string()))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Session) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || failed("reached", "their thread has ended");
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        let (reply, answer) = sync_channel(1);
        let job: Job = Box::new(move |session| {
            // Whoever asked waits for this.
            let _ = reply.send(question(session));
        });
        jobs.send(job).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    fn one(&self, sql: &'static str, bind: impl AsRef<str>) -> Result<Option<Row>, StoreError> {
        let bind = bind.as_ref().to_owned();
        self.ask(move |session| {
            session.run("read", async |own, place| {
                let found = sqlx::query(text(place, sql)).bind(&bind).fetch_optional(own).await?;
                found.as_ref().map(row).transpose()
            })
        })
    }
}

/// The place of the keys beside the store of a URL.
fn place_of(url: &str) -> Result<Place, StoreError> {
    let mut place = Place::of(url)?;
    place.schema = format!("{}{SUFFIX}", place.schema.as_str()).parse()?;
    Ok(place)
}

/// The place as it may be printed.
pub(super) fn shown(url: &str) -> String {
    place_of(url).map_or_else(|_| "a server".to_owned(), |place| place.to_string())
}

/// Whether there are keys beside the store of a URL; makes none.
pub(super) fn is_there(url: &str) -> Result<bool, StoreError> {
    KeyServer::beside(url)?.ask(|session| {
        session.run("read", async |own, place| {
            let there = sqlx::query(include_str!("server/is_there.sql")).bind(place.schema.as_str());
            there.fetch_one(own).await?.try_get(0)
        })
    })
}

fn serve(mut session: Session, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        job(&mut session);
    }
}

fn failed(done: &str, why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("the keys cannot be {done}: {why}"))
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl KeyTable for KeyServer {
    fn changes(&mut self) -> Result<i64, StoreError> {
        self.ask(|session| {
            session.run("read", async |own, place| {
                let changes = sqlx::query(text(place, include_str!("server/changes.sql")));
                changes.fetch_one(own).await?.try_get(0)
            })
        })
    }

    fn by_number(&mut self, number: u64) -> Result<Option<Row>, StoreError> {
        // Numbers beyond what the table can hold are nobody's.
        if i64::try_from(number).is_err() {
            return Ok(None);
        }
        self.one(include_str!("server/by_number.sql"), number.to_string())
    }

    fn by_subject(&mut self, subject: &str) -> Result<Option<Row>, StoreError> {
        self.one(include_str!("server/by_subject.sql"), subject)
    }

    fn make(&mut self, subjects: &[&str], wrap: &mut Wrap<'_>) -> Result<(), StoreError> {
        let subjects: Vec<String> = subjects.iter().map(|subject| (*subject).to_owned()).collect();
        let made: Vec<(i64, String)> = self.ask(move |session| {
            session.begin()?;
            let made = session.run("written", async |own, place| {
                let insert = sqlx::query(text(place, include_str!("server/subject_insert.sql")));
                let made = insert.bind(&subjects).fetch_all(own).await?;
                made.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
            });
            if made.is_err() {
                let _ = session.end("rollback");
            }
            made
        })?;
        let mut numbers = Vec::with_capacity(made.len());
        let mut keys = Vec::with_capacity(made.len());
        for (number, subject) in made {
            match wrap(number.cast_unsigned(), &subject) {
                Ok(wrapped) => keys.push(wrapped),
                Err(error) => {
                    self.ask(|session| session.end("rollback"))?;
                    return Err(error);
                }
            }
            numbers.push(number);
        }
        self.ask(move |session| {
            let inserted = session.run("written", async |own, place| {
                let insert = sqlx::query(text(place, include_str!("server/key_insert.sql")));
                insert.bind(&numbers).bind(&keys).execute(own).await.map(|_| ())
            });
            match inserted {
                Ok(()) => session.end("commit"),
                Err(error) => {
                    let _ = session.end("rollback");
                    Err(error)
                }
            }
        })
    }

    fn destroy(&mut self, subject: &str, at: Timestamp) -> Result<(), StoreError> {
        let (subject, at) = (subject.to_owned(), at.as_micros());
        self.ask(move |session| {
            session.run("written", async |own, place| {
                let mut tx = own.begin().await?;
                let forget = sqlx::query(text(place, include_str!("server/subject_forget.sql")));
                forget.bind(&subject).bind(at).execute(&mut *tx).await?;
                let delete = sqlx::query(text(place, include_str!("server/key_delete.sql")));
                delete.bind(&subject).execute(&mut *tx).await?;
                tx.execute(sqlx::query(text(place, include_str!("server/changed.sql")))).await?;
                tx.commit().await
            })?;
            write_anew(session)
        })
    }

    fn wrap_anew(
        &mut self,
        proof: &Proof,
        wrap: &mut dyn FnMut(&Row) -> Result<Vec<u8>, StoreError>,
    ) -> Result<u64, StoreError> {
        let (fingerprint, bytes) = (proof.fingerprint.clone(), proof.bytes.clone());
        self.ask(Session::begin)?;
        let (mut count, mut after) = (0, 0_i64);
        loop {
            let page: Vec<Row> = self.ask(move |session| {
                session.run("read", async |own, place| {
                    let page = sqlx::query(text(place, include_str!("server/page.sql"))).bind(after);
                    page.fetch_all(own).await?.iter().map(row).collect()
                })
            })?;
            let Some(last) = page.last() else { break };
            after = last.number.cast_signed();
            let wrapped: Result<Vec<Vec<u8>>, StoreError> = page.iter().map(&mut *wrap).collect();
            let wrapped = match wrapped {
                Ok(wrapped) => wrapped,
                Err(error) => {
                    self.ask(|session| session.end("rollback"))?;
                    return Err(error);
                }
            };
            count += page.len() as u64;
            let numbers: Vec<i64> = page.iter().map(|row| row.number.cast_signed()).collect();
            self.ask(move |session| {
                session.run("written", async |own, place| {
                    let replace = sqlx::query(text(place, include_str!("server/key_replace.sql")));
                    replace.bind(&numbers).bind(&wrapped).execute(own).await.map(|_| ())
                })
            })?;
        }
        self.ask(move |session| {
            session.run("written", async |own, place| {
                let prove = sqlx::query(text(place, include_str!("server/ring_prove.sql")));
                prove.bind(&fingerprint).bind(&bytes).execute(own).await.map(|_| ())
            })?;
            session.end("commit")?;
            write_anew(session)
        })?;
        Ok(count)
    }

    fn counts(&mut self) -> Result<(u64, u64), StoreError> {
        self.ask(|session| {
            session.run("read", async |own, place| {
                let row = sqlx::query(text(place, include_str!("server/counts.sql"))).fetch_one(own).await?;
                let number = |index| row.try_get::<i64, _>(index).map(i64::cast_unsigned);
                Ok((number(0)?, number(1)?))
            })
        })
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        self.ask(|session| {
            session.begin()?;
            session.run("written", async |own, place| {
                own.execute(sqlx::raw_sql(text(place, include_str!("server/hold.sql")))).await.map(|_| ())
            })
        })
    }

    fn entries(&mut self, after: u64) -> Result<Vec<Entry>, StoreError> {
        self.ask(move |session| {
            session.run("read", async |own, place| {
                let entries = sqlx::query(text(place, include_str!("server/entries.sql")));
                let found = entries.bind(after.cast_signed()).fetch_all(own).await?;
                let entry = |it: &PgRow| Ok(Entry { row: row(it)?, forgotten_at: it.try_get(3)? });
                found.iter().map(entry).collect()
            })
        })
    }

    fn take_over(
        &mut self,
        ring: &Ring,
        entries: &mut dyn FnMut(u64) -> Result<Vec<Entry>, StoreError>,
    ) -> Result<(), StoreError> {
        self.ask(Session::begin)?;
        let (name, fingerprint, bytes) =
            (ring.name.clone(), ring.proof.fingerprint.clone(), ring.proof.bytes.clone());
        self.ask(move |session| {
            session.run("written", async |own, place| {
                let other = sqlx::query(text(place, include_str!("server/ring_become.sql")));
                other.bind(&name).bind(&fingerprint).bind(&bytes).execute(own).await.map(|_| ())
            })
        })?;
        let mut after = 0;
        loop {
            let page = entries(after)?;
            let Some(last) = page.last() else { break };
            after = last.row.number;
            let (mut numbers, mut subjects, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
            let (mut keyed, mut keys) = (Vec::new(), Vec::new());
            for Entry { row, forgotten_at } in page {
                numbers.push(row.number.cast_signed());
                subjects.push(row.subject);
                forgotten.push(forgotten_at);
                if let Some(wrapped) = row.wrapped {
                    keyed.push(row.number.cast_signed());
                    keys.push(wrapped);
                }
            }
            self.ask(move |session| {
                session.run("written", async |own, place| {
                    let insert = sqlx::query(text(place, include_str!("server/entries_insert.sql")));
                    insert.bind(&numbers).bind(&subjects).bind(&forgotten).execute(&mut *own).await?;
                    let insert = sqlx::query(text(place, include_str!("server/key_insert.sql")));
                    insert.bind(&keyed).bind(&keys).execute(own).await.map(|_| ())
                })
            })?;
        }
        self.ask(|session| {
            session.run("written", async |own, place| {
                let next = sqlx::query(text(place, include_str!("server/subject_next.sql")));
                next.execute(own).await.map(|_| ())
            })?;
            session.end("commit")
        })
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.ask(|session| {
            session.run("written", async |own, place| {
                own.execute(sqlx::raw_sql(text(place, include_str!("server/end.sql")))).await.map(|_| ())
            })?;
            session.end("commit")
        })
    }
}

/// Writes the table anew, so that no page holds the rest of a key.
fn write_anew(session: &mut Session) -> Result<(), StoreError> {
    session.run("written", async |own, place| {
        own.execute(sqlx::raw_sql(text(place, include_str!("server/vacuum.sql")))).await.map(|_| ())
    })
}
