//! The live page of a run: what the collector gathers once a second, drawn as in the report.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bson::{Bson, Document, RawDocument, doc};
use convoy_server_kit::SecretUri;
use tokio::sync::OnceCell;

use crate::host::roles::{Role, Runtimes};
use crate::measure::{Histogram, InjectedFault, Interval, LastReadings, Stage, Stages, Trend};
use crate::pipeline::{Context, Totals};
use crate::record::{DocumentId, RunKey};
use crate::report::faults::{Event, Faults};
use crate::report::{
    Age, History, LivePage, Report, RunDirectory, findings, quantity, vehicle_detail,
    vehicle_failure,
};
use crate::store::{Connection, Documents, binary_id};
use crate::summary::live_metrics;
use crate::terminal::Terminal;
use crate::web::{self, Bell, Detail, Server, Site, WebAddress};

/// Seconds that the charts show.
const SECONDS: usize = 600;

/// Documents of a vehicle that are shown.
const DOCUMENTS: u64 = 10;

/// Timeout of a query for them.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// Seconds with measurements before a finding is shown.
const SECONDS_FOR_FINDINGS: usize = 5;

/// Vehicles to follow if their number is unknown.
pub const UNKNOWN_VEHICLES: u32 = 65_536;

/// The live page of a run, and its server.
#[derive(Debug)]
pub struct LiveView {
    live: Arc<Live>,
    server: Server,
}

impl LiveView {
    /// Serves the page of a run that is about to start, if there is an address, and says where.
    /// `report` has what is known so far.
    pub fn start(
        address: Option<&WebAddress>,
        report: impl FnOnce() -> Report,
        context: &Arc<Context>,
        vehicles: u32,
        runtimes: &Runtimes,
        terminal: &Terminal,
    ) -> Result<Option<Self>, web::Error> {
        let Some(address) = address else {
            return Ok(None);
        };
        let live = Arc::new(Live {
            vehicles: Arc::clone(context.follow_vehicles(vehicles)),
            known_vehicles: vehicles != UNKNOWN_VEHICLES,
            context: Arc::clone(context),
            state: Mutex::new(State::new(report())),
            collection: OnceLock::new(),
            documents: Arc::default(),
        });
        let site: Arc<dyn Site> = Arc::<Live>::clone(&live);
        let server = Server::start(address, site, &runtimes.handle(Role::Display))?;
        terminal.say(format_args!("live page: {}", server.url()));
        if !address.is_loopback() {
            terminal.say(format_args!(
                "warning: every machine that reaches {address} can read the live page"
            ));
        }
        Ok(Some(Self { live, server }))
    }

    /// Returns what shows the seconds of the run.
    pub fn screen(&self) -> Screen {
        Screen {
            live: Arc::clone(&self.live),
            bell: self.server.bell(),
        }
    }

    /// Ends the page with the report in the run's directory, if there is one.
    pub fn finish(self, directory: &RunDirectory) {
        let report = std::fs::read_to_string(directory.path().join("report.html")).ok();
        self.server.stop(report.as_deref());
    }
}

/// Shows the seconds of a run on its live page.
#[derive(Debug, Clone)]
pub struct Screen {
    live: Arc<Live>,
    bell: Bell,
}

impl Screen {
    /// Sets where the documents of a vehicle are looked up.
    pub fn store_at(&self, uri: SecretUri, database: &str, collection: &str) {
        let place = Place {
            uri,
            database: database.to_owned(),
            collection: collection.to_owned(),
        };
        self.live.collection.get_or_init(|| place);
    }

    /// Changes what is known of the run.
    pub fn describe(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.live.lock().report);
    }

    /// Shows the state of the run, the most important first.
    pub fn state(&self, items: Vec<String>) {
        self.live.lock().items = items;
        self.bell.ring();
    }

    /// Adds a second.
    pub fn interval(&self, interval: &Interval, stages: &Stages<Histogram>, totals: &Totals) {
        self.live.lock().add(interval, stages, totals, &self.live);
        self.bell.ring();
    }
}

