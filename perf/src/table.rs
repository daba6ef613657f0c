//! The rows as text for people.

use crate::row::Row;

const HEAD: [&str; 14] = [
    "suite", "case", "link", "unit", "p50", "p90", "p99", "p99.9", "max", "floor", "ratio", "low",
    "high", "CPU ns",
];

/// A number in as many digits as can be taken in at a glance.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// A row's numbers as text, in the order of the columns.
pub fn numbers(row: &Row) -> [String; 10] {
    let maybe = |value: Option<f64>| value.map_or_else(|| "-".into(), number);
    [
        number(row.p50),
        number(row.p90),
        number(row.p99),
        number(row.p999),
        number(row.max),
        maybe(row.floor),
        maybe(row.ratio),
        maybe(row.ratio_low),
        maybe(row.ratio_high),
        maybe(row.cpu_ns),
    ]
}

/// The rows in columns.
pub fn table(rows: &[Row]) -> String {
    let lines: Vec<Vec<String>> = std::iter::once(HEAD.map(String::from).to_vec())
        .chain(rows.iter().map(|row| {
            [&row.suite, &row.case, &row.link, &row.unit]
                .into_iter()
                .cloned()
                .chain(numbers(row))
                .collect()
        }))
        .collect();
    let width: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            if column < 4 {
                text.push_str(&format!("{cell:<w$}", w = width[column]));
            } else {
                text.push_str(&format!("{cell:>w$}", w = width[column]));
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::plain_row;

    #[test]
    fn columns_line_up() {
        let row = |case: &str, values| plain_row("submit", case, "ns", values).expect("values");
        let rows = [
            row("a case", vec![1.0, 20.0]),
            Row {
                floor: Some(3.0),
                ratio: Some(2.0),
                cpu_ns: Some(12_345.0),
                ..row("b", vec![3.0])
            },
        ];
        let text = table(&rows);
        let ends: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(ends[0], ends[2]);
        assert_eq!(ends[1], ends[2]);
        assert!(text.contains("12345"), "{text}");
    }
}
