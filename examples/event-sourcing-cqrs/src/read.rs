//! Two read models of the same events, and the questions that they answer.
//!
//! Balances are inline: they change in the unit of the append, and are never behind. The statement follows the log on
//! its own; whoever has just written waits for it.

use factum::{ConsumerName, Failure, Projection, ReadSide, Table, Tables, event_set, values};

use crate::account::AccountEvent;
use crate::contracts::{AccountCredited, AccountDebited};

// quote: begin
/// What is on each account now.
#[derive(Debug, Clone, Copy)]
pub struct Balances;

impl Projection for Balances {
    const NAME: ConsumerName = ConsumerName::constant("balances");
    const VERSION: u32 = 1;
    type Input = AccountEvent;

    fn tables() -> Vec<Table> {
        let columns = "account_id text primary key, holder text not null, cents bigint not null";
        vec![Table::new("balances", columns).indexes(&["cents"])]
    }

    async fn apply(&self, event: AccountEvent, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let add = "update {balances} set cents = cents + $2 where account_id = $1";
        match event {
            AccountEvent::AccountOpened(it) => tables.execute(
                "insert into {balances} (account_id, holder, cents) values ($1, $2, 0)",
                values![it.account_id().as_str(), it.holder().as_str()],
            ),
            AccountEvent::AccountCredited(it) => {
                tables.execute(add, values![it.account_id().as_str(), it.cents().get()]);
            }
            AccountEvent::AccountDebited(it) => {
                tables.execute(add, values![it.account_id().as_str(), -it.cents().get()]);
            }
            AccountEvent::AccountClosed(it) => tables
                .execute("delete from {balances} where account_id = $1", values![it.account_id().as_str()]),
        }
        Ok(())
    }
}
// quote: end

event_set! {
    /// What moves money.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Movement { AccountCredited, AccountDebited }
}

/// Every movement of each account, with the balance after it.
#[derive(Debug, Clone, Copy)]
pub struct Statement;

impl Projection for Statement {
    const NAME: ConsumerName = ConsumerName::constant("statement");
    const VERSION: u32 = 1;
    type Input = Movement;

    fn tables() -> Vec<Table> {
        let columns = "account_id text not null, line bigint not null, cents bigint not null, \
                       balance bigint not null, primary key (account_id, line)";
        vec![Table::new("movements", columns)]
    }

    async fn apply(&self, event: Movement, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let (account, cents) = match &event {
            Movement::AccountCredited(it) => (it.account_id(), it.cents().get()),
            Movement::AccountDebited(it) => (it.account_id(), -it.cents().get()),
        };
        let line = tables.cx().version().map_or(0, |version| version.number().cast_signed());
        tables.execute(
            "insert into {movements} (account_id, line, cents, balance) values ($1, $2, $3, $3 + coalesce(
             (select balance from {movements} where account_id = $1 order by line desc limit 1), 0))",
            values![account.as_str(), line, cents],
        );
        Ok(())
    }
}

// quote: begin query
/// What is on an account; nothing when there is none.
///
/// # Errors
/// When the store fails.
pub async fn balance(side: &ReadSide<Balances>, account: &str) -> anyhow::Result<Option<i64>> {
    let rows = side.query("select cents from {balances} where account_id = $1", &values![account]).await?;
    rows.first().map(|row| Ok(row.get("cents")?)).transpose()
}
// quote: end

/// Who has most, and how much.
///
/// # Errors
/// When the store fails.
pub async fn richest(side: &ReadSide<Balances>) -> anyhow::Result<Option<(String, i64)>> {
    let sql = "select holder, cents from {balances} order by cents desc, account_id limit 1";
    let rows = side.query(sql, &[]).await?;
    rows.first().map(|row| Ok((row.get("holder")?, row.get("cents")?))).transpose()
}

/// The newest movements of an account, newest first: how much, and the balance after it.
///
/// # Errors
/// When the store fails.
pub async fn statement(
    side: &ReadSide<Statement>,
    account: &str,
    most: i64,
) -> anyhow::Result<Vec<(i64, i64)>> {
    let sql = "select cents, balance from {movements} where account_id = $1 order by line desc limit $2";
    let rows = side.query(sql, &values![account, most]).await?;
    rows.iter().map(|row| Ok((row.get("cents")?, row.get("balance")?))).collect()
}
