//! Recomputes a projection in a copy beside the live tables, and compares both at one position.
//!
//! Code is needed to recompute, and the app has it: a copy is asked for in the projection's record, and the running
//! app fills it as it fills a rebuild. It goes no further than it is allowed to, so that it can be brought to the very
//! position at which the live tables stood at one moment. Inline tables have no checkpoint: they stand at the last event
//! of a moment that has all before it. The app goes on meanwhile. What is asked for belongs to this
//! process: when it is gone, the app, or whoever verifies next, drops the copy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use factum_core::{
    ConsumerName, EventId, Moment, Position, Query, RecordKind, RecordQuery, Slot, Store, StoreError,
};

use super::compare::{AsyncTouch, Compared, Sides, compare, only};
use super::projections::{is_filled, sweep};
use super::{Admin, AdminError, Progress, change_control, checkpoints};
use crate::instance::{Instance, RENEW};
use crate::projection::filler;
use crate::state::{BoundState, CheckingState, ProjectionState, SlotState, TableShape, read};

/// How often the store is asked how far the copy is.
const LOOK: Duration = Duration::from_millis(50);
/// How long an app may take to begin with what was asked for.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// How long an app may take to let go of a copy.
const LET_GO_WITHIN: Duration = Duration::from_secs(5);
/// How long an append may take that holds back what is final.
const FINAL_WITHIN: Duration = Duration::from_secs(1);
/// How often two sides are brought level before it is given up: each try fails only when an app was late to stop.
const TRIES: usize = 20;

impl Admin {
    /// Recomputes a projection in a copy and says how the live tables differ from it, with at most `most` rows of each
    /// table. A running app fills the copy; the live tables are neither stopped nor changed.
    ///
    /// # Errors
    /// When no app that runs has the projection, somebody else verifies it, a part of the log was moved out, or the
    /// store fails. The copy is dropped in any case.
    pub async fn verify(
        &self,
        name: &ConsumerName,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Compared, AdminError> {
        let mut check = Check::begin(self, name).await?;
        let copy = check.begin_copy().await;
        let compared = match &copy {
            Ok((live, copy)) => check.compared(live, copy, most, progress).await,
            Err(_) => Err(AdminError::Changed(String::new())),
        };
        check.end_copy().await?;
        copy?;
        compared
    }

    /// Says how tables that are being filled differ from the live ones, at one position. They are held from then on,
    /// until [`Admin::cut_over`].
    ///
    /// # Errors
    /// When nothing is being filled, no app that runs fills it, or the store fails.
    pub async fn diff(
        &self,
        name: &ConsumerName,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Compared, AdminError> {
        let state = self.rebuild_held(name).await?;
        let (Some(live), Some(building)) = (state.live, state.building) else {
            return Err(AdminError::Changed(format!("projection {name}")));
        };
        let mut check = Check::begin(self, name).await?;
        let compared = check.compared(&live, &building, most, progress).await;
        let filler = filler(name, &building)?;
        super::unbind(self.store().as_ref(), &filler).await?;
        self.changed();
        check.instance.end(self.store().as_ref()).await?;
        compared
    }

    /// The record of a projection whose tables are being filled, which are held from now on.
    async fn rebuild_held(&self, name: &ConsumerName) -> Result<ProjectionState, AdminError> {
        self.change_projection(name, Some("hold"), |state| {
            if state.building.is_none() {
                return Err(AdminError::Refused(format!(
                    "projection {name} has no tables to compare with; `factum projections rebuild {name} --hold` fills some, and `factum projections verify {name}` compares with a copy"
                )));
            }
            state.is_held = true;
            Ok(())
        })
        .await
    }
}

/// One comparison, by a process that is seen to live.
struct Check<'a> {
    admin: &'a Admin,
    name: &'a ConsumerName,
    instance: Arc<Instance>,
    renewed: Instant,
    /// Whether the live tables change with each append.
    is_inline: bool,
}

#[async_trait]
impl AsyncTouch for Check<'_> {
    async fn touch(&mut self) -> Result<(), AdminError> {
        if self.renewed.elapsed() >= RENEW {
            self.renewed = Instant::now();
            self.instance.renew(self.admin.store().as_ref()).await?;
        }
        Ok(())
    }
}

impl<'a> Check<'a> {
    async fn begin(admin: &'a Admin, name: &'a ConsumerName) -> Result<Self, AdminError> {
        let is_inline = !admin.any_projection(name).await?.0.group.is_empty();
        let instance = Instance::new(Vec::new());
        instance.renew(admin.store().as_ref()).await?;
        Ok(Self { admin, name, instance, renewed: Instant::now(), is_inline })
    }

