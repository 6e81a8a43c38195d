//! Pulling an image, with its progress told as it goes.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::containers::engine::{Cause, Engine, Error, failed};

/// How long the engine may be silent while it pulls.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes of an image that are here, of those known of so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Here.
    pub current: u64,
    /// Known of.
    pub total: u64,
}

impl Engine {
    /// Pulls an image; `first_word` is how long the registry may take to say that it has it.
    pub async fn pull(
        &self,
        image: &str,
        first_word: Duration,
        mut progress: impl FnMut(Pulled) + Send,
    ) -> Result<(), Error> {
        let intention = || format!("pull the image `{image}`");
        let options = CreateImageOptionsBuilder::default()
            .from_image(image)
            .build();
        let mut events = std::pin::pin!(self.docker.create_image(Some(options), None, None));
        let (mut layers, mut patience) = (Layers::default(), first_word);
        loop {
            match timeout(patience, events.next()).await {
                Ok(Some(Ok(event))) => {
                    layers.note(&event);
                    progress(layers.sum());
                }
                Ok(Some(Err(refused))) => return Err(failed(intention(), refused.into())),
                Ok(None) => return Ok(()),
                Err(_elapsed) => return Err(failed(intention(), Cause::Timeout(patience))),
            }
            patience = SILENCE;
        }
    }
}

/// Bytes by layer: each is told on its own, downloaded and then extracted.
#[derive(Debug, Default)]
struct Layers {
    downloads: BTreeMap<String, Pulled>,
}

impl Layers {
    fn note(&mut self, event: &CreateImageInfo) {
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
    fn progress_is_the_sum_of_the_layers() {
        let mut layers = Layers::default();
        layers.note(&event("a", "Downloading", 10, 100));
        layers.note(&event("b", "Downloading", 5, 50));
        layers.note(&event("a", "Download complete", 0, 0));
        layers.note(&event("a", "Extracting", 3, 100));
        let expected = Pulled {
            current: 105,
            total: 150,
        };
        assert_eq!(layers.sum(), expected);
    }

    #[test]
    fn a_negative_count_is_no_count() {
        let mut layers = Layers::default();
        layers.note(&event("a", "Downloading", -1, -1));
        assert_eq!(layers.sum(), Pulled::default());
    }
}
