//! Filters: which servers and GPUs a request accepts, as `device.memory>=40GiB`.
//!
//! A filter is a key, an operator and a value. All filters of a request must hold.

use ringway_wire::pool::{GpuInfo, ServerInfo};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Filters of one request at the most.
pub const FILTERS_MAX: usize = 32;
/// Bytes of one filter's text at the most.
pub const FILTER_BYTES_MAX: usize = 256;
/// Numbers of a version at the most, as the three of `550.54.15`.
const VERSION_PARTS_MAX: usize = 6;

/// What a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    ServerAddr,
    ServerHostname,
    ServerHasRdma,
    ServerDriverVersion,
    ServerCudaVersion,
    DeviceName,
    DeviceMemory,
    DeviceCc,
    Label(String),
}

/// How it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// What it compares with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Value {
    /// Text in which `*` stands for any text.
    Pattern(String),
    /// Numbers that dots separate.
    Version(Vec<u32>),
    /// Bytes.
    Bytes(u64),
    Flag(bool),
}

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter {
    key: Key,
    op: Op,
    value: Value,
}

/// Why a text is no filter; names the cause and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no filter: {why}")]
pub struct BadFilter {
    text: String,
    why: String,
}

const KEYS: &str = "server.addr, server.hostname, server.has-rdma, server.driver-version, server.cuda-version, device.name, \
                    device.memory, device.cc or label.NAME";

fn parse_version(text: &str) -> Option<Vec<u32>> {
    let parts: Vec<u32> = text.split('.').take(VERSION_PARTS_MAX + 1).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    (parts.len() <= VERSION_PARTS_MAX).then_some(parts)
}

/// Compares versions number by number; one that says less equals all that begin like it when it is the filter's: `=550` takes 550.54.
fn compare_versions(have: &[u32], wanted: &[u32]) -> Ordering {
    for (index, wanted) in wanted.iter().enumerate() {
        match have.get(index).copied().unwrap_or(0).cmp(wanted) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// Bytes of `40GiB`, `512MiB` or, without a unit, MiB.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << unit)
}

/// Whether a text is what a pattern says, letters of either case being the same.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Op {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering == Ordering::Equal,
            Self::NotEqual => ordering != Ordering::Equal,
            Self::Less => ordering == Ordering::Less,
            Self::LessEqual => ordering != Ordering::Greater,
            Self::Greater => ordering == Ordering::Greater,
            Self::GreaterEqual => ordering != Ordering::Less,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        })
    }
}

