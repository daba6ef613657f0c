//! `ringway smi`: the GPUs of a pool, of servers or of a lease, as nvidia-smi shows local ones.
//!
//! Within `ringway run` it shows the program's slices. Memory in use is what programs have allocated; a GPU is busy while there is
//! something to do for it, as its server measures that. What is not known is `[N/A]`.

use crate::access::Server;
use crate::output::{Rows, cut, mib, print_json, print_styled};
use crate::overview::{LeaseView, Overview, SourceArgs};
use crate::{EXIT_RINGWAY, Failure};
use ringway_link::endpoint::Target;
use ringway_secure::tls::Trust;
use ringway_secure::unhex;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// What nvidia-smi prints where it does not know.
const UNKNOWN: &str = "[N/A]";

/// Options of `ringway smi`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway smi --server poolhost:7767                          GPUs, and who has them
  ringway smi -L                                              one line for each GPU
  ringway smi --query-gpu=index,name,memory.total --format=csv,noheader,nounits
  ringway run -n 2 -p 0.5 -- ringway smi                      the program's own slices

Memory in use is what programs have allocated. Utilisation is the part of the last second in which there was something to do
for the GPU: calls to execute, or kernels and copies under way.")]
pub struct SmiArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Print one line for each GPU.
    #[arg(short = 'L', long, conflicts_with_all = ["query_gpu", "json"])]
    list_gpus: bool,
    /// Print these fields of each GPU: index, name, uuid, memory.total, memory.used, memory.free, utilization.gpu, compute_cap, count,
    /// driver_version, server.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', requires = "format", conflicts_with = "json")]
    query_gpu: Vec<Field>,
    /// How --query-gpu prints: csv, with noheader and nounits behind it.
    #[arg(long, value_name = "FORMAT", requires = "query_gpu")]
    format: Option<Format>,
    /// Within `ringway run`, show all GPUs, not only the program's slices.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A field of --query-gpu, by nvidia-smi's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Field {
    #[value(name = "index")]
    Index,
    #[value(name = "name", alias = "gpu_name")]
    Name,
    #[value(name = "uuid", alias = "gpu_uuid")]
    Uuid,
    #[value(name = "memory.total")]
    MemoryTotal,
    #[value(name = "memory.used")]
    MemoryUsed,
    #[value(name = "memory.free")]
    MemoryFree,
    #[value(name = "utilization.gpu")]
    Utilization,
    #[value(name = "compute_cap")]
    ComputeCapability,
    #[value(name = "count")]
    Count,
    #[value(name = "driver_version")]
    DriverVersion,
    #[value(name = "server")]
    Server,
}

/// See [`SmiArgs::format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    has_header: bool,
    has_units: bool,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',').map(str::trim);
        let bad = || format!("'{text}' is no format; write csv, csv,noheader or csv,noheader,nounits");
        if words.next() != Some("csv") {
            return Err(bad());
        }
        words.try_fold(Self { has_header: true, has_units: true }, |format, word| match word {
            "noheader" => Ok(Self { has_header: false, ..format }),
            "nounits" => Ok(Self { has_units: false, ..format }),
            _ => Err(bad()),
        })
    }
}

/// A GPU, or a slice of one, with an index as a program would count them.
#[derive(Debug, Clone, Serialize)]
struct Shown {
    index: usize,
    server: String,
    /// On its server.
    ordinal: u32,
    name: String,
    uuid: Option<String>,
    compute_capability: (u32, u32),
    driver: String,
    memory_bytes: u64,
    /// What is leased; of a slice all of it.
    leased_bytes: u64,
    /// What programs have allocated.
    used_bytes: u64,
    /// Thousandths of the last second in which there was something to do.
    busy_thousandths: u32,
    processes: Vec<Process>,
}

/// A lease, where nvidia-smi has a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Process {
    lease: String,
    user: String,
    host: String,
    pid: u32,
    program: String,
    memory_bytes: u64,
    /// Of it, what is allocated.
    used_bytes: u64,
}

/// The lease that a program runs in.
#[derive(Debug, PartialEq, Eq)]
struct OwnLease {
    id: String,
    address: String,
    ca: Option<Vec<u8>>,
}

