//! The page of a run that has not ended: drawn by the same functions as its report.

use std::fmt::Write as _;

use crate::report::history::History;
use crate::report::html::charts;
use crate::report::html::svg::escape;
use crate::report::html::wall::{Age, wall};
use crate::report::html::{STYLE, findings, html_table, servers};
use crate::report::value::Report;

/// Colors of what only a live page has.
const LIVE_STYLE: &str = include_str!("live.css");

/// What is known of a run that has not ended.
#[derive(Debug)]
pub struct LivePage<'a> {
    /// The report so far.
    pub report: &'a Report,
    /// Latencies of its last minutes.
    pub history: &'a History,
    /// State of the run, the most important first.
    pub state: &'a [String],
    /// Last reading of each vehicle.
    pub ages: &'a [Age],
}

impl LivePage<'_> {
    /// Returns the whole page.
    pub fn html(&self) -> String {
        let run = &self.report.run;
        let servers = servers(self.report);
        let about = format!("{} · convoy {} · {servers}", run.started_at, run.version);
        let mut html = start(&format!("convoy run {}", run.id), &about);
        for (id, part) in self.parts() {
            let _ = writeln!(html, "<div id=\"{id}\">{part}</div>");
            if id == "wall" {
                html.push_str(DETAIL);
            }
        }
        let command = escape(&run.command);
        let _ = write!(html, "<h2>Command</h2>\n<pre>{command}</pre>\n{END}");
        html
    }

    /// Returns the parts that change, by the id of their element.
    pub fn parts(&self) -> Vec<(&'static str, String)> {
        let mut state = String::new();
        for item in self.state {
            let _ = write!(state, "<span>{}</span> ", escape(item));
        }
        let mut drawn = String::new();
        for figure in charts::figures(self.report, self.history) {
            drawn.push_str(&figure.html());
        }
        vec![
            ("state", format!("<div class=\"headline\">{state}</div>")),
            ("findings", findings(self.report)),
            ("wall", wall(self.ages)),
            ("charts", drawn),
        ]
    }
}

/// Where the documents of one vehicle are shown.
const DETAIL: &str = "<p class=\"caption\">One cell per vehicle: when its last reading arrived. Click a \
    cell, or type a vehicle: <input id=\"number\" type=\"number\" min=\"0\" aria-label=\"vehicle\"></p>\n\
    <div id=\"vehicle\"></div>\n";

const END: &str = "<script src=\"live.js\"></script></body></html>\n";

fn start(title: &str, about: &str) -> String {
    let (title, about) = (escape(title), escape(about));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}{LIVE_STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p class=\"id\">{about}</p>\n<p id=\"connection\"></p>\n"
    )
}

/// Returns a page of tables that change: each has an id, a title, a head and rows.
pub fn tables_page(title: &str, about: &str, tables: &[LiveTable<'_>]) -> String {
    let mut html = start(title, about);
    for table in tables {
        let (id, part) = (table.id, table.html());
        let _ = writeln!(html, "<div id=\"{id}\">{part}</div>");
    }
    html + END
}

/// A table that changes.
#[derive(Debug)]
pub struct LiveTable<'a> {
    /// Id of its element.
    pub id: &'static str,
    /// Title.
    pub title: &'a str,
    /// Names of the columns.
    pub columns: &'a [&'a str],
    /// Cells of each row.
    pub rows: Vec<Vec<String>>,
}

impl LiveTable<'_> {
    /// Returns its HTML.
    pub fn html(&self) -> String {
        html_table(self.title, self.columns, &self.rows)
    }
}

/// Returns why the documents of a vehicle are not shown.
pub fn vehicle_failure(vehicle: u32, reason: &str) -> String {
    format!("<h2>Vehicle {vehicle}</h2>\n<p>{}</p>", escape(reason))
}

/// Returns the last documents of a vehicle, the newest first: the name of each, and its extended JSON.
pub fn vehicle_detail(vehicle: u32, documents: &[(String, String)]) -> String {
    let mut html = format!("<h2>Vehicle {vehicle}</h2>\n");
    if documents.is_empty() {
        html.push_str("<p>No document is stored.</p>");
    }
    for (index, (name, document)) in documents.iter().enumerate() {
        let open = if index == 0 { " open" } else { "" };
        let (name, document) = (escape(name), escape(document));
        let _ = writeln!(
            html,
            "<details{open}><summary>{name}</summary><pre>{document}</pre></details>"
        );
    }
    html
}