    /// Asks for a copy that goes no further than the live tables are; answers both suffixes.
    async fn begin_copy(&mut self) -> Result<(String, String), AdminError> {
        let (admin, name) = (self.admin, self.name);
        let store = admin.store().as_ref();
        // What an earlier one left behind.
        sweep(store, name, &self.instance).await?;
        let (_, state) = admin.any_projection(name).await?;
        let Some(live) = state.live.clone() else {
            return Err(AdminError::Refused(format!("projection {name} has no live tables yet")));
        };
        admin.refuse_archived(&format!("verifying {name}"), Position::START).await?;
        let copy = format!("v{}c{}", state.version, state.checks + 1);
        // Before anybody fills it.
        let at = self.live_position(&filler(name, &live)?).await?;
        self.bind(&copy, at).await?;
        let asked = admin.change_any_projection(name, Some("verify"), |state| {
            if state.checking.is_some() {
                return Err(AdminError::Refused(format!(
                    "projection {name} is being verified by another process; wait for it, or end it"
                )));
            }
            state.checks += 1;
            state.checking = Some(CheckingState { suffix: copy.clone(), by: self.instance.id.clone() });
            Ok(())
        });
        asked.await?;
        Ok((live, copy))
    }

    /// Gives the copy up, and drops it once the app has let go; else the app does.
    async fn end_copy(&mut self) -> Result<(), AdminError> {
        let (admin, name) = (self.admin, self.name);
        let (mut copy, mut copy_is_gone) = (None, false);
        let own = self.instance.id.clone();
        admin
            .change_any_projection(name, None, |state| {
                if let Some(checking) = state.checking.take_if(|checking| checking.by == own) {
                    state.dropping.push(checking.suffix);
                }
                Ok(())
            })
            .await?;
        let started = Instant::now();
        while started.elapsed() < LET_GO_WITHIN {
            // First of all the app has to see it.
            tokio::time::sleep(LOOK * 12).await;
            let (_, state) = admin.any_projection(name).await?;
            copy = state.dropping.iter().find(|suffix| suffix.contains('c')).cloned();
            let Some(copy) = &copy else { break };
            if !is_filled(admin.store().as_ref(), &filler(name, copy)?, &self.instance).await? {
                sweep(admin.store().as_ref(), name, &self.instance).await?;
                copy_is_gone = true;
                break;
            }
        }
        if copy.is_some() && !copy_is_gone {
            tracing::info!(projection = %name, "the copy is dropped by the app that fills it");
        }
        Ok(self.instance.end(admin.store().as_ref()).await?)
    }

    /// Lets what fills a suffix go so far and no further.
    async fn bind(&self, suffix: &str, up_to: Position) -> Result<(), AdminError> {
        let bound = BoundState { up_to, by: self.instance.id.clone() };
        let filler = filler(self.name, suffix)?;
        change_control(self.admin.store().as_ref(), &filler, None, |control| {
            control.bound = Some(bound.clone());
        })
        .await?;
        self.admin.changed();
        Ok(())
    }

    /// Brings the tables of a suffix to where the live ones stood at one moment, and compares.
    async fn compared(
        &mut self,
        live: &str,
        with: &str,
        most: usize,
        progress: Progress<'_>,
    ) -> Result<Compared, AdminError> {
        let store = self.admin.store().clone();
        let (live_filler, with_filler) = (filler(self.name, live)?, filler(self.name, with)?);
        let at = self.live_position(&live_filler).await?;
        self.bind(with, at).await?;
        self.reach(&with_filler, at, progress).await?;
        for _ in 0..TRIES {
            let Some((moment, at)) = self.moment(&live_filler).await? else { continue };
            let ahead = position(store.as_ref(), &with_filler).await?.unwrap_or_default();
            if ahead > at {
                // It was asked to stop, and the live tables catch up with it.
                drop(moment);
                self.touch().await?;
                tokio::time::sleep(LOOK * 5).await;
                continue;
            }
            self.bind(with, at).await?;
            self.reach(&with_filler, at, progress).await?;
            let compared = self.compare(moment.as_ref(), at, live, with, most).await?;
            if position(store.as_ref(), &with_filler).await? == Some(at) {
                return Ok(compared);
            }
        }
        Err(AdminError::Changed(format!("projection {}", self.name)))
    }

    /// About how far the live tables are.
    async fn live_position(&self, live: &ConsumerName) -> Result<Position, AdminError> {
        let store = self.admin.store().as_ref();
        match self.is_inline {
            true => Ok(store.head().await?),
            false => Ok(position(store, live).await?.unwrap_or_default()),
        }
    }

