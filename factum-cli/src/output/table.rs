//! Tables: aligned columns, numbers to the right, one column that gives way when the terminal is narrow.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Paint, Style, printable_line};

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
    /// Text that is cut when the line is too long, the rightmost first.
    Cut(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Left(head) | Self::Right(head) | Self::Cut(head) => head,
        }
    }
}

/// One field of a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(style: Style, text: impl AsRef<str>) -> Self {
        Self { text: printable_line(text.as_ref()), style }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(Style::Plain, text)
    }
}

/// Rows under heads.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    has_head: bool,
}

/// Between two columns.
const GAP: &str = "  ";
/// Narrower than this a cut column says nothing.
const CUT_WIDTH_MIN: usize = 12;

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), has_head: true }
    }

    pub(crate) fn without_head(mut self) -> Self {
        self.has_head = false;
        self
    }

    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn lines(&self, width: usize, paint: Paint) -> Vec<String> {
        self.lines_after(&mut Vec::new(), width, paint)
    }

    /// The same, with columns at least as wide as they were before: for rows that come bit by bit.
    pub(crate) fn lines_after(&self, before: &mut Vec<usize>, width: usize, paint: Paint) -> Vec<String> {
        let mut widths = self.widths();
        before.resize(widths.len(), 0);
        for (wide, before) in widths.iter_mut().zip(before.iter_mut()) {
            *wide = (*wide).max(*before);
            *before = *wide;
        }
        self.fit(&mut widths, width);
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        if self.has_head {
            let heads: Vec<Cell> =
                self.columns.iter().map(|column| Cell::styled(Style::Dim, column.head())).collect();
            lines.push(self.draw(&heads, &widths, width, paint));
        }
        lines.extend(self.rows.iter().map(|row| self.draw(row, &widths, width, paint)));
        lines
    }

    fn widths(&self) -> Vec<usize> {
        let head = |column: &Column| if self.has_head { column.head().width() } else { 0 };
        let mut widths: Vec<usize> = self.columns.iter().map(head).collect();
        for row in &self.rows {
            for (cell, wide) in row.iter().zip(&mut widths) {
                *wide = (*wide).max(cell.text.width());
            }
        }
        widths
    }

    /// Columns that may be cut give way from the right: names stand to the left of what is told of them.
    fn fit(&self, widths: &mut [usize], width: usize) {
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        for (column, wide) in self.columns.iter().zip(widths).rev() {
            if matches!(column, Column::Cut(_)) {
                let gives = wide.saturating_sub(CUT_WIDTH_MIN).min(over);
                (*wide, over) = (*wide - gives, over - gives);
            }
        }
    }

    fn draw(&self, row: &[Cell], widths: &[usize], width: usize, paint: Paint) -> String {
        let mut line = String::new();
        let mut left = width;
        let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
        for (at, cell) in row.iter().enumerate().take(last + 1) {
            if at > 0 {
                if left <= GAP.len() {
                    break;
                }
                line.push_str(GAP);
                left -= GAP.len();
            }
            let wide = widths[at].min(left);
            let text = cut(&cell.text, wide);
            let pad = " ".repeat(wide.saturating_sub(text.width()));
            let text = paint.style(cell.style, &text);
            match self.columns[at] {
                Column::Right(_) => line.extend([pad, text]),
                _ if at == last => line.push_str(&text),
                _ => line.extend([text, pad]),
            }
            left -= wide;
        }
        line
    }
}

/// Columns that a text takes on a terminal.
pub(crate) fn width_of(text: &str) -> usize {
    text.width()
}

/// The start of a text that is too wide, with an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { is_on: false };

    #[test]
    fn numbers_stand_to_the_right_and_long_text_is_cut() {
        let mut table = Table::new([Column::Left("name"), Column::Right("lag"), Column::Cut("error")]);
        table.row(["a".into(), "7".into(), "a long story of what went wrong".into()]);
        table.row(["payments".into(), "1,000".into(), Cell::default()]);
        let lines = table.lines(34, PLAIN);
        assert_eq!(
            lines,
            ["name        lag  error", "a             7  a long story of …", "payments  1,000"]
        );
        assert!(table.lines(usize::MAX, PLAIN)[1].ends_with("went wrong"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut table = Table::new([Column::Left("name"), Column::Cut("to"), Column::Cut("error")]);
        table.row(
            ["a-name-that-is-long", "somewhere-far-away", "a long story of what went wrong"].map(Cell::from),
        );
        for width in 1..90 {
            assert!(table.lines(width, PLAIN).iter().all(|line| line.width() <= width), "{width}");
        }
    }

    #[test]
    fn columns_that_come_bit_by_bit_only_grow() {
        let rows = |text: &str| {
            let mut table = Table::new([Column::Left("name"), Column::Cut("text")]).without_head();
            table.row([text.into(), "x".into()]);
            table
        };
        let mut widths = Vec::new();
        let mut line = |text: &str| rows(text).lines_after(&mut widths, usize::MAX, PLAIN).remove(0);
        assert_eq!([line("ab"), line("abcd"), line("a")], ["ab  x", "abcd  x", "a     x"]);
    }

    #[test]
    fn wide_characters_are_measured_as_terminals_show_them() {
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
