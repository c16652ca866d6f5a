//! Asks for what no flag says: numbered questions on standard error, one answer a line, Enter for what is usual.

use std::fmt::Display;
use std::io::{BufRead, Write as _};
use std::str::FromStr;

use factum_contract::contract::{Compatibility, Ordering};
use factum_contract::template::{FieldOutline, Outline, usual_key};
use factum_contract::words::ServiceName;
use factum_core::{EventName, Kind};

use crate::error::CliError;
use crate::output::printable_line;

/// Most times that one question is asked: a pipe of nonsense must end.
const TRIES_MAX: usize = 5;
/// Most fields that are asked for.
const FIELDS_MAX: usize = 100;

/// A conversation.
pub(super) struct Questions<R> {
    answers: R,
    asked: usize,
}

impl<R: BufRead> Questions<R> {
    pub(super) fn new(answers: R) -> Self {
        Self { answers, asked: 0 }
    }

    /// Completes an outline.
    pub(super) fn ask(
        mut self,
        kind: Kind,
        name: &EventName,
        owner: Option<ServiceName>,
        services: Vec<ServiceName>,
        mut outline: Outline,
    ) -> Result<(ServiceName, Outline), CliError> {
        let owner = match owner {
            Some(owner) => owner,
            None => self.owner(&services)?,
        };
        if outline.summary.is_none() {
            let what = match kind {
                Kind::Event => "What has happened, in one sentence?",
                Kind::Command => "What is to be done, in one sentence?",
            };
            outline.summary = Some(self.one(what, None)?);
        }
        if outline.fields.is_empty() {
            outline.fields = self.fields()?;
        }
        if outline.key.is_none() {
            let first = outline.fields.iter().find(|field| field.is_required).map(|field| field.name.clone());
            let usual = first.unwrap_or_else(|| usual_key(kind, name));
            outline.key = Some(self.one("Which field keeps related events in order?", Some(usual))?);
        }
        if outline.topic.is_none() {
            outline.topic = Some(self.one("Where is it published?", name.as_str().parse().ok())?);
        }
        if outline.ordering.is_none() {
            let what = "How far is order promised?";
            outline.ordering = Some(self.choice(what, Ordering::ALL, Ordering::PerKey)?);
        }
        if outline.compatibility.is_none() {
            let what = "Which versions can be read by readers of which others?";
            outline.compatibility = Some(self.choice(what, Compatibility::ALL, Compatibility::Backward)?);
        }
        Ok((owner, outline))
    }

    fn owner(&mut self, services: &[ServiceName]) -> Result<ServiceName, CliError> {
        let what = "Which service answers for its meaning?";
        match services {
            [] => self.one(what, None),
            [first, ..] => {
                let at = self.choose(what, services, first)?;
                Ok(services[at].clone())
            }
        }
    }

    fn fields(&mut self) -> Result<Vec<FieldOutline>, CliError> {
        self.say("What does it carry? A field a line, such as orderId:uuid! or total:decimal; Enter ends.");
        let mut fields: Vec<FieldOutline> = Vec::new();
        let mut tries = 0;
        while fields.len() < FIELDS_MAX && tries < TRIES_MAX {
            let line = self.line("field")?;
            if line.is_empty() {
                break;
            }
            match line.parse::<FieldOutline>() {
                Ok(field) if fields.iter().any(|other| other.name == field.name) => {
                    note(&format!("{} is there already", field.name));
                }
                Ok(field) => fields.push(field),
                Err(error) => {
                    tries += 1;
                    note(&error.to_string());
                }
            }
        }
        Ok(fields)
    }

    /// One value; the usual one for an empty answer.
    fn one<T: FromStr<Err: Display> + Display>(
        &mut self,
        what: &str,
        usual: Option<T>,
    ) -> Result<T, CliError> {
        let bracket = usual.as_ref().map(|usual| format!(" [{usual}]")).unwrap_or_default();
        self.say(&format!("{what}{bracket}"));
        let mut usual = usual;
        for _ in 0..TRIES_MAX {
            let line = self.line("")?;
            if line.is_empty() {
                match usual.take() {
                    Some(usual) => return Ok(usual),
                    None => note("this needs an answer"),
                }
                continue;
            }
            match line.parse() {
                Ok(value) => return Ok(value),
                Err(error) => note(&error.to_string()),
            }
        }
        Err(self.given_up())
    }

    fn choice<W: Copy + PartialEq + Display>(
        &mut self,
        what: &str,
        all: &[W],
        usual: W,
    ) -> Result<W, CliError> {
        let at = self.choose(what, all, &usual)?;
        Ok(all[at])
    }

    /// The index of what is chosen, by its number or its name.
    fn choose<T: PartialEq + Display>(
        &mut self,
        what: &str,
        all: &[T],
        usual: &T,
    ) -> Result<usize, CliError> {
        self.say(&format!("{what} [{usual}]"));
        for (index, one) in all.iter().enumerate() {
            note(&format!("{}) {one}", index + 1));
        }
        for _ in 0..TRIES_MAX {
            let line = self.line("")?;
            let number = line.parse::<usize>().ok().filter(|number| (1..=all.len()).contains(number));
            let found = match (line.as_str(), number) {
                ("", _) => all.iter().position(|one| one == usual),
                (_, Some(number)) => Some(number - 1),
                (word, None) => all.iter().position(|one| one.to_string() == word),
            };
            match found {
                Some(at) => return Ok(at),
                None => note(&format!("expected a number from 1 to {}, or a word of the list", all.len())),
            }
        }
        Err(self.given_up())
    }

    fn say(&mut self, what: &str) {
        self.asked += 1;
        prompt(&format!("{}. {what}\n", self.asked));
    }

    fn line(&mut self, word: &str) -> Result<String, CliError> {
        prompt(&format!("   {word}> "));
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        match read {
            Ok(0) => Err(CliError::usage(format!("the answers ended at question {}", self.asked))
                .hint("answer all, or say it by flags: --owner, --summary, --field, --key, --topic")),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(CliError::unreachable(format!("the answer cannot be read: {error}"))),
        }
    }

    fn given_up(&self) -> CliError {
        CliError::usage(format!("question {} has no answer", self.asked))
            .hint("say it by a flag; --help names them")
    }
}

fn note(text: &str) {
    prompt(&format!("   {}\n", printable_line(text)));
}

/// Questions go to standard error: standard output has the results.
fn prompt(text: &str) {
    let mut error = std::io::stderr();
    // A question that nobody sees gets no answer, and ends there.
    let _ = error.write_all(text.as_bytes()).and_then(|()| error.flush());
}
