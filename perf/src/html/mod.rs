//! The report as one HTML file: no script, nothing from elsewhere; light or dark as the reader's system is.

mod plots;
mod svg;

use crate::goals;
use crate::row::Row;
use crate::table;
use svg::escape;

const STYLE: &str = include_str!("style.css");

/// What the suites are about, in the order of the page.
const SUITES: [(&str, &str); 14] = [
    ("start", "From ringway run to the first kernel's end"),
    ("app", "Whole programs"),
    ("networks", "Whole programs over emulated networks"),
    ("ring", "A lane by itself"),
    ("submit", "Posted calls"),
    ("call", "Waiting calls"),
    ("copy", "Copies"),
    ("scale", "Many sessions of one server"),
    ("gpus", "One program on several GPUs"),
    ("servers", "Copies between two servers"),
    ("idle", "A session that does nothing"),
    ("rdma", "Verbs beside perftest"),
    ("softgpu", "The software GPU"),
    ("api", "The driver API, call by call"),
];

/// The page. `environment`: where it was measured, a line each.
pub fn page(environment: &str, rows: &[Row], quick: bool) -> String {
    let mut body = String::from("<header><h1>Ringway performance</h1>\n<ul class=\"where\">");
    for line in environment.lines().filter(|line| !line.is_empty()) {
        body.push_str(&format!("<li>{}</li>", escape(line)));
    }
    body.push_str("</ul>\n");
    if quick {
        body.push_str("<p class=\"warn\">Measured with --quick: it works, but the numbers mean nothing.</p>\n");
    }
    body.push_str(&legend(rows));
    body.push_str("<nav>");
    for (suite, _) in SUITES {
        if rows.iter().any(|row| row.suite == suite) {
            body.push_str(&format!("<a href=\"#{suite}\">{suite}</a> "));
        }
    }
    body.push_str("</nav>\n");
    body.push_str("</header>\n");
    if !quick {
        body.push_str(&goals_table(rows));
    }
    for (suite, title) in SUITES {
        let of: Vec<&Row> = rows.iter().filter(|row| row.suite == suite).collect();
        if !of.is_empty() {
            body.push_str(&section(suite, title, &of));
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>Ringway performance</title>\n<style>\n{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )
}

fn legend(rows: &[Row]) -> String {
    let mut links: Vec<&str> = Vec::new();
    for row in rows {
        if !links.contains(&row.link.as_str()) {
            links.push(&row.link);
        }
    }
    let links: String = links
        .iter()
        .map(|link| {
            format!(
                "<span class=\"key {}\">{}</span>",
                plots::colour(link),
                escape(link)
            )
        })
        .collect();
    format!(
        "<p class=\"legend\">{links}<span class=\"key mark\">floor: what the machine, or the program without Ringway, takes \
         in the same run</span></p>\n"
    )
}

fn goals_table(rows: &[Row]) -> String {
    let verdicts = goals::verdicts(rows);
    if verdicts.is_empty() {
        return String::new();
    }
    let lines: String = verdicts
        .iter()
        .map(|goal| {
            let (class, word) = match goal.reached {
                true => ("good", "reached"),
                false => ("bad", "missed"),
            };
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>\n",
                escape(&goal.row.suite),
                escape(&goal.row.case),
                escape(&goal.row.link),
                escape(&goal.median()),
                escape(&goal.beside()),
                escape(&goal.wanted),
            )
        })
        .collect();
    format!(
        "<section><h2>Goals</h2><div class=\"wide\"><table><thead><tr><th>suite</th><th>case</th><th>link</th><th>median</th>\
         <th>beside</th><th>goal</th><th></th></tr></thead><tbody>\n{lines}</tbody></table></div></section>\n"
    )
}

fn section(suite: &str, title: &str, rows: &[&Row]) -> String {
    let mut text = format!(
        "<section id=\"{suite}\"><h2>{} <small>{suite}</small></h2>\n",
        escape(title)
    );
    let mut figure = |name: &str, open: bool, pictures: Vec<String>| {
        if !pictures.is_empty() {
            text.push_str(&format!(
                "<details{}><summary>{}</summary><div class=\"wide\">{}</div></details>\n",
                if open { " open" } else { "" },
                escape(name),
                pictures.concat()
            ));
        }
    };
    let short = suite != "api";
    figure("Bandwidth by size", true, plots::bandwidth(rows));
    figure(
        "By the number of sessions",
        true,
        Vec::from_iter(plots::sessions(rows)),
    );
    // Links side by side under their case.
    let mut by_case: Vec<&Row> = Vec::with_capacity(rows.len());
    for row in rows {
        if !by_case.iter().any(|known| known.case == row.case) {
            by_case.extend(rows.iter().filter(|other| other.case == row.case));
        }
    }
    figure(
        "Latency distribution by case: median to p99 (bar), p99.9 and slowest (dots), floor (line)",
        short,
        Vec::from_iter(plots::distributions(&by_case)),
    );
    figure(
        "Ratio to the floor, with the spread of the pairs (of times less is better, of rates more)",
        short,
        Vec::from_iter(plots::ratios(&by_case)),
    );
    text.push_str(&rows_table(rows));
    text.push_str("</section>\n");
    text
}

fn rows_table(rows: &[&Row]) -> String {
    let lines: String = rows
        .iter()
        .map(|row| {
            let numbers: String = table::numbers(row)
                .iter()
                .map(|cell| format!("<td class=\"n\">{cell}</td>"))
                .collect();
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td>{numbers}</tr>\n",
                escape(&row.case),
                escape(&row.link),
                escape(&row.unit)
            )
        })
        .collect();
    format!(
        "<details><summary>All numbers</summary><div class=\"wide\"><table><thead><tr><th>case</th><th>link</th><th>unit</th>\
         <th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th><th>floor</th><th>ratio</th><th>low</th><th>high</th>\
         <th>CPU ns</th></tr></thead><tbody>\n{lines}</tbody></table></div></details>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(suite: &str, case: &str, unit: &str) -> Row {
        Row {
            suite: suite.into(),
            case: case.into(),
            link: "shm".into(),
            unit: unit.into(),
            p50: 10.0,
            p90: 20.0,
            p99: 30.0,
            p999: 40.0,
            max: 50.0,
            floor: Some(5.0),
            ratio: Some(2.0),
            ratio_low: Some(1.5),
            ratio_high: Some(2.5),
            cpu_ns: None,
        }
    }

    fn rows() -> Vec<Row> {
        vec![
            row("call", "<script>alert('x')</script>", "ns"),
            row("copy", "to host 64 KiB, pinned", "GB/s"),
            row("copy", "to host 4 KiB, pinned", "ns"),
            row("scale", "quiet session's waiting call, 4 sessions", "ns"),
            row("api", "cuInit (local)", "ns"),
        ]
    }

    #[test]
    fn nothing_is_loaded_and_nothing_runs() {
        let page = page("a & b\n<c>", &rows(), false);
        for word in ["<script", "http", "src=", "@import", "url(", "onload"] {
            assert!(!page.contains(word), "{word} in the page");
        }
        assert!(page.contains("a &amp; b") && page.contains("&lt;c&gt;"));
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn every_row_is_in_a_table_and_numbers_are_finite() {
        let rows = rows();
        let page = page("here", &rows, true);
        for row in &rows {
            assert!(
                page.contains(&format!("<tr><td>{}</td>", escape(&row.case))),
                "{row:?}"
            );
        }
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        assert!(page.contains("mean nothing"));
        for element in ["svg", "table", "section", "details", "tr", "td", "div"] {
            let count = |text: &str| page.matches(text).count();
            let opened = count(&format!("<{element}>")) + count(&format!("<{element} "));
            assert_eq!(opened, count(&format!("</{element}>")), "{element}");
        }
    }

    #[test]
    fn every_suite_has_a_section() {
        let names: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
        for suite in crate::bench::Suite::ALL {
            assert!(names.contains(&suite.name()), "{}", suite.name());
        }
    }
}
