//! Charts as SVG with presentation attributes only, so that they show under a content policy that
//! forbids styles and scripts. Classes let the page change colors in the dark.

use std::fmt::Write as _;

/// Size of a chart in its own units.
pub const WIDTH: f64 = 640.0;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// Points of a line above which they lie on whole units: more than one of them per unit is not seen.
const MANY_POINTS: usize = 300;

/// Maps values to positions on one axis.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// A linear scale. Equal bounds are widened.
    pub fn linear(from: f64, to: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self {
            from,
            to,
            logarithmic: false,
        }
    }

    /// A logarithmic scale over whole decades. Both bounds are above 0.
    pub fn logarithmic(from: f64, to: f64) -> Self {
        let from = from.log10().floor();
        let to = to.log10().ceil();
        Self {
            from,
            to: if to > from { to } else { from + 1.0 },
            logarithmic: true,
        }
    }

    /// Returns the position of a value, 0 at the start and 1 at the end.
    fn share(self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        };
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Returns values for about five labels.
    pub fn ticks(self) -> Vec<f64> {
        if self.logarithmic {
            return decades(self.from, self.to);
        }
        let step = round_step((self.to - self.from) / 5.0);
        let first = (self.from / step).ceil();
        (0..12)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|tick| *tick <= self.to + step * 1e-9)
            .collect()
    }

    /// Returns the end of the scale.
    pub fn end(self) -> f64 {
        if self.logarithmic {
            10f64.powf(self.to)
        } else {
            self.to
        }
    }
}

fn decades(from: f64, to: f64) -> Vec<f64> {
    let each = if to - from > 6.0 { 2 } else { 1 };
    (0..20)
        .step_by(each)
        .map(|index| from + f64::from(index))
        .take_while(|exponent| *exponent <= to)
        .map(|exponent| 10f64.powf(exponent))
        .collect()
}

/// Returns 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power);
    step.into_iter()
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// Color of a series: its class, and its color on a white page.
#[derive(Debug, Clone, Copy)]
pub struct Color {
    /// Class whose color the page sets for dark screens.
    pub class: &'static str,
    /// Color without styles.
    pub value: &'static str,
}

/// Returns a color with its class.
pub const fn color(class: &'static str, value: &'static str) -> Color {
    Color { class, value }
}

/// A chart with two axes.
#[derive(Debug)]
pub struct Chart {
    height: f64,
    x: Scale,
    y: Scale,
    body: String,
    legend: Vec<(Color, String)>,
}

impl Chart {
    /// Starts a chart of a height.
    pub fn new(height: f64, x: Scale, y: Scale) -> Self {
        Self {
            height,
            x,
            y,
            body: String::new(),
            legend: Vec::new(),
        }
    }

