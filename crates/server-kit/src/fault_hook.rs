//! The hook by which a test decides what goes wrong.

use std::fmt::Debug;

/// Decides which fault, if any, a server injects at a moment.
///
/// Each server defines its `Moment` (what is about to happen) and its `Fault` (what can go wrong
/// then). Many tasks call the hook at once and wait for its answer, so it must answer quickly.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use convoy_server_kit::FaultHook;
///
/// /// Drops every third request.
/// #[derive(Debug, Default)]
/// struct EveryThird(AtomicU32);
///
/// struct Drop;
///
/// impl FaultHook<&str, Drop> for EveryThird {
///     fn fault_for(&self, _request: &&str) -> Option<Drop> {
///         let earlier = self.0.fetch_add(1, Ordering::Relaxed);
///         (earlier % 3 == 2).then_some(Drop)
///     }
/// }
///
/// let hook = EveryThird::default();
/// assert!(hook.fault_for(&"first").is_none());
/// assert!(hook.fault_for(&"second").is_none());
/// assert!(hook.fault_for(&"third").is_some());
/// ```
pub trait FaultHook<Moment, Fault>: Debug + Send + Sync {
    /// Returns the fault to inject at a moment, `None` for none.
    fn fault_for(&self, moment: &Moment) -> Option<Fault>;
}
