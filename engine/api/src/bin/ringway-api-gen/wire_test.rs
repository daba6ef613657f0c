//! The two ends of a generated call agree: what one writes the other reads, in the same order and widths.

use crate::model::{Class, Row};
use crate::{dispatch, exports, read_table, root};

/// Body of the first function whose head contains `head`.
fn function<'a>(text: &'a str, head: &str) -> &'a str {
    let start = text.find(head).unwrap_or_else(|| panic!("no {head}"));
    let end = text[start..]
        .find("\n}\n")
        .expect("functions end with a brace");
    &text[start..start + end]
}

/// The methods called on `object`, in order, under names that both ends share.
fn steps(text: &str, object: &str, skip: &[&str]) -> Vec<String> {
    text.match_indices(object)
        .filter(|(at, _)| {
            !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
        })
        .map(|(at, _)| {
            let rest = &text[at + object.len()..];
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            rest[..end].to_string()
        })
        .filter(|step| !skip.contains(&step.as_str()))
        .map(|step| match step.as_str() {
            // Structures: `put` of so many bytes there, `take` or `array` here.
            "take" | "array" | "put" => "raw".to_string(),
            "c_string" => "bytes".to_string(),
            _ => step,
        })
        .collect()
}

#[test]
fn both_ends_of_every_generated_call_agree() {
    let rows = read_table(&root()).unwrap();
    let mut seen = 0;
    for row in rows.iter().filter(|r| r.has_auto_arm()) {
        let family: Vec<&Row> = rows.iter().filter(|r| r.family == row.family).collect();
        let (client, server) = (exports::family(&family), dispatch::family(&family));
        let client = function(&client, &format!("unsafe fn auto_{}(", row.name));
        let server = function(&server, &format!("fn {}(cx:", row.name));
        let written = steps(client, "w.", &[]);
        let read = steps(server, "r.", &["left", "end"]);
        assert_eq!(written, read, "request of {}", row.name);
        if row.name == "cuEventRecord" {
            assert_eq!(written, ["u64", "u64"]);
        }
        let answered = steps(server, "cx.reply.", &[]);
        let taken = steps(client, "r.", &[]);
        assert_eq!(answered, taken, "answer of {}", row.name);
        assert!(
            row.class != Class::Posted || answered.is_empty(),
            "{} is posted and answers",
            row.name
        );
        seen += 1;
    }
    assert!(seen > 100);
}