/// The leases that `RINGWAY_LEASE` names, a line for each.
fn own_leases(text: &str) -> Result<Vec<OwnLease>, Failure> {
    let malformed = || Failure::new("RINGWAY_LEASE is malformed; start the program with ringway run, or show all GPUs with --all");
    let of_line = |line: &str| {
        let parts: Vec<&str> = line.split('|').collect();
        let (address, id) = match parts[..] {
            [address, id, _, _, ..] => (address.to_owned(), id.to_owned()),
            _ => return Err(malformed()),
        };
        let ca = match parts.get(4) {
            Some(ca) if !ca.is_empty() => Some(unhex(ca).ok_or_else(malformed)?),
            _ => None,
        };
        Ok(OwnLease { id, address, ca })
    };
    text.lines().map(of_line).collect()
}

/// What is leased and who has it, where it was asked for.
fn of_overview(found: &Overview) -> Vec<Shown> {
    let gpus = found.servers.iter().flat_map(|server| server.gpus.iter().map(move |gpu| (server, gpu)));
    let shown = gpus.enumerate().map(|(index, (server, gpu))| Shown {
        index,
        server: server.name.clone(),
        ordinal: gpu.ordinal,
        name: gpu.name.clone(),
        uuid: gpu.uuid.clone(),
        compute_capability: gpu.compute_capability,
        driver: server.driver.clone(),
        memory_bytes: gpu.memory_bytes,
        leased_bytes: gpu.leased_bytes,
        used_bytes: gpu.used.allocated_bytes,
        busy_thousandths: gpu.used.busy_thousandths,
        processes: found.leases.iter().flat_map(|lease| processes_of(lease, &server.name, gpu.ordinal)).collect(),
    });
    shown.collect()
}

fn processes_of(lease: &LeaseView, server: &str, ordinal: u32) -> Option<Process> {
    let its = lease.slices.iter().enumerate().filter(|(_, slice)| slice.server == server && slice.ordinal == ordinal);
    let used = |index: usize| lease.used.slices.get(index).map_or(0, |slice| slice.allocated_bytes);
    let its = its.map(|(index, slice)| (slice.memory_bytes, used(index)));
    let (memory_bytes, used_bytes) = its.reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))?;
    Some(Process {
        lease: lease.id.clone(),
        user: lease.user.clone(),
        host: lease.host.clone(),
        pid: lease.pid,
        program: lease.program.clone(),
        memory_bytes,
        used_bytes,
    })
}

/// The slices of one lease, from `first_index` on.
fn of_lease(found: &Overview, lease: &LeaseView, first_index: usize) -> Vec<Shown> {
    let shown = lease.slices.iter().enumerate().map(|(index, slice)| {
        let server = found.servers.iter().find(|server| server.name == slice.server);
        let gpu = server.and_then(|server| server.gpus.iter().find(|gpu| gpu.ordinal == slice.ordinal));
        let used = lease.used.slices.get(index).copied().unwrap_or_default();
        Shown {
            index: first_index + index,
            server: slice.server.clone(),
            ordinal: slice.ordinal,
            name: gpu.map_or_else(|| UNKNOWN.to_owned(), |gpu| gpu.name.clone()),
            uuid: gpu.and_then(|gpu| gpu.uuid.clone()),
            compute_capability: gpu.map_or((0, 0), |gpu| gpu.compute_capability),
            driver: server.map(|server| server.driver.clone()).unwrap_or_default(),
            memory_bytes: slice.memory_bytes,
            leased_bytes: slice.memory_bytes,
            used_bytes: used.allocated_bytes,
            busy_thousandths: used.busy_thousandths,
            processes: processes_of(lease, &slice.server, slice.ordinal).into_iter().collect(),
        }
    });
    shown.collect()
}

