//! The pictures: distributions, bandwidth by size, ratios, sessions.

use super::svg::{Axis, Picture, short, time};
use crate::row::Row;

const WIDTH: f64 = 960.0;
/// Width of what stands left of an axis.
const LABELS: f64 = 330.0;
const LINE: f64 = 17.0;

/// The class of the page's style sheet that colours a link.
pub fn colour(link: &str) -> &'static str {
    match link {
        "shm" => "shm",
        "tcp" => "tcp",
        "rdma" => "rdma",
        "direct" => "direct",
        _ => "other",
    }
}

/// The vertical lines and numbers of an axis.
fn grid(
    picture: &mut Picture,
    axis: Axis,
    (top, bottom): (f64, f64),
    name: &dyn Fn(f64) -> String,
) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        picture.line("grid", (x, top), (x, bottom));
        picture.text("tick", "middle", (x, top - 5.0), &name(tick));
    }
}

/// Median to slowest sample of every case of times, the floor beside it.
pub fn distributions(rows: &[&Row]) -> Option<String> {
    let rows: Vec<&&Row> = rows.iter().filter(|row| row.unit == "ns").collect();
    let values = rows
        .iter()
        .flat_map(|row| [row.p50, row.max].into_iter().chain(row.floor));
    let axis = Axis::of(values, (LABELS, WIDTH - 20.0))?;
    let height = 24.0 + LINE * rows.len() as f64;
    let mut picture = Picture::new(WIDTH, height + 6.0);
    grid(&mut picture, axis, (18.0, height), &time);
    let mut last = "";
    for (index, row) in rows.iter().enumerate() {
        let y = 24.0 + LINE * (index as f64 + 0.5);
        let class = colour(&row.link);
        if row.case != last {
            picture.line("rule", (0.0, y - LINE / 2.0), (WIDTH, y - LINE / 2.0));
            picture.text("label", "start", (4.0, y + 4.0), &row.case);
            last = &row.case;
        }
        picture.text("tick", "end", (LABELS - 8.0, y + 4.0), &row.link);
        picture.bar(
            class,
            (axis.at(row.p50), y - 3.0),
            (axis.at(row.p99) - axis.at(row.p50), 6.0),
        );
        picture.line(class, (axis.at(row.p99), y), (axis.at(row.max), y));
        let points = [
            ("p50", row.p50, 4.5),
            ("p90", row.p90, 3.0),
            ("p99", row.p99, 3.0),
            ("p99.9", row.p999, 2.5),
            ("max", row.max, 2.0),
        ];
        for (name, value, radius) in points {
            let says = format!("{} on {}: {name} {}", row.case, row.link, time(value));
            picture.dot(class, (axis.at(value), y), radius, &says);
        }
        if let Some(floor) = row.floor {
            let x = axis.at(floor);
            picture.line("floor", (x, y - 6.0), (x, y + 6.0));
        }
    }
    Some(
        picture.markup("Latency distribution by case: median, quantiles, slowest sample and floor"),
    )
}

/// Median over floor, with the spread of the pairs, of every row that has a floor.
pub fn ratios(rows: &[&Row]) -> Option<String> {
    let rows: Vec<(&&Row, f64)> = rows
        .iter()
        .filter_map(|row| Some((row, row.ratio?)))
        .collect();
    let values = rows.iter().flat_map(|(row, ratio)| {
        [*ratio, 1.0]
            .into_iter()
            .chain(row.ratio_low)
            .chain(row.ratio_high)
    });
    let axis = Axis::of(values, (LABELS, WIDTH - 60.0)).filter(|_| !rows.is_empty())?;
    let height = 24.0 + LINE * rows.len() as f64;
    let mut picture = Picture::new(WIDTH, height + 6.0);
    grid(&mut picture, axis, (18.0, height), &|x| {
        format!("{} x", short(x))
    });
    let one = axis.at(1.0);
    for (index, (row, ratio)) in rows.iter().enumerate() {
        let y = 24.0 + LINE * (index as f64 + 0.5);
        let (x, class) = (axis.at(*ratio), colour(&row.link));
        picture.text("label", "start", (4.0, y + 4.0), &row.case);
        picture.text("tick", "end", (LABELS - 8.0, y + 4.0), &row.link);
        picture.bar(class, (one.min(x), y - 4.0), ((x - one).abs(), 8.0));
        if let (Some(low), Some(high)) = (row.ratio_low, row.ratio_high) {
            picture.line("spread", (axis.at(low), y), (axis.at(high), y));
            for end in [low, high] {
                let x = axis.at(end);
                picture.line("spread", (x, y - 3.0), (x, y + 3.0));
            }
        }
        let end = row.ratio_high.map_or(x, |high| axis.at(high).max(x));
        let beside = (end.max(one) + 8.0, y + 4.0);
        picture.text("tick", "start", beside, &short(*ratio));
    }
    picture.line("one", (one, 18.0), (one, height));
    Some(picture.markup("Median over floor by case, with the spread of the pairs"))
}

/// A curve: name, class of the style sheet, points.
pub type Curve = (String, String, Vec<(f64, f64)>);

