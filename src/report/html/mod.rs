//! HTML form, for people: one file, complete without scripts, styles and network.
//!
//! verdict · headline · external consumer · findings · warnings · charts · stages · slowest records · settings, machine and command · data

mod charts;
mod columns;
mod data;
mod external;
mod figure;
mod live;
mod partitions;
pub mod svg;
mod tail;
#[cfg(test)]
mod tests;
mod wall;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use chrono::DateTime;

use crate::measure::Stage;
use crate::report::history::History;
use crate::report::latency_log::LatencyLog;
use crate::report::text;
use crate::report::text::stages::COLUMNS;
use crate::report::value::Report;
use crate::text::{Ink, quantity};

pub use live::{LivePage, LiveTable, tables_page, vehicle_detail, vehicle_failure};
pub use wall::Age;

use svg::escape;

/// Start of a page, by which it is told from JSON.
pub const START: &str = "<!DOCTYPE html>";

/// Id of the element that holds the report as JSON.
const REPORT: &str = "report";

/// Id of the element that holds the merged histograms as an interval log.
const LATENCIES: &str = "latencies";

/// Style of the page. Without it everything is still there.
const STYLE: &str = include_str!("page.css");

/// Writes a report with its charts.
pub fn write(report: &Report, history: &History, mut output: impl Write) -> io::Result<()> {
    let json = columns::pack(serde_json::to_value(report)?)
        .to_string()
        .into_bytes();
    let latencies = merged_log(report, history)?;
    let data = data::element(REPORT, &json)? + &data::element(LATENCIES, &latencies)?;
    let sections = [
        head(report),
        verdict(report),
        headline(report),
        external::section(report),
        findings(report),
        warnings(report),
        figures(report, history),
        stage_table(report),
        tail::section(report),
        faults(report),
        origin(report),
        data,
        "</body></html>\n".to_owned(),
    ];
    output.write_all(sections.concat().as_bytes())
}

/// Returns an interval log with one interval: the whole run.
fn merged_log(report: &Report, history: &History) -> io::Result<Vec<u8>> {
    let started = DateTime::parse_from_rfc3339(&report.run.started_at);
    let started = started.map_or(0, |at| at.timestamp_millis().unsigned_abs());
    let mut log = LatencyLog::start(Vec::new(), started)?;
    let length = Duration::from_secs(report.intervals.len() as u64);
    log.write(Duration::ZERO, length, &history.stages)?;
    log.finish()
}

/// Returns whether a file is such a page.
pub fn is_page(file: &[u8]) -> bool {
    file.starts_with(START.as_bytes())
}

/// Returns the report in a page, as JSON.
pub fn report_of(page: &[u8]) -> Option<io::Result<Vec<u8>>> {
    let json = data::find(std::str::from_utf8(page).ok()?, REPORT)?;
    Some(json.and_then(|json| {
        let packed = serde_json::from_slice(&json)?;
        Ok(columns::unpack(packed).to_string().into_bytes())
    }))
}

/// Returns the histograms in a page, as an interval log.
pub fn latencies_of(page: &[u8]) -> Option<io::Result<Vec<u8>>> {
    data::find(std::str::from_utf8(page).ok()?, LATENCIES)
}

