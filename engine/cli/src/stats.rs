//! `ringway run --stats`: what the processes of a program counted, added up.

use crate::Failure;
use crate::run::Ran;
use std::path::Path;

/// Adds up what each process of the program left.
pub fn write(file: &Path, dir: &Path, ran: &Ran) -> Result<(), Failure> {
    use serde_json::{Map, Value, json};
    fn add(into: &mut Map<String, Value>, from: &Map<String, Value>) {
        for (key, value) in from {
            match (into.get_mut(key), value) {
                (None, value) => {
                    into.insert(key.clone(), value.clone());
                }
                (Some(Value::Object(a)), Value::Object(b)) => add(a, b),
                (Some(slot), Value::Number(b)) => {
                    if let (Some(a), Some(b)) = (slot.as_u64(), b.as_u64()) {
                        *slot = json!(a + b);
                    }
                }
                _ => {}
            }
        }
    }
    let mut sum = Map::new();
    let mut processes = 0;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read(path)?;
        if let Value::Object(one) = serde_json::from_slice(&text)? {
            add(&mut sum, &one);
            processes += 1;
        }
    }
    sum.insert("link".into(), json!(ran.link));
    sum.insert("processes".into(), json!(processes));
    sum.insert("wall_s".into(), json!(ran.wall.as_secs_f64()));
    let text = serde_json::to_string_pretty(&Value::Object(sum))?;
    std::fs::write(file, text + "\n")
        .map_err(|error| Failure::new(format!("--stats {}: {error}", file.display())))
}
