//! The charts of a report. Each is absent if the run has no data for it.

use crate::measure::{Histogram, Interval, IntervalPhase, Server, Stage};
use crate::report::bounds::bounds;
use crate::report::history::{History, bucket, lower_bound};
use crate::report::html::figure::{ACKED, BACKLOG, EMITTED, Figure, STORED, microseconds, number};
use crate::report::html::partitions;
use crate::report::html::svg::{Chart, Color, Scale, color};
use crate::report::value::Report;
use crate::text::quantity;

/// Columns of the heat map and of the stacked chart; longer runs join seconds.
const COLUMNS: usize = 80;

/// Colors of the heat map from few records to many.
const HEAT: [Color; 6] = [
    color("h0", "#dbeafe"),
    color("h1", "#a5cdfb"),
    color("h2", "#60a5fa"),
    color("h3", "#2f74d0"),
    color("h4", "#1e4e9c"),
    color("h5", "#12305f"),
];

const WARM_UP: Color = color("warm", "#a0aec0");
const FAULT: Color = color("fault", "#e53e3e");
const P50: Color = color("p50", "#dd6b20");
const P99: Color = color("p99", "#c53030");

/// Returns every chart for which there is data.
pub fn figures(report: &Report, history: &History) -> Vec<Figure> {
    let charts = [
        heat_map(report, history),
        percentiles(report, history),
        load(report),
        backlog(report),
        stages_over_time(history),
        partitions::chart(report),
        cpu(report),
    ];
    charts.into_iter().flatten().collect()
}

fn stage_color(stage: Stage) -> Color {
    match stage {
        Stage::PublishDelay => EMITTED,
        Stage::PublishLatency => ACKED,
        Stage::FetchLatency => color("s2", "#2f855a"),
        Stage::StoreLatency => STORED,
        Stage::EndToEndLatency => BACKLOG,
    }
}

