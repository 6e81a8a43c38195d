//! What a fleet emits, from the settings: the rows, their topics, the schedule.

use crate::dataset::Dataset;
use crate::error::Error;
use crate::fleet::{self, Shard};
use crate::pipeline::Workload;
use crate::record::RESERVED_FIELDS;
use crate::settings::LoadSettings;

/// Opens the dataset; returns its rows and the topics that they go to.
pub fn open(load: &LoadSettings, topic: Option<&str>) -> Result<(Workload, Vec<String>), Error> {
    let datasets = Dataset::open(&load.dataset)?;
    for dataset in &datasets {
        dataset.schema().check_field_names(&RESERVED_FIELDS)?;
    }
    let topics = topics(topic, &datasets)?;
    Ok((Workload::new(datasets), topics))
}

/// Returns the schedule of a fleet, or of a part of it.
pub fn fleet(load: &LoadSettings, workload: &Workload, shard: Option<Shard>) -> fleet::Settings {
    fleet::Settings {
        vehicles: load.vehicles,
        rate: load.rate,
        total_rate: load.total_rate,
        arrival: load.arrival,
        seed: load.seed,
        warm_up: load.warmup,
        bound: load.bound,
        rows: workload.rows(),
        shard,
    }
}

/// Names the topics: as the user says, else as the datasets' folders are named.
fn topics(topic: Option<&str>, datasets: &[Dataset]) -> Result<Vec<String>, Error> {
    match (topic, datasets) {
        (Some(topic), [_only]) => Ok(vec![topic.to_owned()]),
        (Some(topic), several) => Err(Error::OneTopic {
            topic: topic.to_owned(),
            datasets: several.len(),
        }),
        (None, datasets) => Ok(datasets
            .iter()
            .map(|dataset| dataset.topic().to_owned())
            .collect()),
    }
}