/// The slices of the leases that this program runs in: asked of its pool or server, where one is configured, else of the lease's server.
fn own_slices(args: &SmiArgs, text: &str) -> Result<Vec<Shown>, Failure> {
    let configured = args.source.all().unwrap_or_default();
    let (mut shown, mut why) = (Vec::new(), Vec::new());
    // A pool tells of all parts of a lease at once; each has a line.
    let mut whole: Vec<String> = Vec::new();
    for own in own_leases(text)? {
        if whole.contains(&own.id) {
            continue;
        }
        let endpoint = own.address.parse().map_err(|error| Failure::new(format!("RINGWAY_LEASE: {error}")))?;
        let trust = own.ca.as_ref().map(|ca| Trust::in_authority(ca)).transpose().map_err(Failure::new)?;
        let itself = args.source.plain(Target { endpoint, trust });
        let asked = configured.iter().chain([&itself]);
        let slices = asked.into_iter().find_map(|server: &Server| match Overview::of(server, true) {
            Ok(found) => {
                let lease = found.leases.iter().find(|lease| lease.id == own.id);
                if lease.is_none() {
                    why.push(format!("{server} does not know the lease {}", own.id));
                }
                if lease.is_some() && found.pool.is_some() {
                    whole.push(own.id.clone());
                }
                lease.map(|lease| of_lease(&found, lease, shown.len()))
            }
            Err(failure) => {
                why.push(failure.message().to_owned());
                None
            }
        });
        shown.extend(slices.ok_or_else(|| {
            Failure::new(format!("nobody tells about this program's lease ({}); name its pool or server with --server or a token file", why.join("; ")))
        })?);
    }
    Ok(shown)
}

/// Shows GPUs.
pub fn smi(args: &SmiArgs) -> Result<ExitCode, Failure> {
    let own = std::env::var("RINGWAY_LEASE").ok().filter(|text| !text.is_empty() && !args.all);
    let mut code = ExitCode::SUCCESS;
    let (shown, whose) = match own {
        Some(text) => (own_slices(args, &text)?, "slices of this program".to_owned()),
        None => {
            let (found, failures) = Overview::of_all(&args.source.all()?);
            for failure in &failures {
                eprintln!("ringway: {}", failure.message());
                code = ExitCode::from(EXIT_RINGWAY);
            }
            let whose = found.pool.as_ref().map_or_else(|| found.address.clone(), |pool| format!("pool {pool} at {}", found.address));
            (of_overview(&found), whose)
        }
    };
    if args.json {
        print_json(&shown)?;
    } else if args.list_gpus {
        crate::print(&shown.iter().map(line).collect::<String>())?;
    } else if let Some(format) = args.format {
        crate::print(&query(&shown, &args.query_gpu, format))?;
    } else {
        print_styled(&table(&shown, &whose))?;
    }
    Ok(code)
}

/// As `nvidia-smi -L` has it, with the server behind.
fn line(gpu: &Shown) -> String {
    let uuid = gpu.uuid.as_deref().unwrap_or(UNKNOWN);
    format!("GPU {}: {} (UUID: {uuid}) on {}\n", gpu.index, gpu.name, gpu.server)
}

fn query(shown: &[Shown], fields: &[Field], format: Format) -> String {
    let row = |of: &dyn Fn(Field) -> String| fields.iter().map(|field| of(*field)).collect::<Vec<_>>().join(", ") + "\n";
    let mut text = String::new();
    if format.has_header {
        text += &row(&|field| field.head(format.has_units));
    }
    for gpu in shown {
        text += &row(&|field| field.value(gpu, shown.len(), format.has_units));
    }
    text
}

impl Field {
    fn name(self) -> String {
        use clap::ValueEnum;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn head(self, has_units: bool) -> String {
        let unit = match self {
            Self::MemoryTotal | Self::MemoryUsed | Self::MemoryFree => " [MiB]",
            Self::Utilization => " [%]",
            _ => "",
        };
        self.name() + if has_units { unit } else { "" }
    }

    fn value(self, gpu: &Shown, count: usize, has_units: bool) -> String {
        let memory = |bytes: u64| if has_units { format!("{} MiB", mib(bytes)) } else { mib(bytes) };
        let or_unknown = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| UNKNOWN.into());
        match self {
            Self::Index => gpu.index.to_string(),
            Self::Name => gpu.name.clone(),
            Self::Uuid => or_unknown(gpu.uuid.clone()),
            Self::MemoryTotal => memory(gpu.memory_bytes),
            Self::MemoryUsed => memory(gpu.used_bytes),
            Self::MemoryFree => memory(gpu.memory_bytes.saturating_sub(gpu.used_bytes)),
            Self::Utilization => utilisation(gpu, has_units),
            Self::ComputeCapability => format!("{}.{}", gpu.compute_capability.0, gpu.compute_capability.1),
            Self::Count => count.to_string(),
            Self::DriverVersion => or_unknown(Some(gpu.driver.clone())),
            Self::Server => gpu.server.clone(),
        }
    }
}