    fn x_of(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_of(&self, value: f64) -> f64 {
        let bottom = self.height - BOTTOM;
        bottom - self.y.share(value) * (bottom - TOP)
    }

    /// Draws horizontal lines with labels at values of the vertical axis.
    pub fn y_axis(&mut self, label: impl Fn(f64) -> String) {
        for tick in self.y.ticks() {
            let y = self.y_of(tick);
            let right = WIDTH - RIGHT;
            let _ = write!(
                self.body,
                r##"<path class="grid" stroke="#dfe3e8" d="M{LEFT} {y:.1}H{right}"/>"##
            );
            let text = escape(&label(tick));
            let _ = write!(
                self.body,
                r##"<text class="label" fill="#4a5568" x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"##,
                LEFT - 6.0,
                y + 4.0
            );
        }
    }

    /// Writes labels at values of the horizontal axis.
    pub fn x_axis(&mut self, ticks: &[f64], label: impl Fn(f64) -> String) {
        let bottom = self.height - BOTTOM;
        for tick in ticks {
            let x = self.x_of(*tick);
            let text = escape(&label(*tick));
            let _ = write!(
                self.body,
                r##"<path class="grid" stroke="#dfe3e8" d="M{x:.1} {bottom:.1}v4"/><text class="label" fill="#4a5568" x="{x:.1}" y="{:.1}" text-anchor="middle">{text}</text>"##,
                bottom + 17.0
            );
        }
    }

    /// Draws a line through points; `None` interrupts it.
    pub fn line(&mut self, color: Color, name: &str, points: &[Option<(f64, f64)>]) {
        let mut path = String::new();
        let mut before: Option<[i64; 2]> = None;
        let grid = if points.len() > MANY_POINTS { 10 } else { 1 };
        for (index, point) in points.iter().enumerate() {
            let Some((x, y)) = point else {
                before = None;
                continue;
            };
            let position = [self.x_of(*x), self.y_of(*y)].map(tenths);
            let [x, y] = position.map(|tenths| (tenths + grid / 2) / grid * grid);
            match before {
                Some([last_x, last_y]) => step(&mut path, 'l', x - last_x, y - last_y),
                None => step(&mut path, 'M', x, y),
            }
            let alone = before.is_none() && points.get(index + 1).is_none_or(Option::is_none);
            if alone {
                path.push_str("h.1");
            }
            before = Some([x, y]);
        }
        let (class, value) = (color.class, color.value);
        let _ = write!(
            self.body,
            r#"<path class="{class}" fill="none" stroke="{value}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round" d="{path}"/>"#
        );
        if !name.is_empty() {
            self.legend.push((color, name.to_owned()));
        }
    }

    /// Draws a dot at each point.
    pub fn marks(&mut self, color: Color, name: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "M{:.1} {:.1}h.1", self.x_of(*x), self.y_of(*y));
        }
        let (class, value) = (color.class, color.value);
        let _ = write!(
            self.body,
            r#"<path class="{class}" fill="none" stroke="{value}" stroke-width="8" stroke-linecap="round" d="{path}"/>"#
        );
        self.legend.push((color, name.to_owned()));
    }

    /// Shades the area between a lower and an upper line: position, lower, upper.
    pub fn band(&mut self, color: Color, points: &[[f64; 3]]) {
        if points.len() < 2 {
            return;
        }
        let upper = points.iter().map(|[x, _, high]| (x, high));
        let lower = points.iter().rev().map(|[x, low, _]| (x, low));
        let mut path = String::new();
        for (x, y) in upper.chain(lower) {
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.x_of(*x), self.y_of(*y));
        }
        let (class, value) = (color.class, color.value);
        let _ = write!(
            self.body,
            r#"<path class="{class} fill" fill="{value}" fill-opacity=".25" d="{path}z"/>"#
        );
    }

    /// Draws filled rectangles, each from one corner to the opposite one.
    pub fn boxes(&mut self, color: Color, boxes: &[[f64; 4]]) {
        if boxes.is_empty() {
            return;
        }
        let mut path = String::new();
        let corners = |[x0, y0, x1, y1]: &[f64; 4]| {
            let across = [self.x_of(*x0), self.x_of(*x1)].map(tenths);
            (across, [self.y_of(*y0), self.y_of(*y1)].map(tenths))
        };
        let mut boxes = boxes.iter().map(corners).peekable();
        let mut before: Option<[i64; 2]> = None;
        while let Some(([left, right], [bottom, mut top])) = boxes.next() {
            // Boxes on top of each other are one.
            while let Some((_, [_, higher])) =
                boxes.next_if(|(across, [low, _])| *across == [left, right] && *low == top)
            {
                top = higher;
            }
            match before {
                Some([x, y]) => step(&mut path, 'm', left - x, top - y),
                None => step(&mut path, 'M', left, top),
            }
            before = Some([left, bottom]);
            let (width, height) = (right - left, bottom - top);
            let (width, back) = (tenth_text(width), tenth_text(-width));
            let _ = write!(path, "h{width}v{}h{back}", tenth_text(height));
        }
        let (class, value) = (color.class, color.value);
        let _ = write!(
            self.body,
            r#"<path class="{class} fill" fill="{value}" d="{path}"/>"#
        );
    }

    /// Adds a color to the legend.
    pub fn explain(&mut self, color: Color, name: &str) {
        self.legend.push((color, name.to_owned()));
    }

    /// Shades a period over the whole height, with its name at the top.
    pub fn period(&mut self, color: Color, from: f64, to: f64, name: &str) {
        let (left, right) = (self.x_of(from), self.x_of(to));
        let width = (right - left).max(2.0);
        let height = self.height - BOTTOM - TOP;
        let (class, value) = (color.class, color.value);
        let name = escape(name);
        let _ = write!(
            self.body,
            r#"<rect class="{class} fill" fill="{value}" fill-opacity=".18" x="{left:.1}" y="{TOP}" width="{width:.1}" height="{height:.1}"><title>{name}</title></rect>"#
        );
        if !name.is_empty() {
            let (x, anchor) = if left > WIDTH * 0.7 {
                (left + width - 3.0, "end")
            } else {
                (left + 3.0, "start")
            };
            let _ = write!(
                self.body,
                r##"<text class="label" fill="#4a5568" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{name}</text>"##,
                TOP + 12.0
            );
        }
    }

    /// Writes a text inside, at a value of each axis.
    pub fn text(&mut self, x: f64, y: f64, text: &str) {
        let (x, y) = (self.x_of(x) + 5.0, self.y_of(y) + 4.0);
        let text = escape(text);
        let _ = write!(
            self.body,
            r##"<text class="label" fill="#1a202c" x="{x:.1}" y="{y:.1}">{text}</text>"##
        );
    }

    /// Returns the chart with a title for readers that do not see it.
    pub fn finish(self, title: &str) -> String {
        let (title, height) = (escape(title), self.height);
        let rows = self.legend.len().div_ceil(4);
        let total = height + rows as f64 * 20.0;
        let mut text = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" viewBox="0 0 {WIDTH} {total}" role="img" font-family="system-ui,sans-serif" font-size="12"><title>{title}</title><rect class="paper" fill="#ffffff" width="{WIDTH}" height="{total}"/>"##
        );
        text.push_str(&self.body);
        for (index, (color, name)) in self.legend.iter().enumerate() {
            let x = LEFT + (index % 4) as f64 * 142.0;
            let y = height + (index / 4) as f64 * 20.0 + 4.0;
            let (class, value) = (color.class, color.value);
            let name = escape(name);
            let _ = write!(
                text,
                r##"<rect class="{class} fill" fill="{value}" x="{x}" y="{:.1}" width="12" height="8"/><text class="label" fill="#1a202c" x="{}" y="{y:.1}">{name}</text>"##,
                y - 8.0,
                x + 17.0
            );
        }
        text.push_str("</svg>");
        text
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "positions on a page; saturates"
)]
fn tenths(position: f64) -> i64 {
    (position * 10.0).round() as i64
}

