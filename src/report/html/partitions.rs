//! Chart of the records of each partition.

use std::fmt::Write as _;

use crate::measure::PartitionLoad;
use crate::report::html::figure::{ACKED, BACKLOG, Figure, STORED, microseconds, number};
use crate::report::html::svg::{Chart, Scale};
use crate::report::value::Report;

/// Most partitions that are drawn: those with the most records.
const MOST: usize = 24;

/// Draws the records of each partition, with their mean latency; `None` if there is one partition.
pub fn chart(report: &Report) -> Option<Figure> {
    let stores = report.partitions.iter().any(|load| load.stored > 0);
    let records = |load: &PartitionLoad| if stores { load.stored } else { load.acked };
    let mut loads: Vec<&PartitionLoad> = report.partitions.iter().collect();
    let all = loads.len();
    let total: u64 = loads.iter().map(|load| records(load)).sum();
    if all < 2 || total == 0 {
        return None;
    }
    if all > MOST {
        loads.sort_by_key(|load| std::cmp::Reverse(records(load)));
        loads.truncate(MOST);
    }
    let highest = loads.iter().map(|load| records(load)).max()? as f64;
    let rows = loads.len() as f64;
    let x = Scale::linear(0.0, highest * 1.6);
    let mut chart = Chart::new(46.0 + rows * 22.0, x, Scale::linear(0.0, rows));
    let ticks: Vec<f64> = x
        .ticks()
        .into_iter()
        .filter(|tick| *tick <= highest)
        .collect();
    chart.x_axis(&ticks, number);
    // Behind the bars and their labels.
    let mean = total as f64 / all as f64;
    chart.line(BACKLOG, "", &[Some((mean, 0.0)), Some((mean, rows))]);
    let topics = report.topology.topics.len();
    for (index, load) in loads.iter().enumerate() {
        let bottom = rows - index as f64 - 0.85;
        let color = if stores { STORED } else { ACKED };
        let records = records(load) as f64;
        chart.boxes(color, &[[0.0, bottom, records, bottom + 0.7]]);
        // A label beside a short bar would cross the line of the mean.
        chart.text(
            records.max(mean),
            bottom + 0.35,
            &label(load, topics, records),
        );
    }
    let (caption, of) = if stores {
        (
            "Records stored from each partition, and their mean end-to-end latency. Even bars: the keys spread the load. The line is the mean of all partitions.",
            "stored from",
        )
    } else {
        (
            "Records that each partition has acknowledged. Even bars: the keys spread the load. The line is the mean of all partitions.",
            "acknowledged by",
        )
    };
    Some(Figure {
        title: "Load of the partitions",
        caption,
        svg: chart.finish(&format!("Records {of} each partition")),
    })
}

fn label(load: &PartitionLoad, topics: usize, records: f64) -> String {
    let partition = match topics {
        0 | 1 => load.partition.to_string(),
        _ => format!("{} {}", load.topic, load.partition),
    };
    let mut label = format!("{partition}: {}", number(records));
    if let Some(mean) = load.mean_us {
        let _ = write!(label, " · {}", microseconds(mean as f64));
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn report(records: &[u64]) -> Report {
        let mut report = sample::report();
        let load = |(partition, records): (usize, &u64)| PartitionLoad {
            topic: "sensor".to_owned(),
            partition: i32::try_from(partition).unwrap(),
            stored: *records,
            mean_us: Some(1_500),
            ..PartitionLoad::default()
        };
        report.partitions = records.iter().enumerate().map(load).collect();
        report
    }

    #[test]
    fn each_partition_has_a_bar_with_its_records() {
        let figure = chart(&report(&[1_200, 300, 0])).unwrap();
        for label in ["0: 1,200 · 1.5 ms", "1: 300", "2: 0"] {
            assert!(figure.svg.contains(label), "{label}: {}", figure.svg);
        }
    }

    #[test]
    fn many_partitions_show_the_fullest() {
        let records: Vec<u64> = (1..=200).collect();
        let svg = chart(&report(&records)).unwrap().svg;
        assert!(svg.contains("199: 200 ·") && !svg.contains(">0: 1 ·"));
    }

    #[test]
    fn one_partition_and_an_empty_run_have_no_chart() {
        assert!(chart(&report(&[10])).is_none());
        assert!(chart(&report(&[0, 0])).is_none());
        assert!(chart(&sample::report()).is_none());
    }
}
