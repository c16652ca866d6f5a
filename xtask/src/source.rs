//! Rust source taken apart into code and comments, so that rules look where they mean to look.
//!
//! A small lexer, not a parser: it knows comments, strings, characters and lifetimes, and keeps every line in its
//! place. Rules stay readable, and a file that does not compile can still be judged.

/// A file's code and its comments; both have the same lines, with blanks where the other stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Everything but comments and the insides of strings and characters.
    pub code: String,
    /// Comments alone.
    pub comments: String,
}

impl Source {
    /// Takes the text of a file apart.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut parts = Parts { text, code: Vec::new(), comments: Vec::new(), at: 0 };
        while parts.at < text.len() {
            parts.step();
        }
        let readable = |bytes| String::from_utf8(bytes).expect("whole characters were copied or blanked");
        Self { code: readable(parts.code), comments: readable(parts.comments) }
    }

    /// The code without items marked `#[cfg(test)]`.
    #[must_use]
    pub fn library(&self) -> String {
        let mut code = self.code.clone().into_bytes();
        let mut from = 0;
        while let Some(found) = find_test_item(&self.code[from..]) {
            let start = from + found;
            let end = end_of_item(&self.code, start);
            for byte in &mut code[start..end] {
                *byte = if *byte == b'\n' { b'\n' } else { b' ' };
            }
            from = end;
        }
        String::from_utf8(code).expect("whole items were blanked")
    }
}

/// The words of a line of code: names, keywords, numbers.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).filter(|word| !word.is_empty())
}

struct Parts<'a> {
    text: &'a str,
    code: Vec<u8>,
    comments: Vec<u8>,
    at: usize,
}

impl Parts<'_> {
    /// Takes the next comment, string, character or single byte.
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with("//") {
            self.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.comment(block_comment_len(rest));
        } else if let Some((open, len, close)) = self.string(rest) {
            self.literal(open, len, close);
        } else {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            self.code.extend_from_slice(&rest.as_bytes()[..len]);
            blank(&mut self.comments, &rest.as_bytes()[..len]);
            self.at += len;
        }
    }

    fn comment(&mut self, len: usize) {
        let bytes = &self.text.as_bytes()[self.at..self.at + len];
        blank(&mut self.code, bytes);
        self.comments.extend_from_slice(bytes);
        self.at += len;
    }

    /// Keeps the quotes in the code and blanks what they enclose.
    fn literal(&mut self, open: usize, len: usize, close: usize) {
        let bytes = &self.text.as_bytes()[self.at..self.at + len];
        let close = close.min(len - open);
        self.code.extend_from_slice(&bytes[..open]);
        blank(&mut self.code, &bytes[open..len - close]);
        self.code.extend_from_slice(&bytes[len - close..]);
        blank(&mut self.comments, bytes);
        self.at += len;
    }

    /// When a string or character begins here: the lengths of its opening, of the whole, and of its closing.
    fn string(&self, rest: &str) -> Option<(usize, usize, usize)> {
        let follows_name = self.text.as_bytes()[..self.at]
            .last()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let letters =
            if follows_name { 0 } else { rest.bytes().take_while(|byte| b"bcr".contains(byte)).count() };
        let body = &rest[letters..];
        if letters <= 2 && rest[..letters].ends_with('r') {
            let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
            let close = format!("\"{}", "#".repeat(hashes));
            let inside = body[hashes..].strip_prefix('"')?;
            let open = letters + hashes + 1;
            let len = inside.find(&close).map_or(rest.len(), |at| open + at + close.len());
            return Some((open, len, close.len()));
        }
        let letters = if letters <= 1 { letters } else { 0 };
        match rest.as_bytes().get(letters) {
            Some(b'"') => Some((letters + 1, letters + quoted_len(&rest[letters..], '"'), 1)),
            Some(b'\'') if is_character(&rest[letters..]) => {
                Some((letters + 1, letters + quoted_len(&rest[letters..], '\''), 1))
            }
            _ => None,
        }
    }
}

/// Blanks keep line breaks, so that line numbers stay true.
fn blank(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
}

fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a quoted text, quotes included.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

/// Whether a quote begins a character and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut letters = text.chars().skip(1);
    match letters.next() {
        Some('\\') => true,
        Some(_) => letters.next() == Some('\''),
        None => false,
    }
}

fn find_test_item(code: &str) -> Option<usize> {
    let forms = ["#[cfg(test)]", "#[cfg(all(test,", "#[cfg(any(test,"];
    forms.iter().filter_map(|form| code.find(form)).min()
}

/// Where the item that starts at `start` ends: after its block, or after its semicolon.
fn end_of_item(code: &str, start: usize) -> usize {
    let (mut depth, mut nested) = (0_usize, 0_usize);
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested = nested.saturating_sub(1),
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 && nested == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let source = Source::read("let a = \"x // y\"; // note \"z\"\n/* one /* two */ */ let b = 'c';\n");
        assert_eq!(source.code.lines().next().unwrap().trim_end(), "let a = \"      \";");
        assert_eq!(source.code.lines().nth(1).unwrap().trim(), "let b = ' ';");
        assert_eq!(source.comments.lines().next().unwrap().trim(), "// note \"z\"");
        assert_eq!(source.comments.lines().nth(1).unwrap().trim(), "/* one /* two */ */");
    }

    #[test]
    fn raw_strings_escapes_and_lifetimes_are_known() {
        let code = |text| Source::read(text).code;
        assert_eq!(code("r#\"a\"b\"# + x"), "r#\"   \"# + x");
        assert_eq!(code("br\"a\\\" + x"), "br\"  \" + x");
        assert_eq!(code(r#""a\"b" + x"#), "\"    \" + x");
        assert_eq!(code("fn f<'a>(x: &'a str) -> char { '\\'' }"), "fn f<'a>(x: &'a str) -> char { '  ' }");
        assert_eq!(code("b'\"' + x"), "b' ' + x");
        assert_eq!(code("r#type + for_r\"s\""), "r#type + for_r\" \"");
        assert_eq!(code("\"é\" + 'é'"), "\"  \" + '  '");
    }

    #[test]
    fn what_is_not_closed_ends_with_the_file() {
        for text in ["\"abc", "r#\"abc", "/* abc", "'\\", "\"", "r\"", "b'"] {
            assert_eq!(Source::read(text).code.len(), text.len(), "{text}");
        }
    }

    #[test]
    fn test_items_are_left_out_of_the_library() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}";
        let library = Source::read(text).library();
        let left: Vec<&str> = library.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(left, ["fn a() {}", "fn c() {}", "fn e() {}"]);
        assert_eq!(library.lines().count(), text.lines().count());
    }
}
