//! The repository's own rules, applied to the repository. The rules themselves are in `xtask/src/tidy`.

mod this_workspace {
    //! Named so that the test command can leave these out where tidy has run before.

    use xtask::tidy::{crates, documents, examples, files, guard, layers, names, quotes, statements};
    use xtask::workspace::{TextFile, Workspace};

    fn workspace() -> Workspace {
        Workspace::find().expect("the workspace can be read")
    }

    fn read(endings: &[&str]) -> Vec<TextFile> {
        workspace().files(endings).expect("its files can be read")
    }

    fn rust() -> Vec<TextFile> {
        read(&[".rs"])
    }

    #[track_caller]
    fn none(findings: Vec<String>) {
        assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    }

    #[test]
    fn crates_import_only_what_the_architecture_allows() {
        none(crates::forbidden_edges(&workspace().members));
    }

    #[test]
    fn programs_leave_the_guests_of_tools_at_home() {
        none(crates::tools_in_programs(&workspace().guests("factum").expect("cargo lists them")));
    }

    #[test]
    fn folders_are_named_after_their_crates() {
        none(crates::folders_named_otherwise(&workspace().members));
    }

    #[test]
    fn manifests_inherit_from_the_workspace() {
        let mut manifests = read(&["Cargo.toml"]);
        // Peers are measured with what they lock themselves, outside of the workspace.
        manifests.retain(|manifest| !manifest.path.starts_with("bench/peers/"));
        none(crates::own_settings(&manifests));
    }

    #[test]
    fn files_are_short() {
        none(files::too_long(&rust()));
    }

    #[test]
    fn examples_of_one_pattern_are_short() {
        none(examples::too_long(&rust()));
    }

    #[test]
    fn modules_say_what_they_are() {
        none(files::not_introduced(&rust()));
    }

    #[test]
    fn modules_are_files_with_a_name() {
        none(files::named_mod(&rust()));
    }

    #[test]
    fn open_notes_name_an_issue() {
        none(files::open_notes(&rust()));
    }

    #[test]
    fn nothing_is_skipped_in_silence() {
        none(files::silent_skips(&rust()));
    }

    #[test]
    fn libraries_do_not_unwrap() {
        none(guard::unwraps(&rust()));
    }

    #[test]
    fn queues_have_a_maximum() {
        none(guard::unbounded_queues(&rust()));
    }

    #[test]
    fn names_say_something() {
        none(names::that_say_nothing(&rust()));
    }

    #[test]
    fn layers_of_the_flagship_look_down() {
        none(layers::upward_imports(&rust()));
    }

    #[test]
    fn sql_files_hold_one_statement() {
        none(statements::not_one(&read(&[".sql"])));
    }

    #[test]
    fn links_lead_somewhere() {
        let workspace = workspace();
        none(documents::dead_links(&read(&[".md"]), |path| workspace.root.join(path).exists()));
    }

    #[test]
    fn code_in_documents_is_compiled() {
        let workspace = workspace();
        none(quotes::misquoted(&read(&[".md"]), |path| workspace.file(path).ok().map(|file| file.text)));
    }

    #[test]
    fn no_file_names_a_machines_path() {
        none(documents::machine_paths(&read(&[
            ".md", ".rs", ".toml", ".yml", ".yaml", ".sql", ".sh", ".html",
        ])));
    }

    #[test]
    fn the_change_log_waits_for_the_next_change() {
        none(documents::no_unreleased_section(
            &workspace().file("CHANGELOG.md").expect("there is a change log"),
        ));
    }

    #[test]
    fn decisions_are_listed() {
        let index = workspace().file("docs/decisions/README.md").expect("there is an index");
        let mut pages = read(&[".md"]);
        pages.retain(|page| page.path.starts_with("docs/decisions/"));
        none(documents::unlisted_decisions(&index, &pages));
    }
}
