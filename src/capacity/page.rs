//! HTML form of an answer: one file that loads nothing, as the page of a run.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::capacity::answer::Answer;
use crate::capacity::probe::{Probe, Purpose};
use crate::capacity::text::{headline, microseconds, outcome, sentences};
use crate::report::svg::{Chart, Color, Scale, color, escape};
use crate::report::{PAGE_START, page_head};
use crate::text::quantity;

const P50: Color = color("p50", "#dd6b20");
const P99: Color = color("p99", "#c53030");
const LIMIT: Color = color("s0", "#718096");
const BRACKET: Color = color("warm", "#a0aec0");
const STORED: Color = color("s1", "#2b6cb0");

/// Writes the answer with its charts and its data.
pub fn write(answer: &Answer, mut output: impl Write) -> io::Result<()> {
    let origin = &answer.origin;
    let mut html = page_head(&format!("convoy capacity {}", origin.run_id));
    let _ = write!(
        html,
        "<p class=\"id\">{} · convoy {} · {}</p>\n<div class=\"verdict {}\"><b>{}</b></div>\n",
        escape(&origin.started_at),
        escape(&origin.version),
        escape(&origin.servers),
        if answer.vehicles.is_some() {
            "good"
        } else {
            "caution"
        },
        escape(&headline(answer)),
    );
    for line in sentences(answer) {
        let _ = writeln!(html, "<p>{}</p>", escape(&line));
    }
    for (title, caption, svg) in [latency(answer), throughput(answer)].into_iter().flatten() {
        let _ = writeln!(
            html,
            "<h2>{title}</h2>\n<p class=\"caption\">{caption}</p>\n{svg}"
        );
    }
    html.push_str(&table(answer));
    let _ = write!(
        html,
        "<h2>Repeat this search</h2>\n<pre>{}</pre>\n<script type=\"application/json\" id=\"capacity\">{}</script></body></html>\n",
        escape(&origin.command),
        // The end of an element cannot be in it.
        serde_json::to_string(answer)?.replace("</", "<\\/"),
    );
    debug_assert!(html.starts_with(PAGE_START));
    output.write_all(html.as_bytes())
}

type Figure = (&'static str, &'static str, String);

fn at_loads(answer: &Answer) -> Vec<&Probe> {
    let tried = answer.trials.iter();
    let mut tried: Vec<&Probe> = tried
        .filter(|probe| probe.purpose != Purpose::Ceiling && probe.counted)
        .collect();
    tried.sort_by_key(|probe| probe.vehicles);
    tried
}

fn latency(answer: &Answer) -> Option<Figure> {
    let probes = at_loads(answer);
    let most = f64::from(probes.last()?.vehicles);
    let limit = answer.max_end_to_end_p99_us as f64;
    let values = probes
        .iter()
        .flat_map(|probe| [probe.end_to_end_p50_us, probe.end_to_end_p99_us])
        .flatten()
        .map(|us| us.max(1) as f64);
    let lowest = values.clone().fold(limit, f64::min);
    let highest = values.fold(limit, f64::max) + 1.0;
    let x = Scale::linear(0.0, most * 1.08);
    let mut chart = Chart::new(300.0, x, Scale::logarithmic(lowest, highest));
    chart.y_axis(shown_us);
    chart.x_axis(&x.ticks(), count);
    if let (Some(low), Some(high)) = (answer.limit_vehicles, answer.too_many_vehicles)
        && low < high
    {
        chart.period(BRACKET, f64::from(low), f64::from(high), "limit");
    }
    chart.line(
        LIMIT,
        "limit of p99",
        &[Some((0.0, limit)), Some((most * 1.08, limit))],
    );
    let points = |value: fn(&Probe) -> Option<u64>| -> Vec<(f64, f64)> {
        let points = probes.iter();
        points
            .filter_map(|probe| Some((f64::from(probe.vehicles), value(probe)? as f64)))
            .collect()
    };
    chart.marks(P50, "p50", &points(|probe| probe.end_to_end_p50_us));
    chart.marks(P99, "p99", &points(|probe| probe.end_to_end_p99_us));
    Some((
        "Latency by load",
        "Each pair of points is one trial. Left of the shaded range every goal holds; right of it a goal is missed.",
        chart.finish("End-to-end latency by load"),
    ))
}

fn throughput(answer: &Answer) -> Option<Figure> {
    let probes = at_loads(answer);
    let most = f64::from(probes.last()?.vehicles) * 1.08;
    let points: Vec<(f64, f64)> = probes
        .iter()
        .filter_map(|probe| {
            Some((
                f64::from(probe.vehicles),
                probe.throughput_records_per_second?,
            ))
        })
        .collect();
    let offered = most * answer.rate_per_second;
    let x = Scale::linear(0.0, most);
    let mut chart = Chart::new(220.0, x, Scale::linear(0.0, offered));
    chart.y_axis(count);
    chart.x_axis(&x.ticks(), count);
    chart.line(LIMIT, "offered", &[Some((0.0, 0.0)), Some((most, offered))]);
    chart.marks(STORED, "stored", &points);
    Some((
        "Throughput by load",
        "Records stored per second. Points below the line: the pipeline stores less than is offered.",
        chart.finish("Throughput by load"),
    ))
}

fn table(answer: &Answer) -> String {
    let mut html = "<h2>Trials</h2>\n<div class=\"wide\"><table><tr><th>purpose</th><th class=\"n\">load</th><th class=\"n\">length</th><th class=\"n\">p50</th><th class=\"n\">p99</th><th class=\"n\">records/s</th><th>outcome</th></tr>\n".to_owned();
    for probe in &answer.trials {
        let stored = probe.throughput_records_per_second;
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{} s</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            probe.purpose,
            quantity::count(u64::from(probe.vehicles)),
            quantity::significant(probe.planned_s),
            microseconds(probe.end_to_end_p50_us),
            microseconds(probe.end_to_end_p99_us),
            stored.map_or_else(|| "–".to_owned(), quantity::rate),
            escape(&outcome(probe)),
        );
    }
    html + "</table></div>\n"
}

fn shown_us(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    format!("{} {unit}", (value * 100.0).round() / 100.0)
}

fn count(value: f64) -> String {
    quantity::rate(value.round())
        .trim_end_matches(".00")
        .to_owned()
}
