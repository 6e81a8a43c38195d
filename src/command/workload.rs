//! Rows and topics of the commands that emit, `simulate` and `produce`.

use crate::dataset::Dataset;
use crate::error::Error;
use crate::pipeline::Workload;
use crate::record::RESERVED_FIELDS;
use crate::settings::LoadSettings;

/// Rows of the datasets, and the topic of each.
#[derive(Debug)]
pub struct TopicRows {
    /// Rows of all topics.
    pub workload: Workload,
    /// Names of the topics.
    pub topics: Vec<String>,
}

/// Opens the dataset.
pub fn open(load: &LoadSettings, topic: Option<&str>) -> Result<TopicRows, Error> {
    let datasets = Dataset::open(&load.dataset, &load.read)?;
    for dataset in &datasets {
        dataset.schema().check_field_names(&RESERVED_FIELDS)?;
    }
    let topics = topics(topic, &datasets)?;
    Ok(TopicRows {
        workload: Workload::new(datasets),
        topics,
    })
}

/// Returns the topics: the user's, or those named by the datasets' folders.
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
