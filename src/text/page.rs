//! Width and colors of a terminal, or of a file, which has neither.

use textwrap::core::display_width;
use textwrap::{Options, WordSplitter};

/// Escape sequence that resets the color.
const RESET: &str = "\x1b[0m";

/// Between two items of a line.
const SEPARATOR: &str = " ·";

/// Lines are never wrapped to less than this.
const NARROWEST: usize = 20;

/// Meaning of a colored text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// A success: green.
    Good,
    /// A warning: yellow.
    Caution,
    /// A failure: bold red.
    Bad,
    /// A way on: bold cyan.
    Hint,
    /// A headline: bold.
    Strong,
}

impl Ink {
    fn escape_sequence(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Caution => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
            Self::Hint => "\x1b[1;36m",
            Self::Strong => "\x1b[1m",
        }
    }
}

/// Where a text goes: its width in columns, and whether it may have colors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    width: Option<usize>,
    colored: bool,
}

impl Page {
    /// A page of a width; without one, lines are not wrapped.
    pub fn new(width: Option<usize>, colored: bool) -> Self {
        let width = width.map(|width| width.max(NARROWEST));
        Self { width, colored }
    }

    /// Returns the number of columns; `None` if lines have no limit.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Returns whether a text of this many columns fits a line.
    pub fn fits(&self, columns: usize) -> bool {
        self.width.is_none_or(|width| columns <= width)
    }

    /// Returns a text in a color, or unchanged if the page has none.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        if self.colored {
            format!("{}{text}{RESET}", ink.escape_sequence())
        } else {
            text.to_owned()
        }
    }

    /// Wraps one paragraph between words; later lines start with `indent` blanks more than the first.
    /// Returns it with a final newline.
    pub fn paragraph(&self, text: &str, indent: usize) -> String {
        let text = text.trim_end();
        let Some(width) = self.width else {
            return format!("{text}\n");
        };
        let own = text.len() - text.trim_start_matches(' ').len();
        let (first, later) = (" ".repeat(own), " ".repeat(own + indent));
        let options = Options::new(width)
            .initial_indent(&first)
            .subsequent_indent(&later)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation);
        let mut lines = textwrap::wrap(&text[own..], options).join("\n");
        lines.push('\n');
        lines
    }

    /// Wraps each line of a text on its own.
    pub fn paragraphs(&self, text: &str, indent: usize) -> String {
        let lines = text.lines();
        lines.map(|line| self.paragraph(line, indent)).collect()
    }

    /// Joins items with ` · ` and breaks lines only between items, if each fits a line. Every line
    /// after the first starts with `indent` blanks. Returns them with a final newline.
    pub fn items<I: AsRef<str>>(
        &self,
        items: impl IntoIterator<Item = I>,
        indent: usize,
    ) -> String {
        let mut text = String::new();
        let mut line = String::new();
        let mut items = items.into_iter().peekable();
        while let Some(item) = items.next() {
            let item = item.as_ref();
            let rest = if items.peek().is_some() {
                SEPARATOR
            } else {
                ""
            };
            let columns = display_width(&line) + 1 + display_width(item) + display_width(rest);
            if !line.trim().is_empty() {
                if self.fits(columns) {
                    line.push(' ');
                } else {
                    text.push_str(&self.paragraph(&line, indent));
                    line = " ".repeat(indent);
                }
            }
            line.push_str(item);
            line.push_str(rest);
        }
        text.push_str(&self.paragraph(&line, indent));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrow(width: usize) -> Page {
        Page::new(Some(width), false)
    }

    #[test]
    fn text_without_a_width_is_not_wrapped() {
        let page = Page::default();
        let long = "a ".repeat(200);
        assert_eq!(page.paragraph(&long, 2), format!("{}\n", long.trim_end()));
        let items = vec!["stored 600"; 20];
        assert_eq!(page.items(&items, 2).lines().count(), 1);
    }

    #[test]
    fn words_and_items_are_not_broken() {
        for width in [20, 40, 80] {
            let page = narrow(width);
            let text = page.paragraph("end-to-end latency of the records that were stored", 2);
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&text).len(), 8, "{text}");
            let counts = ["emitted 600", "dead-lettered 0", "undelivered 12"];
            let items = page.items(counts, 2);
            for count in counts {
                assert!(items.contains(count), "{items}");
            }
            for line in text.lines().chain(items.lines()) {
                assert!(display_width(line) <= width, "{line}");
                assert!(!line.trim_start().starts_with('·'), "{line}");
            }
        }
    }

    #[test]
    fn wide_characters_count_two_columns_and_escape_sequences_none() {
        let wide = narrow(20).paragraph("車両車両車両 車両車両車両", 0);
        assert_eq!(wide.lines().count(), 2, "{wide}");
        let page = Page::new(Some(20), true);
        let painted = page.paint(Ink::Bad, "FAILED");
        assert_eq!(
            page.paragraph(&format!("{painted} with 85.9 ms"), 0)
                .lines()
                .count(),
            1
        );
    }

    #[test]
    fn indented_paragraph_keeps_its_indentation() {
        let text = narrow(20).paragraph("  one two three four five", 2);
        assert_eq!(text, "  one two three four\n    five\n");
    }

    #[test]
    fn plain_page_has_no_escape_sequences() {
        assert_eq!(Page::default().paint(Ink::Bad, "FAILED"), "FAILED");
    }
}