/// Returns the start of a page up to its title.
pub fn page_head(title: &str) -> String {
    let title = escape(title);
    format!(
        "{START}\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <style>\n{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    )
}

fn head(report: &Report) -> String {
    let run = &report.run;
    format!(
        "{}<p class=\"id\">{} · convoy {} · {}</p>\n",
        page_head(&format!("convoy run {}", run.id)),
        escape(&run.started_at),
        escape(&run.version),
        escape(&servers(report)),
    )
}

fn servers(report: &Report) -> String {
    let topology = &report.topology;
    let server = |name: &str, kind: &dyn ToString, address: &Option<String>| {
        let address = address.as_deref().unwrap_or_default();
        format!("{name} {} {address}", kind.to_string())
            .trim_end()
            .to_owned()
    };
    let broker = server("broker", &topology.broker, &topology.broker_address);
    let store = server("store", &topology.store, &topology.store_address);
    format!("{broker} · {store}")
}

fn verdict(report: &Report) -> String {
    let (ink, sentence) = text::verdict_sentence(report);
    let class = match ink {
        Ink::Good => "good",
        Ink::Bad => "bad",
        _ => "caution",
    };
    let mut html = format!(
        "<div class=\"verdict {class}\"><b>{}</b>",
        escape(&sentence)
    );
    for threshold in &report.thresholds {
        let (limit, actual) = text::threshold_outcome(threshold);
        let outcome = if threshold.passed { "passed" } else { "failed" };
        let _ = write!(
            html,
            "<br>{}: {outcome} {}",
            escape(&limit),
            escape(&actual)
        );
    }
    html + "</div>\n"
}

fn headline(report: &Report) -> String {
    let mut html = "<div class=\"headline\">".to_owned();
    for result in text::results(report) {
        let _ = write!(html, "<span>{}</span> ", escape(&result));
    }
    html + "</div>\n"
}

fn findings(report: &Report) -> String {
    let mut html = String::new();
    for finding in &report.findings {
        let message = escape(&finding.message);
        let evidence = escape(&finding.evidence);
        let advice = finding.advice.as_deref().map(escape).unwrap_or_default();
        let _ = writeln!(
            html,
            "<p><b>Finding:</b> {message} ({evidence})<br><span class=\"advice\">{advice}</span></p>"
        );
    }
    html
}

fn warnings(report: &Report) -> String {
    let mut html = String::new();
    for warning in &report.warnings {
        let (message, advice) = (escape(&warning.message), escape(&warning.advice));
        let _ = writeln!(
            html,
            "<p><b>Warning:</b> {message}<br><span class=\"advice\">{advice}</span></p>"
        );
    }
    html
}

fn figures(report: &Report, history: &History) -> String {
    let figures = charts::figures(report, history);
    figures.iter().map(figure::Figure::html).collect()
}

fn stage_table(report: &Report) -> String {
    let stages = Stage::ALL.map(|stage| (stage, report.summary.stages.get(stage)));
    let rows: Vec<_> = stages.iter().filter(|(_, it)| it.count > 0).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Stages</h2>\n<div class=\"wide\"><table><tr><th>stage</th>".to_owned();
    for column in &COLUMNS {
        let _ = write!(html, "<th class=\"n\">{}</th>", column.title);
    }
    html.push_str("</tr>\n");
    for (stage, summary) in rows {
        let _ = write!(html, "<tr><td>{stage}</td>");
        for column in &COLUMNS {
            let value = (column.value)(summary).unwrap_or_else(|| "–".to_owned());
            let value = value + &(column.bounds)(summary);
            let _ = write!(html, "<td class=\"n\">{value}</td>");
        }
        html.push_str("</tr>\n");
    }
    html + "</table></div>\n"
}

fn faults(report: &Report) -> String {
    let Some(faults) = &report.faults else {
        return String::new();
    };
    let mut html = format!(
        "<h2>Faults</h2>\n<p>Plan: <code>{}</code></p>\n<table><tr><th>fault</th><th>from</th><th>for</th><th>recovered after</th></tr>\n",
        escape(&faults.plan)
    );
    for event in &faults.events {
        let recovered = event.effect.as_ref().and_then(|it| it.recovered_after_s);
        let recovered = recovered.map_or_else(
            || "–".to_owned(),
            |it| format!("{} s", quantity::significant(it)),
        );
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{} s</td><td>{} s</td><td>{recovered}</td></tr>",
            escape(&event.kind),
            quantity::significant(event.at_s),
            quantity::significant(event.duration_s),
        );
    }
    html.push_str("</table>\n<table><tr><th>guarantee</th><th></th></tr>\n");
    for invariant in &faults.invariants {
        let held = match invariant.held {
            Some(true) => "held",
            Some(false) => "BROKEN",
            None => "unknown",
        };
        let (name, promise) = (escape(&invariant.name), escape(&invariant.promise));
        let _ = writeln!(html, "<tr><td>{name} {promise}</td><td>{held}</td></tr>");
    }
    html + "</table>\n"
}

/// Returns everything that another person needs to repeat the run.
fn origin(report: &Report) -> String {
    let command = match &report.faults {
        Some(faults) => &faults.replay,
        None => &report.run.command,
    };
    let mut html = format!("<h2>Repeat this run</h2>\n<pre>{}</pre>\n", escape(command));
    let machine = &report.machine;
    let mut rows = vec![
        ("system", format!("{} {}", machine.os, machine.architecture)),
        ("cores", machine.cores.to_string()),
    ];
    rows.extend(machine.cpu_model.clone().map(|it| ("processor", it)));
    rows.extend(machine.kernel.clone().map(|it| ("kernel", it)));
    let memory = machine.memory_bytes.map(|it| quantity::bytes(it as f64));
    rows.extend(memory.map(|it| ("memory", it)));
    let load = machine.load_average.map(quantity::significant);
    rows.extend(load.map(|it| ("load average at the start", it)));
    html.push_str(&table("Machine", &rows));
    let settings = report.settings.as_object().into_iter().flatten();
    let settings: Vec<(&str, String)> = settings
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.as_str(), shown(value)))
        .collect();
    html + &table("Settings", &settings)
}

fn shown(value: &serde_json::Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

fn table(title: &str, rows: &[(&str, String)]) -> String {
    let mut html = format!("<h2>{title}</h2>\n<table>");
    for (name, value) in rows {
        let (name, value) = (escape(name), escape(value));
        let _ = writeln!(html, "<tr><td>{name}</td><td>{value}</td></tr>");
    }
    html + "</table>\n"
}

/// Returns a table with a head, wide enough to scroll.
fn html_table(title: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let title = escape(title);
    let mut html = format!("<h2>{title}</h2>\n");
    if rows.is_empty() {
        return html + "<p class=\"caption\">None.</p>\n";
    }
    html.push_str("<div class=\"wide\"><table><tr>");
    for column in columns {
        let _ = write!(html, "<th>{}</th>", escape(column));
    }
    html.push_str("</tr>\n");
    for row in rows {
        let cells = row.iter().map(|cell| format!("<td>{}</td>", escape(cell)));
        let _ = writeln!(html, "<tr>{}</tr>", cells.collect::<String>());
    }
    html + "</table></div>\n"
}
