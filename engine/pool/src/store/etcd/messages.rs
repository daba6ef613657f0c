//! What is asked of etcd and what it answers, as its JSON gateway has them: keys and values in base64, 64-bit numbers as text, fields
//! that are zero or empty left out. (etcd: Documentation, API reference `rpc.proto`; dev-guide "grpc-gateway".)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

/// The key behind all that begin with a prefix.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // No key is behind them: etcd's own word for that.
    vec![0]
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    BASE64.encode(bytes)
}

/// Keys from one until before another. At most `limit` of them; 0: all. As they were at a revision; 0: now.
pub(super) fn range(from: &[u8], until: &[u8], limit: usize, revision: i64) -> Value {
    json!({ "key": text(from), "range_end": text(until), "limit": limit.to_string(), "revision": revision.to_string() })
}

pub(super) fn get(key: &[u8]) -> Value {
    json!({ "key": text(key) })
}

/// An operation of a transaction.
pub(super) fn get_operation(key: &[u8]) -> Value {
    json!({ "request_range": get(key) })
}

/// An operation of a transaction: the key lives as long as a lease of etcd's; 0: for ever.
pub(super) fn put_operation(key: &[u8], value: &[u8], lease: i64) -> Value {
    json!({ "request_put": { "key": text(key), "value": text(value), "lease": lease.to_string() } })
}

/// An operation of a transaction.
pub(super) fn delete_operation(key: &[u8]) -> Value {
    json!({ "request_delete_range": { "key": text(key) } })
}

/// An operation of a transaction: all keys from one until before another.
pub(super) fn delete_range_operation(from: &[u8], until: &[u8]) -> Value {
    json!({ "request_delete_range": { "key": text(from), "range_end": text(until) } })
}

/// A condition: the key was made at this revision and not since; 0: it is not there.
pub(super) fn was_made_at(key: &[u8], revision: i64) -> Value {
    json!({ "key": text(key), "target": "CREATE", "result": "EQUAL", "create_revision": revision.to_string() })
}

/// A condition: the key was changed at this revision and not since; 0: it is not there.
pub(super) fn was_changed_at(key: &[u8], revision: i64) -> Value {
    json!({ "key": text(key), "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string() })
}

/// A condition: the key has this value; None: it is not there.
pub(super) fn has_value(key: &[u8], value: Option<&[u8]>) -> Value {
    match value {
        Some(value) => json!({ "key": text(key), "target": "VALUE", "result": "EQUAL", "value": text(value) }),
        None => was_made_at(key, 0),
    }
}

pub(super) fn transaction(conditions: &[Value], then: Vec<Value>, otherwise: Vec<Value>) -> Value {
    json!({ "compare": conditions, "success": then, "failure": otherwise })
}

/// Operations within one transaction that are more than etcd takes side by side: in lots, each a transaction of its own inside it.
/// etcd takes 128 (`--max-txn-ops`) in all that lie on one path from the outermost to the innermost.
pub(super) fn in_lots(operations: Vec<Value>) -> Vec<Value> {
    if operations.len() <= SIDE_BY_SIDE {
        return operations;
    }
    let mut lots = Vec::new();
    let mut rest = operations.into_iter();
    loop {
        let lot: Vec<Value> = rest.by_ref().take(SIDE_BY_SIDE).collect();
        if lot.is_empty() {
            return lots;
        }
        lots.push(json!({ "request_txn": { "success": lot } }));
    }
}

/// Operations of one lot.
const SIDE_BY_SIDE: usize = 60;
/// Operations that [`in_lots`] can make one transaction of.
pub(super) const OPERATIONS_MAX: usize = SIDE_BY_SIDE * SIDE_BY_SIDE;

/// A number, written as such or as text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(i64),
        Text(String),
    }
    match Number::deserialize(from)? {
        Number::Plain(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(de::Error::custom),
    }
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    BASE64.decode(String::deserialize(from)?).map_err(de::Error::custom)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    pub(super) revision: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    #[serde(deserialize_with = "bytes")]
    pub(super) key: Vec<u8>,
    #[serde(deserialize_with = "bytes")]
    pub(super) value: Vec<u8>,
    #[serde(deserialize_with = "number")]
    pub(super) create_revision: i64,
    #[serde(deserialize_with = "number")]
    pub(super) mod_revision: i64,
    /// Lease of etcd's that it lives as long as; 0: for ever.
    #[serde(deserialize_with = "number")]
    pub(super) lease: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    pub(super) header: Header,
    pub(super) kvs: Vec<KeyValue>,
    pub(super) more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outcome {
    pub(super) header: Header,
    /// The conditions held.
    pub(super) succeeded: bool,
    responses: Vec<Response>,
}

/// Of one operation; what is not read is not kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    response_range: Option<Found>,
    response_txn: Option<Outcome>,
}

impl Outcome {
    /// What its reads found, those of lots too, in their order.
    pub(super) fn found(self) -> Vec<KeyValue> {
        let mut all = Vec::new();
        for response in self.responses {
            all.extend(response.response_range.into_iter().flat_map(|found| found.kvs));
            all.extend(response.response_txn.into_iter().flat_map(Outcome::found));
        }
        all
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Granted {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: i64,
    /// Seconds; 0: there is no such lease any more.
    #[serde(rename = "TTL", deserialize_with = "number")]
    pub(super) ttl_s: i64,
}

/// An answer of what the gateway has as a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Streamed<T> {
    pub(super) result: T,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoggedIn {
    pub(super) token: String,
}

/// Any answer whose content does not matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {}

/// Why etcd refused (codes of gRPC).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refused {
    pub(super) code: i64,
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whatever_is_left_out() {
        let text = r#"{"header":{"cluster_id":"1","revision":"9007199254740993"},"succeeded":true,"responses":[
            {"response_put":{"header":{"revision":"2"}}},
            {"response_range":{"header":{},"kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"3","version":"2","value":"Yg==","lease":7}]}},
            {"response_txn":{"succeeded":true,"responses":[{"response_range":{"kvs":[{"key":"Yw=="}]}}]}}]}"#;
        let outcome: Outcome = serde_json::from_str(text).unwrap();
        assert!(outcome.succeeded && outcome.header.revision == 9_007_199_254_740_993);
        let found: Vec<_> = outcome.found().into_iter().map(|kv| (kv.key, kv.value, kv.create_revision, kv.lease)).collect();
        assert_eq!(found, [(b"a".to_vec(), b"b".to_vec(), 2, 7), (b"c".to_vec(), vec![], 0, 0)]);
        for wrong in [r#"{"header":{"revision":"x"}}"#, r#"{"responses":[{"response_range":{"kvs":[{"key":"?"}]}}]}"#] {
            assert!(serde_json::from_str::<Outcome>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn prefixes_end_where_the_next_begins() {
        assert_eq!(end_of(b"/a/"), b"/a0");
        assert_eq!(end_of(&[1, 255, 255]), [2]);
        assert_eq!(end_of(&[255]), [0]);
    }

    #[test]
    fn lots_hold_all_operations() {
        for count in [0, 1, SIDE_BY_SIDE, SIDE_BY_SIDE + 1, OPERATIONS_MAX] {
            let lots = in_lots((0..count).map(|n| json!(n)).collect());
            assert!(lots.len() <= SIDE_BY_SIDE);
            let inside = |lot: &Value| lot.pointer("/request_txn/success").map_or(1, |lot| lot.as_array().map_or(0, Vec::len));
            assert_eq!(lots.iter().map(inside).sum::<usize>(), count);
        }
    }
}
