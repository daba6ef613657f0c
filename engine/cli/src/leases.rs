//! Leases from several servers, for one program: the GPUs are taken from the first servers that have them, all or none.

use crate::Failure;
use crate::access::Server;
use crate::run::{Held, Link, RunArgs, lease, needs_pool};
use ringway_wire::control::{GpuStatus, MemoryAsk, Reply, Request, SERVERS_MAX};

/// Characters of a server's name at the most.
const NAME_MAX: usize = 48;

/// The leases of a program, in the order of its GPUs: those of the first come first.
pub struct Leases(Vec<Held>);

impl Leases {
    /// Takes the GPUs that `args` ask for. None: there are none, and the program is to go without.
    ///
    /// # Errors
    /// Where they cannot all be had; nothing is held then.
    pub fn take(args: &RunArgs, from: &[Server]) -> Result<Option<Self>, Failure> {
        if let [only] = from {
            return Ok(lease(args, only, args.gpus())?.map(Self));
        }
        if from.len() > SERVERS_MAX as usize {
            return Err(Failure::new(format!("{} servers are named; a program can have {SERVERS_MAX}", from.len())));
        }
        if args.pool.needs_pool() {
            return Err(needs_pool("several servers are named"));
        }
        let (mut taken, mut left, mut why) = (Self(Vec::new()), args.gpus(), Vec::new());
        for server in from {
            if left == 0 {
                break;
            }
            match some(args, server, left) {
                Ok(held) => {
                    let gpus = held.iter().map(Held::gpus).sum();
                    left = left.saturating_sub(gpus);
                    if left > 0 {
                        why.push(format!("{server} gives {gpus}"));
                    }
                    taken.0.extend(held);
                }
                Err(failure) => why.push(failure.message),
            }
        }
        if left == 0 {
            return Ok(Some(taken));
        }
        taken.release();
        Err(Failure::new(format!("{left} of {} GPUs cannot be had: {}", args.gpus(), why.join("; "))))
    }

    /// What is leased, where, and over which links.
    pub fn description(&self) -> String {
        self.0.iter().map(Held::description).collect::<Vec<_>>().join("; ")
    }

    /// Gives them back; see [`Held::release`].
    pub fn release(self) {
        self.0.into_iter().for_each(Held::release);
    }

    /// Lets go of them without waiting: their server ends.
    pub fn abandon(self) {
        self.0.into_iter().for_each(Held::abandon);
    }

    /// Name of the link, or that there are several kinds.
    pub fn link(&self) -> &'static str {
        let mut links = self.0.iter().map(Held::link);
        let first = links.next().unwrap_or_default();
        if links.all(|link| link == first) { first } else { "several" }
    }

    /// Whether all servers are on this host.
    pub fn same_host(&self) -> bool {
        self.0.iter().all(Held::same_host)
    }

    /// `RINGWAY_LEASE`: a line for each lease; see [`Held::variable`].
    pub fn variable(&self, forced: Option<Link>) -> String {
        match &self.0[..] {
            [only] => only.variable(forced),
            all => all.iter().map(|held| held.line(forced, Some(&self.name(held)))).collect::<Vec<_>>().join("\n"),
        }
    }

    /// What tells a server from the others: its name, and its address where others have that name.
    fn name(&self, held: &Held) -> String {
        let is_alone = self.0.iter().filter(|other| other.server == held.server).count() == 1;
        let name = if is_alone { held.server.clone() } else { format!("{} {}", held.server, held.target) };
        name.chars().filter(|c| !c.is_control() && *c != '|').take(NAME_MAX).collect()
    }
}

/// Leases as many GPUs of a server as it can give, `most` at the most; all or none where they are to be on one server.
fn some(args: &RunArgs, from: &Server, most: u32) -> Result<Vec<Held>, Failure> {
    let (_, reply, target) = from.ask(&Request::Inventory { token: from.token.clone() })?;
    let gpus = match reply {
        Reply::Inventory { gpus, .. } => gpus,
        Reply::Pool(_) => return Err(Failure::new(format!("{target} is a pool, which is named without other servers"))),
        _ => return Err(Failure::new(format!("{target}: the server answered with something else than its inventory"))),
    };
    let least = if args.pool.one_server { most } else { 1 };
    let mut ask = most.min(fitting(&gpus, args.memory_ask()));
    if ask < least {
        let has = if ask == 0 { "no GPU".into() } else { format!("{ask} GPUs") };
        return Err(Failure::new(format!("{target} has {has} with so much free memory")));
    }
    // Others lease meanwhile.
    loop {
        match lease(args, from, ask) {
            Ok(held) => return Ok(held.unwrap_or_default()),
            Err(failure) if ask == least => return Err(failure),
            Err(_) => ask -= 1,
        }
    }
}

/// GPUs with so much memory that nobody has leased.
fn fitting(gpus: &[GpuStatus], memory: MemoryAsk) -> u32 {
    let fits = |gpu: &&GpuStatus| {
        let wanted = match memory {
            MemoryAsk::Fraction(fraction) => (gpu.memory_bytes as f64 * fraction) as u64,
            MemoryAsk::Mib(mib) => mib.saturating_mul(1 << 20),
        };
        wanted <= gpu.memory_bytes.saturating_sub(gpu.memory_bytes_leased)
    };
    gpus.iter().filter(fits).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_that_are_leased_do_not_count() {
        let gpu = |leased_mib: u64| GpuStatus {
            used: Default::default(),
            ordinal: 0,
            name: String::new(),
            uuid: String::new(),
            compute_capability: (8, 0),
            memory_bytes: 1000 << 20,
            memory_bytes_leased: leased_mib << 20,
            leases: 0,
        };
        let gpus = [gpu(0), gpu(500), gpu(1000)];
        assert_eq!(fitting(&gpus, MemoryAsk::Fraction(1.0)), 1);
        assert_eq!(fitting(&gpus, MemoryAsk::Fraction(0.5)), 2);
        assert_eq!(fitting(&gpus, MemoryAsk::Mib(501)), 1);
        assert_eq!(fitting(&gpus, MemoryAsk::Mib(0)), 3);
        assert_eq!(fitting(&gpus, MemoryAsk::Mib(u64::MAX)), 0);
    }
}
