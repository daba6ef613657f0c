//! Drawing: text that is safe in markup, logarithmic axes, and a picture that grows.

/// Text as it stands in markup, also within an attribute.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter if letter.is_control() && letter != '\n' => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// A logarithmic axis of whole decades.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// Exponents of ten of both ends.
    decades: (i32, i32),
    /// Where both ends are drawn.
    drawn: (f64, f64),
}

impl Axis {
    /// The decades that hold these values; `None` if none is a positive number.
    pub fn of(values: impl IntoIterator<Item = f64>, drawn: (f64, f64)) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        for value in values.into_iter().filter(|v| v.is_finite() && *v > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        (high > 0.0).then(|| {
            let first = low.log10().floor() as i32;
            let last = (high.log10().ceil() as i32).max(first + 1);
            Self {
                decades: (first, last),
                drawn,
            }
        })
    }

    /// Where a value is drawn; what is too small, at the low end.
    pub fn at(self, value: f64) -> f64 {
        let (first, last) = (f64::from(self.decades.0), f64::from(self.decades.1));
        let part = ((value.max(1e-300).log10() - first) / (last - first)).clamp(0.0, 1.0);
        self.drawn.0 + part * (self.drawn.1 - self.drawn.0)
    }

    /// The powers of ten on it.
    pub fn ticks(self) -> impl Iterator<Item = f64> {
        (self.decades.0..=self.decades.1).map(|exponent| 10f64.powi(exponent))
    }
}

/// A time in the unit in which it reads best.
pub fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns >= 1e9 => (ns / 1e9, "s"),
        ns if ns >= 1e6 => (ns / 1e6, "ms"),
        ns if ns >= 1e3 => (ns / 1e3, "us"),
        ns => (ns, "ns"),
    };
    format!("{} {unit}", short(value))
}

/// Three digits at most.
pub fn short(value: f64) -> String {
    let text = match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A picture.
pub struct Picture {
    width: f64,
    height: f64,
    marks: String,
}

impl Picture {
    /// An empty one.
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            marks: String::new(),
        }
    }

    /// A line. `class` is one of the page's style sheet.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.marks.push_str(&format!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through points.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        self.marks.push_str(&format!(
            "<polyline class=\"{class}\" points=\"{}\"/>",
            points.join(" ")
        ));
    }

    /// A rectangle.
    pub fn bar(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        self.marks.push_str(&format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\"/>",
            width.max(0.5)
        ));
    }

    /// A dot that says what it is when pointed at.
    pub fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64, says: &str) {
        self.marks.push_str(&format!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{}</title></circle>",
            escape(says)
        ));
    }

    /// Text. `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
        self.marks.push_str(&format!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escape(text)
        ));
    }

    /// As markup; `about` is for those who cannot see it.
    pub fn markup(self, about: &str) -> String {
        format!(
            "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {:.0} {:.0}\" width=\"{:.0}\">{}</svg>\n",
            escape(about),
            self.width,
            self.height,
            self.width,
            self.marks
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(
            escape("<script a=\"1\" b='2'>&</script>\u{1b}"),
            "&lt;script a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;&lt;/script&gt; "
        );
        let mut picture = Picture::new(10.0, 10.0);
        picture.text("label", "start", (0.0, 0.0), "<b>");
        picture.dot("shm", (0.0, 0.0), 1.0, "<i>");
        let markup = picture.markup("a \"picture\"");
        assert!(
            !markup.contains("<b>") && !markup.contains("<i>"),
            "{markup}"
        );
        assert!(markup.contains("a &quot;picture&quot;"), "{markup}");
    }

    #[test]
    fn an_axis_holds_its_values() {
        let axis = Axis::of([30.0, f64::NAN, 0.0, 2000.0], (0.0, 300.0)).expect("positive values");
        assert_eq!(
            axis.ticks().collect::<Vec<_>>(),
            [10.0, 100.0, 1000.0, 10_000.0]
        );
        assert_eq!(axis.at(10.0), 0.0);
        assert!((axis.at(1000.0) - 200.0).abs() < 1e-9);
        assert_eq!((axis.at(0.0), axis.at(1e9)), (0.0, 300.0));
        assert!(Axis::of([0.0, -1.0], (0.0, 1.0)).is_none());
        assert_eq!(
            Axis::of([1.0], (0.0, 1.0)).map(|a| a.ticks().count()),
            Some(2)
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(time(1234.0), "1.23 us");
        assert_eq!(time(100e6), "100 ms");
        assert_eq!(short(1.0), "1");
        assert_eq!(short(0.5), "0.5");
    }
}
