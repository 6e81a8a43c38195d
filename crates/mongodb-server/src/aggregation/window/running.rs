//! The computation of one field, document by document.

use std::ops::Range;
use std::vec;

use crate::aggregation::accumulator::{Accumulator, State};
use crate::aggregation::stage::Context;
use crate::aggregation::window::bounds::sort_values;
use crate::aggregation::window::series;
use crate::aggregation::window::sliding::{Item, Sliding, covariance};
use crate::aggregation::window::spec::{Bounds, WindowFunction};
use crate::bson::builder::count_value;
use crate::bson::{Doc, Value};
use crate::engine::Row;
use crate::error::CommandError;
use crate::query::{Expression, Scope, SortSpec};

/// Documents between two checks of the time limit.
const CHECK_EVERY: usize = 256;

/// The documents of a partition, in order.
pub struct Partition<'p> {
    pub rows: &'p [Row],
    /// The sort keys.
    pub orders: &'p [Vec<u8>],
    pub sort: &'p SortSpec,
    pub now_ms: i64,
}

/// The computation of one field for the documents of a partition.
pub enum Running {
    /// All values are known.
    Done(vec::IntoIter<Value<'static>>, usize),
    /// Windows that all begin at one document: values only join.
    Cumulative(Box<Cumulative>),
    /// Windows whose first values leave.
    Sliding(Box<Windows>),
}

/// An accumulator over windows that only grow.
pub struct Cumulative {
    accumulator: Accumulator,
    state: State,
    rows: Vec<Row>,
    windows: vec::IntoIter<Range<usize>>,
    /// The end of the documents that have joined.
    end: usize,
    /// The start of all windows that are not empty.
    start: usize,
    /// The last result and the end of its window.
    last: Option<(usize, Value<'static>)>,
    empty: Value<'static>,
    memory: usize,
}

/// A computation over sliding windows.
pub struct Windows {
    sliding: Sliding,
    items: Vec<Item>,
    ranges: vec::IntoIter<Range<usize>>,
    current: Range<usize>,
    memory: usize,
}

impl Partition<'_> {
    pub fn docs(&self) -> Vec<Doc<'_>> {
        self.rows.iter().map(Row::doc).collect()
    }

    /// Returns the values that the documents are sorted by.
    pub fn sort_values(&self) -> Vec<Value<'static>> {
        sort_values(self.sort, &self.docs())
    }

    /// Computes an expression for each document.
    pub fn values(
        &self,
        expression: &Expression,
        context: &Context,
    ) -> Result<Vec<Value<'static>>, CommandError> {
        let mut values = Vec::with_capacity(self.rows.len());
        for (at, row) in self.rows.iter().enumerate() {
            if at.is_multiple_of(CHECK_EVERY) {
                context.check()?;
            }
            let scope = Scope::new(row.doc(), self.now_ms);
            values.push(expression.evaluate(&scope)?.into_owned());
        }
        Ok(values)
    }

    fn windows(&self, bounds: &Bounds) -> Result<Vec<Range<usize>>, CommandError> {
        match bounds {
            // The values do not matter.
            Bounds::Documents(..) => bounds.resolve(&vec![Value::Null; self.rows.len()]),
            Bounds::Range { .. } => bounds.resolve(&self.sort_values()),
        }
    }
}

impl Running {
    /// Begins to compute a field.
    pub fn start(
        function: &WindowFunction,
        partition: &Partition<'_>,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let values = match function {
            WindowFunction::Accumulate(accumulator, bounds) => {
                let windows = partition.windows(bounds)?;
                return accumulate(accumulator, partition, windows, context);
            }
            WindowFunction::Covariance {
                pair,
                sample,
                bounds,
            } => {
                let pairs = partition.values(pair, context)?;
                let items = pairs.into_iter().map(|value| Item {
                    value,
                    key: Vec::new(),
                });
                let windows = partition.windows(bounds)?;
                return Ok(Windows::running(
                    covariance(*sample),
                    items.collect(),
                    windows,
                ));
            }
            WindowFunction::Rank => ranks(partition.orders, false),
            WindowFunction::DenseRank => ranks(partition.orders, true),
            WindowFunction::DocumentNumber => (1..=partition.rows.len()).map(count_value).collect(),
            WindowFunction::Shift {
                output,
                by,
                default,
            } => {
                let values = partition.values(output, context)?;
                series::shift(&values, *by, default)
            }
            WindowFunction::MovingAverage { input, alpha } => {
                let values = partition.values(input, context)?;
                series::moving_average(&values, alpha)
            }
            WindowFunction::Derivative {
                input,
                unit,
                bounds,
            } => {
                let values = partition.values(input, context)?;
                let windows = partition.windows(bounds)?;
                series::derivative(&partition.sort_values(), &values, &windows, *unit)?
            }
            WindowFunction::Integral {
                input,
                unit,
                bounds,
            } => {
                let values = partition.values(input, context)?;
                let windows = partition.windows(bounds)?;
                series::integral(&partition.sort_values(), &values, &windows, *unit)?
            }
            WindowFunction::LinearFill(input) => {
                let values = partition.values(input, context)?;
                series::linear_fill(&partition.sort_values(), values)?
            }
            WindowFunction::LastObservation(input) => {
                series::last_observation(partition.values(input, context)?)
            }
        };
        let memory = values.iter().map(weight).sum();
        Ok(Self::Done(values.into_iter(), memory))
    }

    /// Returns the bytes that are held.
    pub fn memory(&self) -> usize {
        match self {
            Self::Done(_, memory) => *memory,
            Self::Cumulative(cumulative) => cumulative.memory,
            Self::Sliding(windows) => windows.memory,
        }
    }

    /// Returns the value for the next document.
    pub fn next(&mut self, context: &Context) -> Result<Value<'static>, CommandError> {
        match self {
            Self::Done(values, _) => Ok(values.next().unwrap_or(Value::Null)),
            Self::Cumulative(cumulative) => cumulative.next(context),
            Self::Sliding(windows) => windows.next(context),
        }
    }
}

