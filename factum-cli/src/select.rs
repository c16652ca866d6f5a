//! Flags that choose events, the same for every command that reads the log.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use factum_core::{Category, CorrelationId, EventName, Position, Query, StreamId, Tag, Timestamp};
use factum_runtime::Admin;

use crate::error::CliError;

/// Which events; all conditions must hold.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which events")]
pub(crate) struct Select {
    /// Of these types, such as order.placed,order.paid
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) types: Vec<EventName>,
    /// Carrying this tag, such as orderId:42; may be repeated, all must be carried
    #[arg(long, value_name = "FIELD:VALUE")]
    pub(crate) tag: Vec<Tag>,
    /// Of this category of streams, such as order
    #[arg(long, value_name = "NAME")]
    pub(crate) category: Option<Category>,
    /// Of this stream, such as order-42
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<StreamId>,
    /// Of this correlation
    #[arg(long, value_name = "ID")]
    pub(crate) correlation: Option<CorrelationId>,
    /// From this time or position on: 2026-01-05T10:00:00Z, 2026-01-05, 15m (ago), 1200
    #[arg(long, value_name = "TIME|POSITION")]
    pub(crate) since: Option<Place>,
    /// Commands too, which share the log
    #[arg(long)]
    pub(crate) commands: bool,
}

impl Select {
    /// The query, without its bounds.
    pub(crate) fn query(&self) -> Query {
        Query {
            stream: self.stream.clone(),
            category: self.category.clone(),
            types: self.types.clone(),
            tags: self.tag.clone(),
            correlation: self.correlation.clone(),
            kind: if self.commands { None } else { Query::default().kind },
            ..Query::default()
        }
    }

    /// The query from `--since` on, or from the start.
    pub(crate) async fn query_since(&self, admin: &Admin) -> Result<Query, CliError> {
        let after = match &self.since {
            Some(place) => place.before(admin).await?,
            None => Position::START,
        };
        Ok(self.query().after(after))
    }
}

/// A place in the log as an operator says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A position.
    At(Position),
    /// The first event at or after a time.
    Time(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl Place {
    /// The position after which the place begins.
    pub(crate) async fn before(self, admin: &Admin) -> Result<Position, CliError> {
        Ok(match self {
            Self::At(position) => Position::at(position.number().saturating_sub(1)),
            Self::Time(time) => admin.position_at(time).await?,
            Self::Ago(length) => {
                let now = admin.store().now().await?;
                admin.position_at(now.minus(length)).await?
            }
        })
    }
}

/// A text that is no place in the log.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a time (2026-01-05T10:00:00Z, 2026-01-05), a length (90s, 15m, 2h, 7d), or a position (1200)"
)]
pub(crate) struct PlaceError;

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if let Ok(number) = text.trim_start_matches('@').parse::<u64>() {
            return Ok(Self::At(Position::at(number.min(Position::END.number()))));
        }
        if let Some(length) = length(text) {
            return Ok(Self::Ago(length));
        }
        let time = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
        time.map(Self::Time).map_err(|_| PlaceError)
    }
}

fn length(text: &str) -> Option<Duration> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(unit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_position_a_time_or_a_length() {
        assert_eq!("1200".parse::<Place>().unwrap(), Place::At(Position::at(1200)));
        assert_eq!("@7".parse::<Place>().unwrap(), Place::At(Position::at(7)));
        assert_eq!("15m".parse::<Place>().unwrap(), Place::Ago(Duration::from_secs(900)));
        let day = "2026-01-05T00:00:00Z".parse().unwrap();
        assert_eq!("2026-01-05".parse::<Place>().unwrap(), Place::Time(day));
        for bad in ["", "m", "yesterday", "-1", "1y", "99999999999999999999w", "é"] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?}");
        }
    }
}
