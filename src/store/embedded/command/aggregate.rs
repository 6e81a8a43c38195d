//! `aggregate`

use super::super::bson::Builder;
use super::super::error::CommandError;
use super::{Call, Connection, Shared};

/// `aggregate`
pub fn aggregate(
    _shared: &Shared,
    _connection: &mut Connection,
    _call: &Call<'_>,
) -> Result<Builder, CommandError> {
    Err(CommandError::unsupported("aggregate"))
}
