//! The error code for a producer that a newer one has replaced, by version.

use kafka_protocol::error::ResponseError;

/// Old clients know only that their epoch is invalid.
pub fn known_since(error: ResponseError, since: i16, version: i16) -> ResponseError {
    if error == ResponseError::ProducerFenced && version < since {
        ResponseError::InvalidProducerEpoch
    } else {
        error
    }
}
