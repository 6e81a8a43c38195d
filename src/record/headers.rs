//! Headers of a record.

use std::collections::BTreeMap;

/// Headers of a record in the order of the log. Names may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name.
    pub name: String,
    /// Value; `None` is null.
    pub value: Option<Vec<u8>>,
}

impl Headers {
    /// Returns the value of the last header with a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.0.iter().rev().filter(|header| header.name == name);
        named.find_map(|header| header.value.as_deref())
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<String>, value: Option<Vec<u8>>) {
        let name = name.into();
        self.0.push(Header { name, value });
    }

    /// Returns the headers in order.
    pub fn as_slice(&self) -> &[Header] {
        &self.0
    }
}

impl From<BTreeMap<String, Vec<u8>>> for Headers {
    fn from(headers: BTreeMap<String, Vec<u8>>) -> Self {
        let headers = headers.into_iter();
        let header = |(name, value)| Header {
            name,
            value: Some(value),
        };
        Self(headers.map(header).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_repeated_names() {
        let mut headers = Headers::default();
        for (name, value) in [("b", Some(b"1")), ("a", None), ("b", Some(b"2"))] {
            headers.push(name, value.map(|value| value.to_vec()));
        }
        let names: Vec<&str> = headers
            .as_slice()
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert_eq!(headers.get("b"), Some(&b"2"[..]));
        assert_eq!((headers.get("a"), headers.get("c")), (None, None));
    }
}
