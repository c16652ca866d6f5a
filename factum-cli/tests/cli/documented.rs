//! docs/cli.md says what `--json` prints, and nothing else is printed.