/// State of a run that others look at.
struct Live {
    context: Arc<Context>,
    vehicles: Arc<LastReadings>,
    known_vehicles: bool,
    state: Mutex<State>,
    collection: OnceLock<Place>,
    /// Opened at the first look.
    documents: Arc<OnceCell<Documents>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Live").finish_non_exhaustive()
    }
}

/// Where documents are stored.
#[derive(Debug, Clone)]
struct Place {
    uri: SecretUri,
    database: String,
    collection: String,
}

/// What has happened so far.
#[derive(Clone)]
struct State {
    report: Report,
    history: History,
    /// State of the run, the most important first.
    items: Vec<String>,
    /// Sequence after the last reading of each vehicle, and the second in which it arrived.
    vehicles: Vec<Option<(u64, u64)>>,
    /// Seconds so far.
    seconds: u64,
    backlog: Option<u64>,
    lag: Option<u64>,
}

impl State {
    fn new(report: Report) -> Self {
        Self {
            report,
            history: History::default(),
            items: vec!["starting".to_owned()],
            vehicles: Vec::new(),
            seconds: 0,
            backlog: None,
            lag: None,
        }
    }

    fn add(
        &mut self,
        interval: &Interval,
        stages: &Stages<Histogram>,
        totals: &Totals,
        live: &Live,
    ) {
        self.seconds += 1;
        self.backlog = Some(totals.emitted.saturating_sub(totals.arrived));
        self.lag = interval.lag;
        self.report.outages.clone_from(&totals.outages);
        for stage in Stage::ALL {
            let added = self
                .history
                .add(interval.start_s, stage, stages.get(stage).values());
            if let Err(error) = added {
                tracing::debug!(%error, "a latency of the live page is out of bounds");
            }
        }
        self.report.intervals.push(interval.clone());
        if self.report.intervals.len() > SECONDS {
            self.report.intervals.remove(0);
        }
        if self.history.seconds.len() > SECONDS {
            self.history.seconds.remove(0);
        }
        self.follow(live);
    }

    /// Notes which vehicles have a new reading.
    fn follow(&mut self, live: &Live) {
        let next = live.vehicles.next();
        self.vehicles.resize(next.len(), None);
        for (next, seen) in next.zip(&mut self.vehicles) {
            let before = seen.map_or(0, |(sequence, _)| sequence);
            if next != before {
                *seen = Some((next, self.seconds));
            }
        }
    }

    fn ages(&self, known_vehicles: bool) -> Vec<Age> {
        let age = |seen: &Option<(u64, u64)>| Age::of(seen.map(|(_, at)| self.seconds - at));
        let mut ages: Vec<Age> = self.vehicles.iter().map(age).collect();
        if !known_vehicles {
            let seen = ages.iter().rposition(|age| *age != Age::Never);
            ages.truncate(seen.map_or(0, |last| last + 1));
        }
        ages
    }

    /// Brings the parts of the report up to date that the charts and findings need.
    fn refresh(&mut self, context: &Context) {
        self.report.partitions = context.partition_loads();
        self.report.faults = faults(context);
        self.report.counters = context.counters.snapshot();
        self.report.summary.stages = self.history.stages.summary();
        self.report.summary.records_stored = self.history.stages.end_to_end_latency.count();
        let measured = self.history.seconds.iter();
        let measured = measured.filter(|second| second.means_us.end_to_end_latency.is_some());
        self.report.findings = if measured.count() >= SECONDS_FOR_FINDINGS {
            findings(&self.report)
        } else {
            Vec::new()
        };
    }