fn heat_map(report: &Report, history: &History) -> Option<Figure> {
    let columns = columns(history);
    let counted = |bucket: usize| {
        let mut seconds = history.seconds.iter();
        seconds.any(|second| second.buckets.get(bucket).is_some_and(|count| *count > 0))
    };
    let buckets = 0..=bucket(f64::MAX);
    let lowest = buckets.clone().find(|bucket| counted(*bucket))?;
    let highest = buckets.rev().find(|bucket| counted(*bucket))?;
    let x = Scale::linear(columns.first()?.from, columns.last()?.to);
    let y = Scale::logarithmic(lower_bound(lowest), lower_bound(highest + 1));
    let mut chart = Chart::new(270.0, x, y);
    chart.y_axis(microseconds);
    chart.x_axis(&x.ticks(), seconds);
    let cells: Vec<_> = columns
        .iter()
        .flat_map(|column| (lowest..=highest).map(move |bucket| (column, bucket)))
        .map(|(column, bucket)| {
            let of_second = |second: usize| history.seconds[second].buckets.get(bucket);
            let count: u64 = column.seconds.clone().filter_map(of_second).sum();
            (column, bucket, count)
        })
        .filter(|(_, _, count)| *count > 0)
        .collect();
    let most = cells.iter().map(|(_, _, count)| *count).max()?;
    for (level, color) in HEAT.into_iter().enumerate() {
        let of_level = cells.iter().filter(|cell| heat(cell.2, most) == level);
        let boxes: Vec<_> = of_level
            .map(|(column, bucket, _)| {
                let (low, high) = (lower_bound(*bucket), lower_bound(bucket + 1));
                [column.from, low, column.to, high]
            })
            .collect();
        chart.boxes(color, &boxes);
    }
    periods(&mut chart, report);
    let p50 = |it: &Interval| it.stages.end_to_end_latency.p50_us;
    let p99 = |it: &Interval| it.stages.end_to_end_latency.p99_us;
    chart.line(P50, "p50", &points(report, p50));
    chart.line(P99, "p99", &points(report, p99));
    chart.explain(HEAT[0], "few records");
    chart.explain(HEAT[5], &format!("{} records", quantity::count(most)));
    Some(Figure {
        title: "End-to-end latency over time",
        caption: "Each column is a moment of the run, each cell a range of latencies: the stronger its color, the more records took that long. Shaded: warm-up, faults, outages.",
        svg: chart.finish("Heat map of the end-to-end latency over time"),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a level below the number of colors"
)]
fn heat(count: u64, most: u64) -> usize {
    let share = (count as f64).ln_1p() / (most as f64).ln_1p();
    ((share * HEAT.len() as f64) as usize).min(HEAT.len() - 1)
}

/// Consecutive seconds that share a column.
struct Column {
    from: f64,
    to: f64,
    seconds: std::ops::Range<usize>,
}

fn columns(history: &History) -> Vec<Column> {
    let seconds = &history.seconds;
    let each = seconds.len().div_ceil(COLUMNS).max(1);
    (0..seconds.len())
        .step_by(each)
        .map(|first| {
            let end = (first + each).min(seconds.len());
            Column {
                from: seconds[first].start_s,
                to: seconds[end - 1].start_s + 1.0,
                seconds: first..end,
            }
        })
        .collect()
}

fn percentiles(report: &Report, history: &History) -> Option<Figure> {
    let measured = || {
        Stage::ALL
            .map(|stage| (stage, history.stages.get(stage)))
            .into_iter()
            .filter(|(_, it)| it.count() > 0)
    };
    let samples = measured().map(|(_, it)| it.count()).max()?;
    let bound =
        |percentile: f64| measured().filter_map(move |(_, it)| it.percentile_us(percentile));
    let x = Scale::linear(0.0, nines(samples));
    let y = Scale::logarithmic(bound(0.0).min()? as f64, bound(100.0).max()? as f64 + 1.0);
    let mut chart = Chart::new(270.0, x, y);
    chart.y_axis(microseconds);
    let ticks: Vec<f64> = (0..9)
        .map(f64::from)
        .take_while(|tick| *tick <= x.end())
        .collect();
    chart.x_axis(&ticks, quantile);
    for (stage, histogram) in measured() {
        if stage == Stage::EndToEndLatency {
            chart.band(stage_color(stage), &curve_bounds(report, histogram));
        }
        chart.line(stage_color(stage), &stage.to_string(), &curve(histogram));
    }
    Some(Figure {
        title: "Latency by percentile",
        caption: "How long the slowest 10 %, 1 %, 0.1 % … took, by stage. A line ends where its samples end. Shaded: bounds of the end-to-end latency with a confidence of 95 %. Percentiles of stages do not add up.",
        svg: chart.finish("Latency of each stage by percentile"),
    })
}

/// Returns how far a percentile axis goes: each whole number is one more nine.
fn nines(samples: u64) -> f64 {
    (samples.max(2) as f64).log10()
}

/// Returns positions on the percentile axis, each with its percentile.
fn positions(histogram: &Histogram) -> impl Iterator<Item = (f64, f64)> {
    let end = nines(histogram.count());
    let points = (0..=96).map(move |index| end * f64::from(index) / 96.0);
    points.map(|x| (x, 100.0 * (1.0 - 10f64.powf(-x))))
}

fn curve(histogram: &Histogram) -> Vec<Option<(f64, f64)>> {
    positions(histogram)
        .map(|(x, percentile)| histogram.percentile_us(percentile).map(|us| (x, us as f64)))
        .collect()
}

/// Returns the bounds of the end-to-end percentiles that have some: position, lower, upper.
fn curve_bounds(report: &Report, histogram: &Histogram) -> Vec<[f64; 3]> {
    if report.unlimited_rate() {
        return Vec::new();
    }
    positions(histogram)
        .step_by(4)
        .filter_map(|(x, percentile)| {
            let stage = Stage::EndToEndLatency;
            let bounds = bounds(histogram, stage, &report.intervals, percentile)?;
            Some([x, bounds.low_us as f64, bounds.high_us as f64])
        })
        .collect()
}

fn quantile(nines: f64) -> String {
    match nines {
        it if it < 0.5 => "0 %".to_owned(),
        it if it < 1.5 => "90 %".to_owned(),
        it if it < 2.5 => "99 %".to_owned(),
        it => {
            let digits = if it < 3.5 {
                1
            } else if it < 4.5 {
                2
            } else if it < 5.5 {
                3
            } else {
                4
            };
            format!("{:.digits$} %", 100.0 * (1.0 - 10f64.powf(-it)))
        }
    }
}

/// Reads a count from an interval.
type Count = fn(&Interval) -> u64;

fn load(report: &Report) -> Option<Figure> {
    let (x, highest) = over_time(report, |it| it.emitted.max(it.acked).max(it.stored))?;
    let mut chart = Chart::new(220.0, x, Scale::linear(0.0, highest));
    chart.y_axis(number);
    chart.x_axis(&x.ticks(), seconds);
    periods(&mut chart, report);
    let series: [(Color, &str, Count); 3] = [
        (EMITTED, "emitted", |it| it.emitted),
        (ACKED, "acknowledged", |it| it.acked),
        (STORED, "stored", |it| it.stored),
    ];
    for (color, name, value) in series {
        if report.intervals.iter().any(|it| value(it) > 0) {
            chart.line(color, name, &points(report, |it| Some(value(it))));
        }
    }
    Some(Figure {
        title: "Records per second",
        caption: "Readings that the vehicles emitted, records that the broker acknowledged, documents that the store made durable. Lines on top of each other: the pipeline keeps up.",
        svg: chart.finish("Records per second over time"),
    })
}

fn backlog(report: &Report) -> Option<Figure> {
    let consumer = report.consumed.is_some();
    let waiting = |it: &Interval| if consumer { it.lag } else { Some(it.backlog) };
    let (x, highest) = over_time(report, |it| waiting(it).unwrap_or_default())?;
    let mut chart = Chart::new(150.0, x, Scale::linear(0.0, highest));
    chart.y_axis(number);
    chart.x_axis(&x.ticks(), seconds);
    periods(&mut chart, report);
    let name = if consumer { "lag" } else { "backlog" };
    chart.line(BACKLOG, name, &points(report, waiting));
    Some(Figure {
        title: "Waiting records",
        caption: "Records on their way at the end of each second. A line that keeps rising means that the load is too high.",
        svg: chart.finish("Records that wait, over time"),
    })
}

/// Returns the time axis and the highest value; `None` if all are 0.
fn over_time(report: &Report, value: impl Fn(&Interval) -> u64) -> Option<(Scale, f64)> {
    let highest = report
        .intervals
        .iter()
        .map(value)
        .max()
        .filter(|it| *it > 0)?;
    // A live page shows the last minutes only.
    let start = report.intervals.first()?.start_s;
    let end = report.intervals.last()?.start_s + 1.0;
    Some((Scale::linear(start, end), highest as f64 * 1.08))
}

fn points(report: &Report, value: impl Fn(&Interval) -> Option<u64>) -> Vec<Option<(f64, f64)>> {
    let intervals = report.intervals.iter();
    intervals
        .map(|it| Some((it.start_s + 0.5, value(it)? as f64)))
        .collect()
}

fn stages_over_time(history: &History) -> Option<Figure> {
    const PARTS: [Stage; 4] = [
        Stage::PublishDelay,
        Stage::PublishLatency,
        Stage::FetchLatency,
        Stage::StoreLatency,
    ];
    let columns = columns(history);
    let mut stacked: Vec<Vec<[f64; 4]>> = vec![Vec::new(); PARTS.len()];
    let mut highest = 0.0_f64;
    for column in &columns {
        let mut top = 0.0;
        for (part, boxes) in PARTS.into_iter().zip(&mut stacked) {
            let means = history.seconds[column.seconds.clone()].iter();
            let means: Vec<f64> = means.filter_map(|it| *it.means_us.get(part)).collect();
            if means.is_empty() {
                continue;
            }
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            boxes.push([column.from, top, column.to, top + mean]);
            top += mean;
        }
        highest = highest.max(top);
    }
    if highest <= 0.0 {
        return None;
    }
    let x = Scale::linear(columns.first()?.from, columns.last()?.to);
    let mut chart = Chart::new(220.0, x, Scale::linear(0.0, highest * 1.05));
    chart.y_axis(|us| microseconds(us.round()));
    chart.x_axis(&x.ticks(), seconds);
    for (part, boxes) in PARTS.into_iter().zip(&stacked) {
        if !boxes.is_empty() {
            chart.boxes(stage_color(part), boxes);
            chart.explain(stage_color(part), &part.to_string());
        }
    }
    Some(Figure {
        title: "Where the time goes",
        caption: "Mean time of a record in each stage. Means add up to the mean end-to-end latency; percentiles would not.",
        svg: chart.finish("Mean duration of the stages over time, stacked"),
    })
}

fn cpu(report: &Report) -> Option<Figure> {
    let cpu = &report.cpu;
    let roles = [
        ("generator", cpu.generator_us),
        ("producer", cpu.producer_us),
        ("broker", cpu.broker_us),
        ("consumer", cpu.consumer_us),
        ("store", cpu.store_us),
        ("display", cpu.display_us),
    ];
    let known: Vec<_> = roles
        .into_iter()
        .filter_map(|(name, us)| Some((name, us?)))
        .collect();
    let highest = known.iter().map(|(_, us)| *us).fold(0.0, f64::max);
    if highest <= 0.0 {
        return None;
    }
    let rows = known.len() as f64;
    let x = Scale::linear(0.0, highest * 1.5);
    let mut chart = Chart::new(46.0 + rows * 26.0, x, Scale::linear(0.0, rows));
    chart.x_axis(&x.ticks(), |us| format!("{} µs", quantity::significant(us)));
    for (index, (name, us)) in known.into_iter().enumerate() {
        let bottom = rows - index as f64 - 0.85;
        chart.boxes(ACKED, &[[0.0, bottom, us, bottom + 0.7]]);
        chart.text(
            us,
            bottom + 0.35,
            &format!("{name} {} µs", quantity::significant(us)),
        );
    }
    Some(Figure {
        title: "CPU time per record",
        caption: "Processor time that each role of this process spent on one stored record.",
        svg: chart.finish("CPU time per record by role"),
    })
}

/// Shades warm-up, faults and outages.
fn periods(chart: &mut Chart, report: &Report) {
    let warm_up = |it: &&Interval| it.phase == Some(IntervalPhase::WarmUp);
    let warm_up = report.intervals.iter().take_while(warm_up);
    if let Some((first, last)) = warm_up.clone().next().zip(warm_up.last()) {
        chart.period(WARM_UP, first.start_s, last.start_s + 1.0, "warm-up");
    }
    let events = report.faults.iter().flat_map(|faults| &faults.events);
    for event in events {
        let end = event.at_s + event.duration_s;
        chart.period(FAULT, event.at_s, end, &event.kind);
    }
    if report.faults.is_none() {
        for outage in &report.outages {
            let name = match outage.server {
                Server::Broker => "broker outage",
                Server::Store => "store outage",
            };
            chart.period(FAULT, outage.from_s, outage.to_s, name);
        }
    }
}

fn seconds(at: f64) -> String {
    format!("{} s", (at * 10.0).round() / 10.0)
}
