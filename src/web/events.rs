//! Server-sent events.

use std::convert::Infallible;

use futures_util::stream::{self, Stream};
use hyper::body::{Bytes, Frame};
use tokio::sync::watch;

/// The newest event. A browser that is slow misses older ones, because each replaces the last.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    /// Number of the event, from 1; 0 before the first.
    pub(super) number: u64,
    text: Bytes,
    /// Whether no event follows.
    last: bool,
}

impl Event {
    /// Replaces the event with the one after it, and returns whether there can be one.
    pub(super) fn advance(&mut self, name: &str, data: &str, last: bool) -> bool {
        if self.last {
            return false;
        }
        let number = self.number + 1;
        // A line break would end the data.
        let data = data.replace(['\n', '\r'], " ");
        *self = Self {
            number,
            text: format!("id: {number}\nevent: {name}\ndata: {data}\n\n").into(),
            last,
        };
        true
    }
}

/// Returns the events from now on, up to the last one.
pub(super) fn stream(
    events: watch::Receiver<Event>,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::unfold(Some(events), |events| async {
        let mut events = events?;
        events.changed().await.ok()?;
        let event = events.borrow_and_update().clone();
        let rest = (!event.last).then_some(events);
        Some((Ok(Frame::data(event.text)), rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_follows_the_last_one() {
        let mut event = Event::default();
        assert!(event.advance("second", "{}", false));
        assert!(event.advance("end", "{}", true));
        assert!(!event.advance("second", "{}", false));
        assert!(event.last);
        assert_eq!(event.number, 2);
    }
}
