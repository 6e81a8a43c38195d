//! The versions of each request that a broker has.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use convoy_kafka_server::protocol::FieldError;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiKey;

use crate::broker::wire::error::Reason;
use crate::broker::wire::request::Response;

/// Versions of the request for versions.
pub const API_VERSIONS: RangeInclusive<i16> = 0..=3;

/// First and last version of each request by its number.
#[derive(Debug, Default)]
pub struct Versions(BTreeMap<i16, (i16, i16)>);

impl Versions {
    /// Returns the highest common version.
    pub fn highest(&self, api: ApiKey, ours: RangeInclusive<i16>) -> Result<i16, Reason> {
        let theirs = self.0.get(&(api as i16)).copied();
        let common = theirs.filter(|(first, last)| first <= ours.end() && last >= ours.start());
        match common {
            Some((_first, last)) => Ok(last.min(*ours.end())),
            None => Err(Reason::Version { api, ours, theirs }),
        }
    }

    /// Decodes a response; returns the error code with what it contains.
    ///
    /// A broker that does not know the version of the request responds in version 0.
    pub fn decode(response: &Response) -> Result<(i16, Self), FieldError> {
        let mut reader = response.reader();
        let code = reader.i16()?;
        if code == ResponseError::UnsupportedVersion.code() {
            reader.set_flexible(false);
        }
        let versions = reader.array(|reader| {
            let api = reader.i16()?;
            let versions = (reader.i16()?, reader.i16()?);
            reader.tags()?;
            Ok((api, versions))
        })?;
        Ok((code, Self(versions.into_iter().collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(first: i16, last: i16) -> Versions {
        Versions(BTreeMap::from([(ApiKey::Fetch as i16, (first, last))]))
    }

    #[test]
    fn highest_common_version_is_chosen() {
        for (first, last, expected) in [
            (0, 17, Some(12)),
            (4, 4, Some(4)),
            (0, 11, Some(11)),
            (12, 17, Some(12)),
            (0, 3, None),
            (13, 17, None),
        ] {
            let highest = versions(first, last).highest(ApiKey::Fetch, 4..=12);
            assert_eq!(highest.ok(), expected, "{first} to {last}");
        }
        let missing = versions(0, 9).highest(ApiKey::Produce, 3..=9).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the broker has no version of Produce from 3 to 9"
        );
    }
}