    fn items(&self) -> Vec<String> {
        let mut items = self.items.clone();
        let run = self.history.stages.end_to_end_latency.percentile_us(99.0);
        if let Some(p99) = run {
            items.push(format!("p99 of the run {}", quantity::duration(p99)));
        }
        let consumes = self.report.consumed.is_some();
        let trend = Trend::of(&self.report.intervals, consumes);
        items.extend(trend.map(|trend| trend.to_string()));
        items
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw<T>(&self, draw: impl FnOnce(&LivePage<'_>) -> T) -> T {
        // The collector never waits for a drawing.
        let mut state = self.lock().clone();
        state.refresh(&self.context);
        draw(&LivePage {
            report: &state.report,
            history: &state.history,
            state: &state.items(),
            ages: &state.ages(self.known_vehicles),
        })
    }

    /// Returns the ids of the last readings of a vehicle that arrived.
    fn ids(&self, vehicle: u32) -> Vec<DocumentId> {
        let run = match self.vehicles.run() {
            0 => self.context.run,
            run => RunKey::from_bits(run),
        };
        let last = self.vehicles.last(vehicle);
        let sequences = last.into_iter().flat_map(|last| {
            let first = (last + 1).saturating_sub(DOCUMENTS);
            (first..=last).rev()
        });
        sequences
            .map(|sequence| DocumentId::new(run, vehicle, sequence))
            .collect()
    }
}

impl Site for Live {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method has a lifetime"
    )]
    fn page(&self) -> String {
        self.draw(|page| page.html())
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method has a lifetime"
    )]
    fn parts(&self) -> String {
        let parts = self.draw(|page| page.parts());
        let parts: serde_json::Map<_, _> = parts
            .into_iter()
            .map(|(id, html)| (id.to_owned(), html.into()))
            .collect();
        serde_json::Value::Object(parts).to_string()
    }

    fn metrics(&self) -> String {
        let state = self.lock().clone();
        live_metrics::of(
            &self.context,
            &state.report.run,
            &state.history,
            state.backlog,
            state.lag,
        )
    }

    fn detail(&self, name: &str) -> Detail {
        let vehicle = name.strip_prefix("vehicle/").and_then(|it| it.parse().ok());
        let Some(vehicle) = vehicle else {
            return Box::pin(std::future::ready(None));
        };
        let ids = self.ids(vehicle);
        let place = self.collection.get().cloned();
        let documents = Arc::clone(&self.documents);
        Box::pin(async move {
            let found = look_up(place, &documents, &ids).await;
            Some(match found {
                Ok(found) => vehicle_detail(vehicle, &found),
                Err(reason) => vehicle_failure(vehicle, &reason),
            })
        })
    }
}

/// Returns the faults of servers so far, for the charts; `None` without any.
fn faults(context: &Context) -> Option<Faults> {
    let injected = context.injected.all();
    let event = |fault: InjectedFault| Event {
        kind: fault.kind,
        at_s: fault.at_s,
        duration_s: fault.duration_s,
        outcome: None,
        effect: None,
    };
    (!injected.is_empty()).then(|| Faults {
        events: injected.into_iter().map(event).collect(),
        ..Faults::default()
    })
}

/// Returns the documents with some ids as extended JSON, in the order of the ids.
async fn look_up(
    place: Option<Place>,
    documents: &OnceCell<Documents>,
    ids: &[DocumentId],
) -> Result<Vec<(String, String)>, String> {
    let Some(place) = place else {
        return Err("This process stores no documents.".to_owned());
    };
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let open = || async {
        let connection = Connection::open(&place.uri, &place.database, 1).await?;
        let connection = connection.with_command_timeout(QUERY_TIMEOUT);
        Ok(connection.documents(&place.collection))
    };
    let failed = |error: crate::store::Error| format!("Cannot read the documents: {error}.");
    let documents = documents.get_or_try_init(open).await.map_err(failed)?;
    let wanted: Vec<_> = ids.iter().map(binary_id).collect();
    let most = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let found = documents
        .page(doc! { "_id": { "$in": wanted } }, most)
        .await;
    let found = found.map_err(failed)?;
    Ok(found.iter().rev().map(|document| shown(document)).collect())
}

/// Returns the name of a document and its extended JSON.
fn shown(document: &RawDocument) -> (String, String) {
    let id = document.get_binary("_id").ok();
    let id = id.and_then(|id| DocumentId::from_bytes(id.bytes.try_into().ok()?));
    let name = id.map_or_else(String::new, |id| format!("sequence {}", id.sequence()));
    match Document::try_from(document) {
        Ok(document) => {
            let json = Bson::Document(document).into_relaxed_extjson();
            (
                name,
                serde_json::to_string_pretty(&json).unwrap_or_default(),
            )
        }
        Err(error) => (name, format!("not readable: {error}")),
    }
}
