//! Suggestions for mistyped names.

/// Names less similar than this (0 to 1) are not suggested.
const SIMILAR: f64 = 0.75;

/// Returns the known name that is most similar to a mistyped one, if any is similar enough.
pub(crate) fn most_similar<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known.as_str()))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_similar_names_are_suggested() {
        let known = ["vehicles", "rate"].map(str::to_owned);
        assert_eq!(most_similar("vehicels", &known), Some("vehicles"));
        assert_eq!(most_similar("xyz", &known), None);
    }
}
