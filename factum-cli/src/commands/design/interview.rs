//! Asks for what stands on the wall, and answers it as the text that one could have written.

use std::io::BufRead;

use crate::error::CliError;
use crate::output::{Output, Style};

/// Most facts of one interview: longer walls are written into a file.
const FACTS_MAX: usize = 200;

/// Asks until an empty answer; what comes out is a storm text, to be kept and read again.
pub(super) fn ask(mut answers: impl BufRead, out: &Output) -> Result<String, CliError> {
    let say = |text: &str| out.error_text(&out.paint_error().style(Style::Bold, text));
    let mut line = move |question: &str| -> Result<String, CliError> {
        say(question);
        let mut answer = String::new();
        let read = answers
            .read_line(&mut answer)
            .map_err(|error| CliError::unreachable(format!("the answer cannot be read: {error}")))?;
        if read == 0 {
            return Ok(String::new());
        }
        Ok(answer.trim().to_owned())
    };
    let system = line("1. What is the system called?")?;
    if system.is_empty() {
        return Err(CliError::refused("an interview needs answers, and there are none")
            .hint("answer line by line, or write a text: factum design wall.txt"));
    }
    let mut text = format!("system {system}\n");
    for number in 2..FACTS_MAX {
        let service =
            line(&format!("{number}. Which service does something next? (Enter when that is all)"))?;
        if service.is_empty() {
            break;
        }
        let trigger =
            line("   What makes it act? A request (\"place order\"), or an event (\"on order.placed\")")?;
        let outcome = line(
            "   What has happened then? (\"order.placed [orderId, total:decimal!]\"; | between alternatives, Enter for nothing)",
        )?;
        let calls = line("   Does it call something outside? (its name, or Enter)")?;
        let undoes = line(
            "   If this means that an earlier step failed: what undoes it? (\"order.paid with refund.payment\", or Enter)",
        )?;
        let mut fact = format!("{service}: {trigger}");
        if !outcome.is_empty() {
            fact.push_str(&format!(" -> {outcome}"));
        }
        if !undoes.is_empty() {
            fact.push_str(&format!(" ; compensates {undoes}"));
        }
        if !calls.is_empty() {
            fact.push_str(&format!(" ; calls {calls}"));
        }
        text.push_str(&fact);
        text.push('\n');
    }
    let load = line(
        "Last. How many events a second at the worst hour, and do the services share a database? (a sentence, or Enter)",
    )?;
    if !load.is_empty() {
        text.push_str(&load);
        text.push('\n');
    }
    Ok(text)
}