/// Curves over two logarithmic axes.
fn curves(
    about: &str,
    curves: &[Curve],
    x_name: &dyn Fn(f64) -> String,
    y_name: &dyn Fn(f64) -> String,
) -> Option<String> {
    const SIZE: (f64, f64) = (470.0, 280.0);
    let points = || curves.iter().flat_map(|(_, _, points)| points);
    let x = Axis::of(points().map(|point| point.0), (64.0, SIZE.0 - 16.0))?;
    let y = Axis::of(points().map(|point| point.1), (SIZE.1 - 40.0, 34.0))?;
    let mut picture = Picture::new(SIZE.0, SIZE.1);
    picture.text("label", "start", (4.0, 16.0), about);
    for tick in y.ticks() {
        picture.line("grid", (64.0, y.at(tick)), (SIZE.0 - 16.0, y.at(tick)));
        picture.text("tick", "end", (58.0, y.at(tick) + 4.0), &y_name(tick));
    }
    let mut marks: Vec<f64> = points().map(|point| point.0).collect();
    marks.sort_unstable_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        let at = x.at(mark);
        picture.line("grid", (at, 34.0), (at, SIZE.1 - 40.0));
        picture.text("tick", "middle", (at, SIZE.1 - 24.0), &x_name(mark));
    }
    for (number, (name, class, points)) in curves.iter().enumerate() {
        if points.is_empty() {
            continue;
        }
        let at: Vec<(f64, f64)> = points.iter().map(|p| (x.at(p.0), y.at(p.1))).collect();
        picture.path(class, &at);
        // At its right end, or its left one: curves of a picture often end close to each other.
        if number % 2 == 0 {
            let (x, y) = at.last().copied().unwrap_or_default();
            picture.text("tick", "end", (x + 12.0, y - 7.0), name);
        } else {
            let (x, y) = at.first().copied().unwrap_or_default();
            picture.text("tick", "start", (x + 4.0, y + 14.0), name);
        }
        for (point, value) in at.iter().zip(points) {
            let says = format!("{name}, {}: {}", x_name(value.0), y_name(value.1));
            picture.dot(class, *point, 3.0, &says);
        }
    }
    Some(picture.markup(about))
}

/// The bytes that a case of suite copy names, as in `to host 64 KiB, pinned`.
fn bytes_of(case: &str) -> Option<f64> {
    let (size, _) = case.rsplit_once(',')?;
    let mut words = size.rsplit(' ');
    let unit = match words.next()? {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        _ => return None,
    };
    Some(words.next()?.parse::<f64>().ok()? * unit)
}

fn size_name(bytes: f64) -> String {
    match bytes {
        b if b >= 1_048_576.0 => format!("{}M", short(b / 1_048_576.0)),
        b if b >= 1024.0 => format!("{}K", short(b / 1024.0)),
        b => short(b),
    }
}

/// Bandwidth of copies by size, one picture for each link and direction.
pub fn bandwidth(rows: &[&Row]) -> Vec<String> {
    let copies: Vec<&&Row> = rows.iter().filter(|row| row.suite == "copy").collect();
    let mut links: Vec<&str> = copies.iter().map(|row| row.link.as_str()).collect();
    links.dedup();
    let mut pictures = Vec::new();
    for link in links {
        for direction in ["to device", "to host"] {
            let rate = |row: &Row, value: f64| match (row.unit.as_str(), bytes_of(&row.case)) {
                ("GB/s", Some(bytes)) => Some((bytes, value)),
                ("ns", Some(bytes)) if value > 0.0 => Some((bytes, bytes / value)),
                _ => None,
            };
            type Value<'a> = &'a dyn Fn(&Row) -> Option<f64>;
            let of = |name: &str, memory: &str, class: &str, value: Value<'_>| -> Curve {
                let points = copies
                    .iter()
                    .filter(|row| row.link == link && row.case.starts_with(direction))
                    .filter(|row| row.case.ends_with(memory))
                    .filter_map(|row| rate(row, value(row)?))
                    .collect();
                (name.to_owned(), class.to_owned(), points)
            };
            let lines = [
                of("pinned", "pinned", colour(link), &|row| Some(row.p50)),
                of(
                    "pageable",
                    "pageable",
                    &format!("{} thin", colour(link)),
                    &|row| Some(row.p50),
                ),
                of("floor", "pinned", "floor", &|row| row.floor),
            ];
            let about = format!("{direction}, {link}: GB/s by size");
            pictures.extend(curves(&about, &lines, &size_name, &short));
        }
    }
    pictures
}

/// The quiet session's waiting call by the number of sessions.
pub fn sessions(rows: &[&Row]) -> Option<String> {
    let case = "quiet session's waiting call, ";
    let quiet: Vec<(&&Row, f64)> = rows
        .iter()
        .filter_map(|row| {
            let count = row.case.strip_prefix(case)?.split(' ').next()?;
            Some((row, count.parse().ok()?))
        })
        .collect();
    let mut lines: Vec<Curve> = Vec::new();
    for (row, count) in quiet {
        for (name, class, value) in [("p50", "", row.p50), ("p99", " thin", row.p99)] {
            let name = format!("{name} on {}", row.link);
            let point = (count, value);
            match lines.iter_mut().find(|(known, ..)| *known == name) {
                Some((.., points)) => points.push(point),
                None => lines.push((name, format!("{}{class}", colour(&row.link)), vec![point])),
            }
        }
    }
    curves(
        "A quiet session's waiting call by sessions: p50, and p99 (thin)",
        &lines,
        &short,
        &time,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_cases() {
        assert_eq!(bytes_of("to host 64 KiB, pinned"), Some(65_536.0));
        assert_eq!(bytes_of("to device 1 B, pageable"), Some(1.0));
        assert_eq!(bytes_of("memory info"), None);
        assert_eq!(size_name(262_144.0), "256K");
    }

    #[test]
    fn nothing_measured_is_no_picture() {
        assert!(distributions(&[]).is_none());
        assert!(ratios(&[]).is_none());
        assert!(sessions(&[]).is_none());
        assert!(bandwidth(&[]).is_empty());
    }
}
