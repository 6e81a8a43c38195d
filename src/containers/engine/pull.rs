//! Pulls an image and reports progress.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::containers::engine::{Cause, Engine, Error, failed};

/// Timeout between two events of a pull.
const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// Progress of a pull.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Bytes downloaded.
    pub current: u64,
    /// Bytes of all layers known so far.
    pub total: u64,
}

impl Engine {
    /// Pulls an image. `first_timeout` is the timeout for the first event, with which the registry
    /// confirms that it has the image.
    pub async fn pull(
        &self,
        image: &str,
        first_timeout: Duration,
        mut progress: impl FnMut(Pulled) + Send,
    ) -> Result<(), Error> {
        let action = || format!("pull the image `{image}`");
        let options = CreateImageOptionsBuilder::default()
            .from_image(image)
            .build();
        let mut events = std::pin::pin!(self.docker.create_image(Some(options), None, None));
        let (mut layers, mut deadline) = (Layers::default(), first_timeout);
        loop {
            match timeout(deadline, events.next()).await {
                Ok(Some(Ok(event))) => {
                    layers.update(&event);
                    progress(layers.sum());
                }
                Ok(Some(Err(refused))) => return Err(failed(action(), refused.into())),
                Ok(None) => return Ok(()),
                Err(_elapsed) => return Err(failed(action(), Cause::Timeout(deadline))),
            }
            deadline = EVENT_TIMEOUT;
        }
    }
}

/// Progress by layer; the engine reports each one separately.
#[derive(Debug, Default)]
struct Layers {
    downloads: BTreeMap<String, Pulled>,
}

impl Layers {
    fn update(&mut self, event: &CreateImageInfo) {
        let (Some(layer), Some(status)) = (&event.id, &event.status) else {
            return;
        };
        if let ("Downloading", Some(detail)) = (status.as_str(), &event.progress_detail) {
            let bytes = |count: Option<i64>| u64::try_from(count.unwrap_or(0)).unwrap_or(0);
            let pulled = Pulled {
                current: bytes(detail.current),
                total: bytes(detail.total),
            };
            self.downloads.insert(layer.clone(), pulled);
        } else if let ("Download complete", Some(pulled)) =
            (status.as_str(), self.downloads.get_mut(layer))
        {
            pulled.current = pulled.total;
        }
    }

    fn sum(&self) -> Pulled {
        self.downloads
            .values()
            .fold(Pulled::default(), |sum, layer| Pulled {
                current: sum.current.saturating_add(layer.current),
                total: sum.total.saturating_add(layer.total),
            })
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn event(layer: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(layer.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            error_detail: None,
        }
    }

    #[test]
    fn progress_is_the_sum_of_all_layers() {
        let mut layers = Layers::default();
        layers.update(&event("a", "Downloading", 10, 100));
        layers.update(&event("b", "Downloading", 5, 50));
        layers.update(&event("a", "Download complete", 0, 0));
        layers.update(&event("a", "Extracting", 3, 100));
        let expected = Pulled {
            current: 105,
            total: 150,
        };
        assert_eq!(layers.sum(), expected);
    }

    #[test]
    fn negative_count_is_ignored() {
        let mut layers = Layers::default();
        layers.update(&event("a", "Downloading", -1, -1));
        assert_eq!(layers.sum(), Pulled::default());
    }
}