/// Returns a number of tenths as a decimal number without needless characters.
fn tenth_text(tenths: i64) -> String {
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, rest) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
    match (whole, rest) {
        (whole, 0) => format!("{sign}{whole}"),
        (0, rest) => format!("{sign}.{rest}"),
        (whole, rest) => format!("{sign}{whole}.{rest}"),
    }
}

/// Adds a command with a position in tenths to a path.
fn step(path: &mut String, command: char, x: i64, y: i64) {
    let blank = if y < 0 { "" } else { " " };
    let _ = write!(path, "{command}{}{blank}{}", tenth_text(x), tenth_text(y));
}

/// Returns a text with the characters replaced that have a meaning in HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not permitted in HTML.
            control if control.is_control() && !control.is_whitespace() => {
                escaped.push(char::REPLACEMENT_CHARACTER);
            }
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_scale() {
        assert_eq!(
            Scale::linear(0.0, 47.0).ticks(),
            [0.0, 10.0, 20.0, 30.0, 40.0]
        );
        assert_eq!(Scale::linear(0.0, 0.0).ticks().len(), 6);
        let decades = Scale::logarithmic(3.0, 25_000.0).ticks();
        assert_eq!(decades.len(), 6, "{decades:?}");
    }

    #[test]
    fn paths_are_short_and_exact() {
        for (tenths, text) in [
            (634, "63.4"),
            (560, "56"),
            (9, ".9"),
            (-5, "-.5"),
            (-120, "-12"),
            (0, "0"),
        ] {
            assert_eq!(tenth_text(tenths), text);
        }
        let mut chart = Chart::new(270.0, Scale::linear(0.0, 10.0), Scale::linear(0.0, 10.0));
        let black = color("c", "#000");
        chart.line(
            black,
            "",
            &[Some((0.0, 0.0)), Some((5.0, 10.0)), None, Some((10.0, 0.0))],
        );
        let (left, right) = (tenth_text(tenths(LEFT)), tenth_text(tenths(WIDTH - RIGHT)));
        assert!(
            chart.body.contains(&format!("d=\"M{left} ")),
            "{}",
            chart.body
        );
        assert!(chart.body.contains(&format!("M{right} ")), "{}", chart.body);
        // Two boxes on top of each other, and one beside them.
        chart.body.clear();
        chart.boxes(
            black,
            &[
                [0.0, 0.0, 1.0, 1.0],
                [0.0, 1.0, 1.0, 2.0],
                [1.0, 1.0, 2.0, 2.0],
            ],
        );
        assert_eq!(chart.body.matches(['M', 'm']).count(), 2, "{}", chart.body);
    }

    #[test]
    fn texts_cannot_end_an_element() {
        assert_eq!(
            escape("<script>\"'&\u{0}"),
            "&lt;script&gt;&quot;&#39;&amp;\u{fffd}"
        );
    }
}
