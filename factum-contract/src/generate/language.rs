//! What TypeScript and Python have in common: which files there are, and how they begin.

use super::outline::{ModuleOutline, Outline};
use super::{Generated, GeneratedFile, MARK};

/// A language whose output is a folder of its own: an index, a module for each category, and what they stand on.
pub(super) struct Language {
    /// As `factum generate` calls it.
    pub(super) name: &'static str,
    /// What a comment begins with.
    pub(super) comment: &'static str,
    /// What names of files end with.
    pub(super) ending: &'static str,
    /// The index, without its ending.
    pub(super) index: &'static str,
    /// What every output stands on, file by file.
    pub(super) runtime: &'static [(&'static str, &'static str)],
}

impl Language {
    /// The first line of a file that is made from a system.
    pub(super) fn head(&self, system: &str) -> String {
        self.mark(&format!(" from the system {system}"))
    }

    fn mark(&self, source: &str) -> String {
        let Self { name, comment, .. } = self;
        format!("{comment} {MARK} {name}`{source}. Change the contracts, not this file.")
    }

    /// All files.
    pub(super) fn files<'c>(
        &self,
        outline: &Outline<'c>,
        index: String,
        module: impl Fn(&ModuleOutline<'c>) -> String,
    ) -> Generated {
        let file = |name: &str, text| GeneratedFile { path: format!("{name}.{}", self.ending), text };
        let runtime = self.runtime.iter().map(|(path, text)| GeneratedFile {
            path: (*path).to_owned(),
            text: format!("{}\n{text}", self.mark("")),
        });
        let modules = outline.modules.iter().map(|one| file(&one.name, module(one)));
        let mut files: Vec<GeneratedFile> = runtime.chain(modules).collect();
        files.push(file(self.index, index));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Generated { files, owns_folder: true }
    }
}