impl FromStr for Filter {
    type Err = BadFilter;

    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let bad = |why: &str| BadFilter { text: text.chars().take(FILTER_BYTES_MAX).collect(), why: why.into() };
        if text.len() > FILTER_BYTES_MAX {
            return Err(bad("it is too long"));
        }
        let at = text.find(['=', '!', '<', '>']).ok_or_else(|| bad("write KEY, one of = != < <= > >=, and a value"))?;
        let (key, rest) = text.split_at(at);
        let (op, value) =
            [("!=", Op::NotEqual), ("<=", Op::LessEqual), (">=", Op::GreaterEqual), ("=", Op::Equal), ("<", Op::Less), (">", Op::Greater)]
                .into_iter()
                .find_map(|(sign, op)| Some((op, rest.strip_prefix(sign)?.trim())))
                .ok_or_else(|| bad("write one of = != < <= > >="))?;
        if value.is_empty() {
            return Err(bad("the value is missing"));
        }
        let key = match key.trim() {
            "server.addr" => Key::ServerAddr,
            "server.hostname" => Key::ServerHostname,
            "server.has-rdma" => Key::ServerHasRdma,
            "server.driver-version" => Key::ServerDriverVersion,
            "server.cuda-version" => Key::ServerCudaVersion,
            "device.name" => Key::DeviceName,
            "device.memory" => Key::DeviceMemory,
            "device.cc" => Key::DeviceCc,
            other => match other.strip_prefix("label.") {
                Some(name) if !name.is_empty() => Key::Label(name.into()),
                _ => return Err(bad(&format!("the key is none of {KEYS}"))),
            },
        };
        let is_equality = matches!(op, Op::Equal | Op::NotEqual);
        let value = match &key {
            Key::ServerAddr | Key::ServerHostname | Key::DeviceName if is_equality => Value::Pattern(value.into()),
            Key::ServerAddr | Key::ServerHostname | Key::DeviceName => {
                return Err(bad("names have no order; write = or !=, with * for any text"));
            }
            Key::Label(_) if is_equality => Value::Pattern(value.into()),
            Key::ServerHasRdma => match value {
                "true" | "yes" if is_equality => Value::Flag(true),
                "false" | "no" if is_equality => Value::Flag(false),
                _ => return Err(bad("write =true or =false")),
            },
            Key::DeviceMemory => Value::Bytes(parse_bytes(value).ok_or_else(|| bad("write MiB, or a number with MiB, GiB or TiB"))?),
            Key::ServerDriverVersion | Key::ServerCudaVersion | Key::DeviceCc | Key::Label(_) => {
                Value::Version(parse_version(value).ok_or_else(|| bad("write numbers with dots between, as 12.4"))?)
            }
        };
        Ok(Self { key, op, value })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.key {
            Key::ServerAddr => "server.addr",
            Key::ServerHostname => "server.hostname",
            Key::ServerHasRdma => "server.has-rdma",
            Key::ServerDriverVersion => "server.driver-version",
            Key::ServerCudaVersion => "server.cuda-version",
            Key::DeviceName => "device.name",
            Key::DeviceMemory => "device.memory",
            Key::DeviceCc => "device.cc",
            Key::Label(name) => return write!(f, "label.{name}{}{}", self.op, self.value),
        };
        write!(f, "{key}{}{}", self.op, self.value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(text) => f.write_str(text),
            Self::Version(parts) => {
                let parts: Vec<String> = parts.iter().map(u32::to_string).collect();
                f.write_str(&parts.join("."))
            }
            Self::Bytes(bytes) => write!(f, "{}MiB", bytes >> 20),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

impl Filter {
    /// Whether a GPU of a server is accepted. What a server does not say (a label, a version) equals nothing and has no order.
    pub fn accepts(&self, server: &ServerInfo, gpu: &GpuInfo) -> bool {
        match &self.value {
            Value::Pattern(pattern) => {
                let have = match &self.key {
                    Key::ServerAddr => Some(server.address.as_str()),
                    Key::ServerHostname => Some(server.hostname.as_str()),
                    Key::DeviceName => Some(gpu.name.as_str()),
                    Key::Label(name) => server.labels.get(name).map(String::as_str),
                    _ => None,
                };
                have.is_some_and(|have| matches_pattern(pattern, have)) == (self.op == Op::Equal)
            }
            Value::Flag(wanted) => (server.has_rdma == *wanted) == (self.op == Op::Equal),
            Value::Bytes(wanted) => self.op.holds(gpu.memory_bytes.cmp(wanted)),
            Value::Version(wanted) => {
                let have = match &self.key {
                    Key::ServerDriverVersion => parse_version(&server.driver_version),
                    Key::ServerCudaVersion => parse_version(&server.cuda_version),
                    Key::DeviceCc => Some(vec![gpu.compute_capability.0, gpu.compute_capability.1]),
                    Key::Label(name) => server.labels.get(name).and_then(|text| parse_version(text)),
                    _ => None,
                };
                match have {
                    Some(have) => self.op.holds(compare_versions(&have, wanted)),
                    None => self.op == Op::NotEqual,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> (ServerInfo, GpuInfo) {
        let gpu = GpuInfo { name: "NVIDIA H100 80GB HBM3".into(), memory_bytes: 80 << 30, compute_capability: (9, 0) };
        let server = ServerInfo {
            name: "gpu07".into(),
            address: "10.0.0.7:7766".into(),
            hostname: "gpu07.example".into(),
            has_rdma: true,
            driver_version: "550.54.15".into(),
            cuda_version: "12.4".into(),
            labels: [("rack".to_owned(), "12".to_owned()), ("zone".to_owned(), "b".to_owned())].into(),
            gpus: vec![gpu.clone()],
        };
        (server, gpu)
    }

    #[test]
    fn filters_accept_and_refuse() {
        let (server, gpu) = server();
        for (text, accepted) in [
            ("server.addr=10.0.0.*", true),
            ("server.addr=10.0.1.*", false),
            ("server.hostname=GPU07.example", true),
            ("server.hostname!=gpu07.example", false),
            ("server.has-rdma=true", true),
            ("server.has-rdma!=true", false),
            ("server.driver-version>=550", true),
            ("server.driver-version=550.54", true),
            ("server.driver-version>550.54.15", false),
            ("server.driver-version<550.54.16", true),
            ("server.cuda-version>=12.10", false),
            ("server.cuda-version<13", true),
            ("device.name=*H100*", true),
            ("device.name=NVIDIA*HBM3", true),
            ("device.name=H100", false),
            ("device.name=NVIDIA H100*A*", false),
            ("device.memory>=80GiB", true),
            ("device.memory>81920", false),
            ("device.memory<=81920MiB", true),
            ("device.cc>=8.9", true),
            ("device.cc=9", true),
            ("device.cc<9.0", false),
            ("label.rack>=12", true),
            ("label.rack=1*", true),
            ("label.rack>12", false),
            ("label.zone=b", true),
            ("label.zone>1", false),
            ("label.floor=1", false),
            ("label.floor!=1", true),
            ("label.floor<1", false),
        ] {
            let filter: Filter = text.parse().unwrap();
            assert_eq!(filter.accepts(&server, &gpu), accepted, "{text}");
            let again: Filter = filter.to_string().parse().unwrap();
            assert_eq!(again, filter, "{text} written and read again");
        }
    }

    #[test]
    fn texts_that_are_no_filters() {
        for text in [
            "",
            "device.memory",
            "device.memory=",
            "device.memory>=much",
            "device.memory>=1PiB",
            "device.colour=red",
            "label.=1",
            "device.name<b",
            "server.has-rdma=maybe",
            "server.has-rdma<true",
            "device.cc>=nine",
            "server.cuda-version>=1.2.3.4.5.6.7",
            "device.memory>=99999999999999999999",
            "device.memory!80",
            &format!("device.name={}", "x".repeat(300)),
        ] {
            assert!(text.parse::<Filter>().is_err(), "{text:?}");
        }
    }
}