fn accumulate(
    accumulator: &Accumulator,
    partition: &Partition<'_>,
    windows: Vec<Range<usize>>,
    context: &Context,
) -> Result<Running, CommandError> {
    let start = windows.first().map_or(0, |window| window.start);
    let start_state = || accumulator.start(&Value::Null, partition.now_ms);
    if windows.iter().all(|window| window.start == start) {
        return Ok(Running::Cumulative(Box::new(Cumulative {
            accumulator: accumulator.clone(),
            state: start_state()?,
            empty: accumulator.finish(start_state()?),
            // The documents are shared, not copied.
            rows: partition.rows.to_vec(),
            windows: windows.into_iter(),
            end: start,
            start,
            last: None,
            memory: size_of_val(partition.rows),
        })));
    }
    let values = partition.values(accumulator.argument(), context)?;
    let mut items = Vec::with_capacity(values.len());
    for (value, row) in values.into_iter().zip(partition.rows) {
        items.push(Item {
            key: accumulator.sort_key(row.doc())?,
            value,
        });
    }
    let sliding = Sliding::new(accumulator, partition.now_ms)?;
    Ok(Windows::running(sliding, items, windows))
}

impl Cumulative {
    fn next(&mut self, context: &Context) -> Result<Value<'static>, CommandError> {
        let Some(window) = self.windows.next() else {
            return Ok(Value::Null);
        };
        if window.end <= self.start {
            return Ok(self.empty.clone());
        }
        if let Some((end, value)) = &self.last
            && *end == window.end
        {
            return Ok(value.clone());
        }
        while self.end < window.end {
            if self.end.is_multiple_of(CHECK_EVERY) {
                context.check()?;
            }
            let scope = Scope::new(self.rows[self.end].doc(), context.now_ms);
            self.accumulator.add(&mut self.state, &scope)?;
            self.end += 1;
        }
        let value = self.accumulator.finish(self.state.clone());
        self.last = Some((window.end, value.clone()));
        Ok(value)
    }
}

impl Windows {
    fn running(sliding: Sliding, items: Vec<Item>, windows: Vec<Range<usize>>) -> Running {
        let weights = items
            .iter()
            .map(|item| item.key.len() + weight(&item.value));
        // Values in order are copied, each with its key.
        let copies = if matches!(sliding, Sliding::Ordered(_)) {
            3
        } else {
            1
        };
        let memory = copies * weights.sum::<usize>() + size_of_val(windows.as_slice());
        Running::Sliding(Box::new(Self {
            sliding,
            items,
            ranges: windows.into_iter(),
            current: 0..0,
            memory,
        }))
    }

    fn next(&mut self, context: &Context) -> Result<Value<'static>, CommandError> {
        let Some(window) = self.ranges.next() else {
            return Ok(Value::Null);
        };
        if self.current.end < window.start {
            // Nothing of the last window is left.
            while self.current.start < self.current.end {
                self.leave(context)?;
            }
            self.current = window.start..window.start;
        }
        while self.current.end < window.end {
            let at = self.current.end;
            if at.is_multiple_of(CHECK_EVERY) {
                context.check()?;
            }
            self.sliding.add(at, &self.items[at]);
            self.current.end += 1;
        }
        while self.current.start < window.start {
            self.leave(context)?;
        }
        Ok(self.sliding.result(&self.items[window]))
    }

    fn leave(&mut self, context: &Context) -> Result<(), CommandError> {
        let at = self.current.start;
        if at.is_multiple_of(CHECK_EVERY) {
            context.check()?;
        }
        self.sliding.remove(at, &self.items[at]);
        self.current.start += 1;
        Ok(())
    }
}

/// Returns the rank of each document by its sort key. Equal documents have one rank; `dense` leaves
/// no gap after them.
fn ranks(orders: &[Vec<u8>], dense: bool) -> Vec<Value<'static>> {
    let mut rank = 0;
    let mut ranks = Vec::with_capacity(orders.len());
    for (at, order) in orders.iter().enumerate() {
        if at == 0 || orders[at - 1] != *order {
            rank = if dense { rank + 1 } else { at + 1 };
        }
        ranks.push(count_value(rank));
    }
    ranks
}

/// Returns the bytes that a value takes.
fn weight(value: &Value<'_>) -> usize {
    size_of::<Value<'_>>() + value.heap_bytes()
}
