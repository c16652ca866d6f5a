//! A specification in any of the forms that teams write: its slices, and what must be true of each.
//!
//! Reads slices with checklists, user stories of spec-kit, requirements of OpenSpec and Kiro, and Gherkin, all in one pass:
//! specifications mix them. What looks like a criterion and is none (in a fence, a quote, a comment, outside a slice) is
//! listed with its line and the reason: nothing is skipped in silence.

use serde::Serialize;

use super::criterion::{self, Criterion};
use super::headings::{self, Start};
use super::lines::{self, Kind, Line};
use super::risk::{self, Risk};

/// Largest specification that is read.
pub const SPEC_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A specification.
#[derive(Debug, Clone, Serialize)]
pub struct Spec {
    /// The file, as it was given.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Which form most of it has.
    pub form: Form,
    /// Its slices, in the order of the file.
    pub slices: Vec<Slice>,
    /// Requirements and measures of the whole: FR-001, SC-002 and their like.
    pub requirements: Vec<Criterion>,
    /// The risk that it says, and where.
    pub risk: Option<(Risk, usize)>,
    /// What looks like a criterion and was not taken.
    pub skipped: Vec<Skipped>,
}

/// The form of a specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `## Slice 2: name` with checklists.
    Slices,
    /// User stories of spec-kit.
    SpecKit,
    /// Requirements and scenarios of OpenSpec.
    OpenSpec,
    /// Requirements of Kiro.
    Kiro,
    /// A feature file.
    Gherkin,
    /// A checklist without slices: each heading is one.
    Checklist,
}

/// A part of a specification that is built in one go.
#[derive(Debug, Clone, Serialize)]
pub struct Slice {
    /// What people call it: `2`, `US1`.
    pub id: String,
    /// Its number for file names.
    pub ordinal: String,
    /// Its name.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
    /// What must be true.
    pub criteria: Vec<Criterion>,
    /// What else it says.
    pub text: Vec<(usize, String)>,
    /// The risk that it says, and where.
    pub risk: Option<(Risk, usize)>,
}

/// Something that looks like a criterion and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
    /// Why it was not taken.
    pub reason: &'static str,
}

/// Why a specification cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It is not text.
    #[error(
        "{path} is not text: expected a specification in Markdown or Gherkin, found a byte that is no UTF-8 at {at}"
    )]
    Binary {
        /// The file.
        path: String,
        /// The place of the byte.
        at: usize,
    },
    /// It is too long.
    #[error("{path} has {bytes} bytes, over {SPEC_BYTES_MAX}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: usize,
    },
    /// There is nothing to plan in it.
    #[error(
        "{path} has no slice with a criterion: read {lines} lines, {headings} headings and {skipped} skipped lines"
    )]
    Empty {
        /// The file.
        path: String,
        /// Lines that were read.
        lines: usize,
        /// Headings among them.
        headings: usize,
        /// Lines that look like a criterion and were not taken.
        skipped: usize,
    },
}

impl SpecError {
    /// What to type next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Binary { .. } => "pass the specification itself, such as docs/specs/orders.md",
            Self::TooLarge { .. } => "split it: one specification for each feature",
            Self::Empty { .. } => "write `## Slice 1: name`, and below it `- [ ] what must be true`",
        }
    }
}