/// In whole percent, as nvidia-smi has it.
fn utilisation(gpu: &Shown, has_unit: bool) -> String {
    format!("{:.0}{}", f64::from(gpu.busy_thousandths) / 10.0, if has_unit { " %" } else { "" })
}

fn table(shown: &[Shown], whose: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "ringway {}  {whose}\n", env!("CARGO_PKG_VERSION"));
    let mut gpus = Rows::new(&[">GPU", "name", "server", ">of server", "cc", ">memory used / leased / total", ">util", "UUID"]);
    for gpu in shown {
        gpus.add([
            gpu.index.to_string(),
            gpu.name.clone(),
            gpu.server.clone(),
            gpu.ordinal.to_string(),
            format!("{}.{}", gpu.compute_capability.0, gpu.compute_capability.1),
            format!("{} / {} / {} MiB", mib(gpu.used_bytes), mib(gpu.leased_bytes), mib(gpu.memory_bytes)),
            utilisation(gpu, true),
            gpu.uuid.clone().unwrap_or_else(|| UNKNOWN.into()),
        ]);
    }
    text += &if gpus.is_empty() { "no GPUs\n".to_owned() } else { gpus.text() };
    let mut processes = Rows::new(&[">GPU", "!lease", "user", "host", ">PID", "program", ">memory used / leased"]);
    for gpu in shown {
        for process in &gpu.processes {
            processes.add([
                gpu.index.to_string(),
                process.lease.clone(),
                cut(&process.user, 24),
                cut(&process.host, 24),
                process.pid.to_string(),
                cut(&process.program, 40),
                format!("{} / {} MiB", mib(process.used_bytes), mib(process.memory_bytes)),
            ]);
        }
    }
    text += "\n";
    text += &if processes.is_empty() { "no leases\n".to_owned() } else { processes.text() };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(used_bytes: u64) -> Shown {
        Shown {
            index: 3,
            server: "s1".into(),
            ordinal: 1,
            name: "GPU X".into(),
            uuid: None,
            compute_capability: (9, 0),
            driver: String::new(),
            memory_bytes: 1024 << 20,
            leased_bytes: 512 << 20,
            used_bytes,
            busy_thousandths: 376,
            processes: Vec::new(),
        }
    }

    #[test]
    fn formats() {
        assert_eq!("csv".parse(), Ok(Format { has_header: true, has_units: true }));
        assert_eq!("csv,nounits,noheader".parse(), Ok(Format { has_header: false, has_units: false }));
        for text in ["", "json", "csv,", "noheader,csv", "csv,units"] {
            assert!(text.parse::<Format>().is_err(), "{text}");
        }
    }

    #[test]
    fn queries_look_as_those_of_nvidia_smi() {
        use Field::{ComputeCapability, Index, MemoryFree, MemoryTotal, MemoryUsed, Name, Utilization, Uuid};
        let fields = [Index, Name, Uuid, MemoryTotal, MemoryUsed, MemoryFree, Utilization, ComputeCapability];
        let whole = query(&[gpu(256 << 20)], &fields, Format { has_header: true, has_units: true });
        assert_eq!(
            whole,
            "index, name, uuid, memory.total [MiB], memory.used [MiB], memory.free [MiB], utilization.gpu [%], compute_cap\n\
             3, GPU X, [N/A], 1024 MiB, 256 MiB, 768 MiB, 38 %, 9.0\n"
        );
        let slice = query(&[gpu(0)], &[Index, MemoryTotal, MemoryUsed, MemoryFree, Utilization], Format { has_header: false, has_units: false });
        assert_eq!(slice, "3, 1024, 0, 1024, 38\n");
        assert_eq!(line(&gpu(0)), "GPU 3: GPU X (UUID: [N/A]) on s1\n");
    }

    #[test]
    fn leases_of_a_program() {
        let one = OwnLease { id: "a1".into(), address: "unix:/s".into(), ca: None };
        assert_eq!(own_leases("unix:/s|a1|secret|shm").unwrap(), [one]);
        let two = own_leases("h:1|a1|s|tcp|0aff|name\nh:2|a2|s|tcp||other").unwrap();
        assert_eq!((two[0].ca.as_deref(), two[1].ca.as_deref(), two[1].address.as_str()), (Some(&[10, 255][..]), None, "h:2"));
        for text in ["x", "a|b|c", "a|b|c|tcp|zz"] {
            assert!(own_leases(text).is_err(), "{text}");
        }
    }
}
