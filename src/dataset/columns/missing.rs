//! Markers of missing values.

use std::fmt;

/// Cells without a value in files of pandas, R, SQL, spreadsheets and loggers.
const USUAL: [&str; 18] = [
    "", "na", "NA", "n/a", "N/A", "<NA>", "nan", "NaN", "NAN", "-nan", "-NaN", "null", "NULL",
    "None", "-", "?", "#N/A", "#NA",
];

/// The label of rows whose label is missing, in counts of labels.
pub const MISSING_LABEL: &str = "(missing)";

/// The cells that have no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    texts: Vec<String>,
    /// Whether a marker starts with this byte. Few numbers start as a marker does.
    first: [bool; 256],
    empty: bool,
    longest: usize,
}

impl Markers {
    /// Takes these texts and no others.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut markers = Self {
            texts: Vec::new(),
            first: [false; 256],
            empty: false,
            longest: 0,
        };
        for text in texts {
            markers.insert(text);
        }
        markers
    }

    fn insert(&mut self, text: String) {
        match text.as_bytes().first() {
            None => self.empty = true,
            Some(&byte) => self.first[usize::from(byte)] = true,
        }
        self.longest = self.longest.max(text.len());
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }

    /// Returns whether a cell has no value.
    #[inline]
    pub fn contains(&self, cell: &str) -> bool {
        match cell.as_bytes().first() {
            None => self.empty,
            Some(&byte) => {
                self.first[usize::from(byte)]
                    && cell.len() <= self.longest
                    && self.texts.iter().any(|text| text == cell)
            }
        }
    }

    /// Returns the index of a marker among [`Self::texts`].
    pub(in crate::dataset) fn position(&self, cell: &str) -> Option<usize> {
        if !self.contains(cell) {
            return None;
        }
        self.texts.iter().position(|text| text == cell)
    }

    /// Returns the markers.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl Default for Markers {
    /// The usual markers.
    fn default() -> Self {
        Self::new(USUAL.map(str::to_owned))
    }
}

impl fmt::Display for Markers {
    /// Writes the markers in a row: "empty, `na`, `NA`".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.texts.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            match text.as_str() {
                "" => write!(out, "{comma}empty")?,
                text => write!(out, "{comma}`{text}`")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_markers_are_missing_and_their_neighbours_are_not() {
        let markers = Markers::default();
        for text in [
            "", "na", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "-", "?", "#N/A",
        ] {
            assert!(markers.contains(text), "{text}");
        }
        for text in ["-1", "0", "nation", "nul", "N", "--", "??", "#", "Nan", " "] {
            assert!(!markers.contains(text), "{text}");
        }
    }

    #[test]
    fn markers_are_listed_once() {
        let markers = Markers::new(["", "x", "x"].map(str::to_owned));
        assert_eq!(markers.to_string(), "empty, `x`");
        assert_eq!(markers.position("x"), Some(1));
        assert_eq!(markers.position("y"), None);
    }
}
