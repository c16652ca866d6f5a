//! SQL files: one statement each, so that a file is a prepared statement and a name for it.

use crate::workspace::TextFile;

use super::finding;

/// Files that hold no statement, or several.
#[must_use]
pub fn not_one(files: &[TextFile]) -> Vec<String> {
    let counted = files.iter().map(|file| (file, count(&file.text)));
    counted
        .filter(|(_, count)| *count != 1)
        .map(|(file, count)| finding(&file.path, 1, &format!("holds {count} statements, not one")))
        .collect()
}

/// Counts statements: what stands between semicolons that are neither quoted, commented nor in a trigger's body.
fn count(sql: &str) -> usize {
    let plain = without_quotes(sql).to_lowercase();
    let (mut statements, mut in_body) = (0, false);
    for part in plain.split(';') {
        let words: Vec<&str> = part.split_whitespace().collect();
        if in_body {
            in_body = words.last() != Some(&"end");
            continue;
        }
        if words.is_empty() {
            continue;
        }
        statements += 1;
        let is_trigger = words[0] == "create" && words.iter().take(4).any(|word| *word == "trigger");
        in_body = is_trigger && words.contains(&"begin");
    }
    statements
}

/// Blanks comments, quoted text and dollar-quoted bodies.
fn without_quotes(sql: &str) -> String {
    let mut plain = String::new();
    let mut rest = sql;
    while let Some(letter) = rest.chars().next() {
        let end = if rest.starts_with("--") {
            rest.find('\n')
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|at| at + 2)
        } else if letter == '\'' || letter == '"' {
            rest[1..].find(letter).map(|at| at + 2)
        } else if let Some(tag) = dollar_tag(rest) {
            rest[tag.len()..].find(tag).map(|at| at + 2 * tag.len())
        } else {
            plain.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        // A quoted name counts as a word; a comment does not.
        plain.push_str(if letter == '-' || letter == '/' { " " } else { "quoted" });
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    plain
}

/// `$$` or `$name$`, and not a parameter such as `$1`.
fn dollar_tag(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let len = name.find('$')?;
    let is_name = |name: &str| {
        !name.starts_with(|letter: char| letter.is_ascii_digit())
            && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    is_name(&name[..len]).then(|| &text[..len + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted_as_a_database_would() {
        for one in [
            "select 1",
            "select ';' from \"a;b\"; -- the end; really\n",
            "/* a; b */ insert into t values ($1, $2)",
            "create function f() returns int as $$ begin; return 1; end $$ language plpgsql;",
            "create function f() returns int as $body$ a; b; $body$ language sql",
            "create trigger t after insert on a begin update b set n = 1; delete from c; end;",
            "select 'it''s; fine'",
        ] {
            assert_eq!(count(one), 1, "{one}");
        }
        assert_eq!(count("select 1; select 2;"), 2);
        assert_eq!(count("-- nothing\n"), 0);
        assert_eq!(count("create trigger t after insert on a begin select 1; end; select 2"), 2);
    }
}