/// Reads a specification.
///
/// # Errors
/// When it is no text, or has nothing to plan.
pub fn read(path: &str, bytes: &[u8]) -> Result<Spec, SpecError> {
    if bytes.len() > SPEC_BYTES_MAX {
        return Err(SpecError::TooLarge { path: path.to_owned(), bytes: bytes.len() });
    }
    let binary = |at| SpecError::Binary { path: path.to_owned(), at };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(binary(at));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| binary(error.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = lines::read(text, path);
    let mut reader = Reader::new(path);
    lines.iter().for_each(|line| reader.line(line));
    let spec = reader.end();
    if spec.slices.iter().all(|slice| slice.criteria.is_empty()) {
        let headings = lines.iter().filter(|line| matches!(line.kind, Kind::Heading(_))).count();
        return Err(SpecError::Empty {
            path: path.to_owned(),
            lines: lines.len(),
            headings,
            skipped: spec.skipped.len(),
        });
    }
    Ok(spec)
}

/// A criterion that stands outside any slice, with the heading above it.
struct Loose {
    heading: (usize, String),
    criterion: Criterion,
}

struct Reader {
    spec: Spec,
    /// The slice that lines belong to, with the level of its heading.
    open: Option<(u8, Slice)>,
    /// The last heading.
    heading: (usize, String),
    /// Whether list items are criteria, by a label above them.
    in_criteria: bool,
    /// A scenario that is being read, step by step.
    scenario: Option<Criterion>,
    loose: Vec<Loose>,
    forms: Vec<Form>,
    /// Whether the last line was an item that its continuation belongs to.
    goes_on: bool,
    /// The group that criteria belong to: a heading inside the slice.
    group: Option<String>,
}

impl Reader {
    fn new(path: &str) -> Self {
        let spec = Spec {
            path: path.to_owned(),
            title: String::new(),
            form: Form::Checklist,
            slices: Vec::new(),
            requirements: Vec::new(),
            risk: None,
            skipped: Vec::new(),
        };
        Self {
            spec,
            open: None,
            heading: (1, String::new()),
            in_criteria: false,
            scenario: None,
            loose: Vec::new(),
            forms: Vec::new(),
            goes_on: false,
            group: None,
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        match &line.kind {
            Kind::Blank => self.goes_on = false,
            Kind::Hidden(reason) => {
                if criterion::looks_like_one(line.text) {
                    self.skip(line, reason);
                }
            }
            Kind::Heading(level) => self.heading(line, *level),
            Kind::Gherkin => self.gherkin(line),
            Kind::Text => self.text(line),
        }
    }

    fn heading(&mut self, line: &Line<'_>, level: u8) {
        self.end_scenario();
        self.goes_on = false;
        let text = headings::plain(line.text);
        if let Some(start) = headings::start(&text) {
            self.begin(line, level, start);
            return;
        }
        if let Some(name) = headings::scenario(&text) {
            self.forms.push(Form::OpenSpec);
            self.scenario = Some(Criterion::scenario(line.number, name));
            return;
        }
        self.in_criteria = headings::is_criteria(&text);
        if let Some((risk, _)) = risk::of_line(&text).map(|risk| (risk, line.number)) {
            self.set_risk(risk, line.number);
        }
        if self.spec.title.is_empty() && level == 1 {
            self.spec.title = headings::title(&text);
        }
        if self.open.as_ref().is_some_and(|(open, _)| level <= *open) {
            self.close();
        }
        if self.open.is_some() {
            self.group = (!self.in_criteria).then(|| text.clone());
        }
        self.heading = (line.number, text);
    }

    fn begin(&mut self, line: &Line<'_>, level: u8, start: Start) {
        self.end_scenario();
        self.close();
        self.forms.push(start.form);
        let ordinal = start.ordinal.unwrap_or_else(|| (self.spec.slices.len() + 1).to_string());
        let id = format!("{}{ordinal}", start.prefix);
        let slice = Slice {
            id,
            ordinal,
            name: if start.name.is_empty() { headings::plain(line.text) } else { start.name },
            line: line.number,
            criteria: Vec::new(),
            text: Vec::new(),
            risk: None,
        };
        self.open = Some((level, slice));
        self.in_criteria = start.form == Form::Kiro && line.text.to_lowercase().contains("criteria");
        self.group = None;
        self.heading = (line.number, headings::plain(line.text));
    }

    fn text(&mut self, line: &Line<'_>) {
        // `**Slice 2: name**` on a line of its own is a heading for people.
        if let Some(start) = headings::bold(line.text).and_then(|text| headings::start(&text)) {
            self.begin(line, 6, start);
            return;
        }
        if let Some(risk) = risk::of_line(line.text) {
            self.set_risk(risk, line.number);
        }
        if let Some(item) = criterion::item(line.text) {
            self.item(line, &item);
            return;
        }
        if criterion::is_row(line.text) {
            if self.in_criteria
                && let Some(found) = criterion::of_row(line.number, line.text)
            {
                self.keep(found);
            }
            return;
        }
        if let Some(step) = criterion::step(line.text)
            && self.step(line, &step)
        {
            return;
        }
        if headings::is_label(line.text) {
            self.end_scenario();
            self.in_criteria = headings::is_criteria(&headings::plain(line.text));
            self.goes_on = false;
            return;
        }
        if self.goes_on && line.indent > 0 {
            let text = line.text.trim();
            let last = self.open.as_mut().map_or_else(
                || self.loose.last_mut().map(|loose| &mut loose.criterion),
                |(_, slice)| slice.criteria.last_mut(),
            );
            if let Some(last) = last {
                last.append(text);
                return;
            }
        }
        self.goes_on = false;
        if let Some(found) = criterion::numbered(line.number, line.text) {
            self.requirement_or(found);
            return;
        }
        if let Some((_, slice)) = &mut self.open {
            slice.text.push((line.number, line.text.trim().to_owned()));
        }
    }

    fn item(&mut self, line: &Line<'_>, item: &criterion::Item<'_>) {
        if let Some(is_done) = item.tick {
            self.end_scenario();
            if item.text.is_empty() {
                self.skip(line, "the box has no text");
                return;
            }
            let mut found = criterion::numbered(line.number, item.text)
                .unwrap_or_else(|| Criterion::of(line.number, item.text));
            found.is_done = is_done;
            self.keep(found);
            return;
        }
        if let Some(step) = criterion::step(item.text)
            && self.step(line, &step)
        {
            return;
        }
        if let Some(found) = criterion::numbered(line.number, item.text) {
            self.requirement_or(found);
            return;
        }
        if criterion::is_ears(item.text) || (self.in_criteria && line.indent < 4) {
            if criterion::is_ears(item.text) {
                self.forms.push(Form::Kiro);
            }
            self.keep(Criterion::of(line.number, item.text));
            return;
        }
        if let Some((_, slice)) = &mut self.open {
            slice.text.push((line.number, item.text.to_owned()));
        }
    }

    /// FR-001 and SC-001 belong to the whole, AC-1 to its slice.
    fn requirement_or(&mut self, found: Criterion) {
        let is_whole = found
            .id
            .as_deref()
            .is_some_and(|id| id.starts_with("FR") || id.starts_with("SC") || id.starts_with("NFR"));
        if is_whole && self.open.is_none() {
            self.forms.push(Form::SpecKit);
            self.spec.requirements.push(found);
        } else {
            self.keep(found);
        }
    }

    /// A step of a scenario; says whether the line was one.
    fn step(&mut self, line: &Line<'_>, step: &criterion::Step<'_>) -> bool {
        if step.is_whole() {
            self.end_scenario();
            self.keep(Criterion::of_steps(line.number, step));
            return true;
        }
        if let Some(scenario) = &mut self.scenario {
            scenario.add(step);
            return true;
        }
        if step.is_first() && (self.open.is_some() || self.in_criteria) {
            let mut scenario = Criterion::scenario(line.number, String::new());
            scenario.add(step);
            self.scenario = Some(scenario);
            return true;
        }
        false
    }

    fn gherkin(&mut self, line: &Line<'_>) {
        let text = line.text.trim();
        let Some((word, rest)) = criterion::keyword(text) else {
            if let Some(step) = criterion::step(text)
                && let Some(scenario) = &mut self.scenario
            {
                scenario.add(&step);
            }
            return;
        };
        self.end_scenario();
        match word {
            "feature" => {
                self.forms.push(Form::Gherkin);
                if self.spec.title.is_empty() {
                    self.spec.title = rest.to_owned();
                }
            }
            "rule" => {
                self.forms.push(Form::Gherkin);
                let slice = Start { form: Form::Gherkin, prefix: "", ordinal: None, name: rest.to_owned() };
                self.begin(line, 1, slice);
            }
            "background" => {}
            _ => {
                self.scenario = Some(Criterion::scenario(line.number, rest.to_owned()));
            }
        }
    }

    fn keep(&mut self, mut criterion: Criterion) {
        self.goes_on = true;
        criterion.group.clone_from(&self.group);
        match &mut self.open {
            Some((_, slice)) => slice.criteria.push(criterion),
            None => self.loose.push(Loose { heading: self.heading.clone(), criterion }),
        }
    }

    fn end_scenario(&mut self) {
        if let Some(scenario) = self.scenario.take()
            && scenario.has_steps()
        {
            self.keep(scenario);
        }
    }

    fn close(&mut self) {
        self.group = None;
        if let Some((_, slice)) = self.open.take() {
            self.spec.slices.push(slice);
        }
    }

    fn set_risk(&mut self, risk: Risk, line: usize) {
        match &mut self.open {
            Some((_, slice)) => slice.risk = slice.risk.or(Some((risk, line))),
            None => self.spec.risk = self.spec.risk.or(Some((risk, line))),
        }
    }

    fn skip(&mut self, line: &Line<'_>, reason: &'static str) {
        self.spec.skipped.push(Skipped { line: line.number, text: line.text.trim().to_owned(), reason });
    }

    fn end(mut self) -> Spec {
        self.end_scenario();
        self.close();
        let gherkin = self.forms.contains(&Form::Gherkin);
        let is_whole = self.spec.slices.is_empty();
        for loose in std::mem::take(&mut self.loose) {
            if !is_whole {
                let text = loose.criterion.text.clone();
                self.spec.skipped.push(Skipped {
                    line: loose.criterion.line,
                    text,
                    reason: "it stands outside any slice",
                });
                continue;
            }
            let (line, name) =
                if gherkin { (loose.criterion.line, loose.criterion.text.clone()) } else { loose.heading };
            match self.spec.slices.iter_mut().find(|slice| slice.line == line) {
                Some(slice) => slice.criteria.push(loose.criterion),
                None => {
                    let ordinal = (self.spec.slices.len() + 1).to_string();
                    let name = if name.is_empty() { "all of it".to_owned() } else { name };
                    self.spec.slices.push(Slice {
                        id: ordinal.clone(),
                        ordinal,
                        name,
                        line,
                        criteria: vec![loose.criterion],
                        text: Vec::new(),
                        risk: None,
                    });
                }
            }
        }
        self.spec.skipped.sort_by_key(|skipped| skipped.line);
        let most = [Form::SpecKit, Form::OpenSpec, Form::Kiro, Form::Gherkin, Form::Slices]
            .into_iter()
            .max_by_key(|form| self.forms.iter().filter(|known| *known == form).count());
        self.spec.form = match most {
            Some(form) if self.forms.contains(&form) => form,
            _ => Form::Checklist,
        };
        if self.spec.title.is_empty() {
            let stem = self.spec.path.rsplit('/').next().unwrap_or_default();
            self.spec.title = stem.split('.').next().unwrap_or(stem).to_owned();
        }
        self.spec
    }
}

impl Spec {
    /// The slice that people mean by `2`, `US1` or a piece of its name.
    #[must_use]
    pub fn slice(&self, wanted: &str) -> Option<&Slice> {
        let wanted = wanted.trim();
        let folded = wanted.to_lowercase();
        let same = |text: &str| text.to_lowercase() == folded;
        let by_id = self.slices.iter().find(|slice| {
            same(&slice.id) || same(&slice.ordinal) || same(&format!("slice {}", slice.ordinal))
        });
        by_id.or_else(|| self.slices.iter().find(|slice| same(&slice.name))).or_else(|| {
            let mut near = self
                .slices
                .iter()
                .filter(|slice| folded.len() >= 3 && slice.name.to_lowercase().contains(&folded));
            let first = near.next()?;
            near.next().is_none().then_some(first)
        })
    }

    /// What the feature is called in file names.
    #[must_use]
    pub fn feature(&self) -> String {
        const SAYS_NOTHING: [&str; 10] = [
            "spec",
            "specs",
            "specification",
            "requirements",
            "readme",
            "feature",
            "docs",
            "index",
            "prd",
            "design",
        ];
        let parts: Vec<&str> = self.path.split(['/', '\\']).collect();
        let mut names: Vec<String> = Vec::new();
        if let Some((file, folders)) = parts.split_last() {
            names.push(file.split('.').next().unwrap_or_default().to_owned());
            names.extend(folders.last().map(|folder| (*folder).to_owned()));
        }
        names.push(self.title.clone());
        let slugs = names
            .iter()
            .map(|name| slug(name.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '_')));
        let mut slugs = slugs.filter(|slug| !slug.is_empty() && !SAYS_NOTHING.contains(&slug.as_str()));
        slugs.next().unwrap_or_else(|| "feature".to_owned())
    }
}

/// Words for a file's name.
pub(crate) fn slug(text: &str) -> String {
    let words = crate::design::phrase::words(text);
    let words: Vec<String> =
        words.iter().map(|word| word.chars().filter(char::is_ascii_alphanumeric).collect()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).take(8).collect();
    words.join("-")
}