    /// The store as it stands, and how far the live tables are in it; nothing where no position says it.
    async fn moment(
        &mut self,
        live: &ConsumerName,
    ) -> Result<Option<(Box<dyn Moment>, Position)>, AdminError> {
        let store = self.admin.store().clone();
        if !self.is_inline {
            let moment = store.moment().await?;
            let at = stood_at(moment.as_ref(), live).await?;
            return Ok(Some((moment, at)));
        }
        // Inline tables have all that is committed. Behind what is final that may have holes, which somebody fills later:
        // then they stand at no position.
        let known = store.head().await?;
        let moment = store.moment().await?;
        let there = ids(&Log::Then(moment.as_ref()), known, Position::END).await?;
        let at = there.last().map_or(known, |(position, _)| *position);
        let began = Instant::now();
        while store.head().await? < at {
            if began.elapsed() > FINAL_WITHIN {
                return Ok(None);
            }
            self.touch().await?;
            tokio::time::sleep(LOOK).await;
        }
        let now = ids(&Log::Now(store.as_ref()), known, at).await?;
        Ok((there == now).then_some((moment, at)))
    }

    /// Waits until a filler stands at a position or beyond.
    async fn reach(
        &mut self,
        filler: &ConsumerName,
        to: Position,
        progress: Progress<'_>,
    ) -> Result<(), AdminError> {
        let store = self.admin.store().clone();
        let mut filled = Instant::now();
        loop {
            if let Some(at) = position(store.as_ref(), filler).await? {
                progress(at, to);
                if at >= to {
                    return Ok(());
                }
            }
            if is_filled(store.as_ref(), filler, &self.instance).await? {
                filled = Instant::now();
            } else if filled.elapsed() > BEGIN_WITHIN {
                let name = self.name;
                return Err(AdminError::Refused(match self.is_inline {
                    true => format!(
                        "no app that runs fills a copy of inline projection {name}: start one that declares this version of it with `App::inline`, and ask again"
                    ),
                    false => format!(
                        "no app that runs fills the tables of {name}: start the app that has this version of it, and ask again"
                    ),
                }));
            }
            self.touch().await?;
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn compare(
        &mut self,
        moment: &dyn Moment,
        position: Position,
        live: &str,
        with: &str,
        most: usize,
    ) -> Result<Compared, AdminError> {
        let store = self.admin.store().clone();
        let (_, state) = self.admin.any_projection(self.name).await?;
        let Some(expected) = state.made.get(with) else {
            return Err(AdminError::Refused(format!(
                "what the tables {with} of {} are made of is not known: start the app with this release, and ask again",
                self.name
            )));
        };
        // Tables of before this was written down have the shape of their code, which is that of a copy.
        let own = state.made.get(live).unwrap_or(expected);
        let sides = Sides { moment, store: store.as_ref(), live, with };
        let mut tables = Vec::new();
        for shape in own {
            match named(expected, &shape.table) {
                Some(other) => tables.push(compare(&sides, shape, other, most, self).await?),
                None => tables.push(only(&shape.table, live)),
            }
        }
        let new = expected.iter().filter(|shape| named(own, &shape.table).is_none());
        tables.extend(new.map(|shape| only(&shape.table, with)));
        let filler = filler(self.name, live)?;
        let (live, with) = (live.to_owned(), with.to_owned());
        Ok(Compared { position, live, with, tables, aside: self.aside(&filler).await? })
    }

    async fn aside(&self, filler: &ConsumerName) -> Result<u64, AdminError> {
        let all = self.admin.consumers().await?;
        let info = all.iter().find(|info| info.name == filler.as_str());
        Ok(info.map_or(0, |info| info.parked + info.dead + info.refused))
    }
}

/// The log, as it stood or as it stands.
enum Log<'a> {
    Then(&'a dyn Moment),
    Now(&'a dyn Store),
}

/// The events between two positions, by their ids.
async fn ids(
    log: &Log<'_>,
    after: Position,
    up_to: Position,
) -> Result<Vec<(Position, EventId)>, StoreError> {
    let mut query = Query { kind: None, up_to, ..Query::default() }.after(after);
    let mut ids = Vec::new();
    loop {
        let page = match log {
            Log::Then(moment) => moment.read(&query).await?,
            Log::Now(store) => store.read(&query).await?,
        };
        ids.extend(page.events.iter().map(|event| (event.position, event.envelope.id)));
        if !page.more {
            return Ok(ids);
        }
        query.after = page.end;
    }
}

fn named<'s>(shapes: &'s [TableShape], table: &str) -> Option<&'s TableShape> {
    shapes.iter().find(|shape| shape.table == table)
}

/// How far a filler has written; `None` when it has not begun.
async fn position(store: &dyn Store, filler: &ConsumerName) -> Result<Option<Position>, AdminError> {
    Ok(checkpoints(store, filler).await?.into_values().min())
}

/// How far the live tables were at a moment.
async fn stood_at(moment: &dyn Moment, filler: &ConsumerName) -> Result<Position, AdminError> {
    let id = SlotState::id(filler, Slot::default());
    let found = moment.find(RecordKind::SLOT, &RecordQuery::id(id)).await?;
    Ok(found.first().map(read::<SlotState>).transpose()?.unwrap_or_default().position)
}
