//! Where a request goes: the GPUs that fit it best, or those that are to become free for it.

use super::inventory::{Gpu, Inventory, Part, SERVER_GPUS_MAX, Server, ServerIndex};
use ringway_wire::pool::ServerState;
use super::request::{Placement, Request};
use crate::lease::slice_bytes;
use ringway_wire::control::MemoryAsk;
use std::cmp::Reverse;

/// Which slices a request may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'a> {
    /// GPUs that its filters accept, a bit for each in the array of all; None: every GPU.
    pub(super) accepted: Option<&'a [u64]>,
    /// Bytes of a slice at the most, as its owners' quotas have room. It is a bound on each slice, not on their sum, so that no lease of
    /// another makes anything possible.
    pub(super) slice_bytes_max: u64,
    /// No slice has fewer bytes than this, on whichever GPU.
    pub(super) slice_bytes_min: u64,
}

impl<'a> Terms<'a> {
    pub(super) fn without_quota(accepted: Option<&'a [u64]>) -> Self {
        Self { accepted, slice_bytes_max: u64::MAX, slice_bytes_min: 0 }
    }

    fn accepts(&self, gpu: usize) -> bool {
        self.accepted.is_none_or(|bits| bits.get(gpu / 64).is_some_and(|word| word >> (gpu % 64) & 1 == 1))
    }

    /// Bytes of the slice of a GPU; None: it cannot give one.
    fn slice(&self, memory: MemoryAsk, gpu: usize, state: &Gpu) -> Option<u64> {
        let bytes = slice_bytes(memory, state.memory_bytes).ok()?;
        (bytes <= state.memory_bytes && bytes <= self.slice_bytes_max && self.accepts(gpu)).then_some(bytes)
    }
}

/// How far a program is from a server: less is better.
fn distance(request: &Request, server: &Server) -> u8 {
    if !request.near.is_empty() && request.near == server.info.hostname {
        0
    } else if request.has_rdma && server.info.has_rdma {
        1
    } else {
        2
    }
}

/// A GPU that fits, and what makes it better or worse than others: less is better.
type Fit = (u64, Part);

/// The GPUs of a server that fit, in no order.
fn fits<'b>(
    inventory: &Inventory,
    request: &Request,
    terms: Terms<'_>,
    server: &Server,
    into: &'b mut [Fit; SERVER_GPUS_MAX],
) -> &'b mut [Fit] {
    let mut count = 0;
    for (gpu, state) in server.range().zip(&inventory.gpus()[server.range()]) {
        let available = state.available_bytes();
        if let Some(bytes) = terms.slice(request.memory, gpu, state)
            && bytes <= available
            && count < SERVER_GPUS_MAX
        {
            let worse = match request.placement {
                Placement::Pack => available,
                Placement::Spread => u64::MAX - available,
            };
            into[count] = (worse, Part { gpu, bytes });
            count += 1;
        }
    }
    &mut into[..count]
}

/// Servers that may have a GPU that fits.
fn candidates<'a>(inventory: &'a Inventory, terms: Terms<'a>) -> impl Iterator<Item = (ServerIndex, &'a Server)> {
    let enough = inventory.available_max().iter().enumerate().filter(move |(_, available)| **available >= terms.slice_bytes_min.max(1));
    enough.filter_map(|(index, _)| Some((index, inventory.get(index)?)))
}

/// How well slices on one server suit a request: less is better.
type Score = (u8, u64, ServerIndex);

/// For each number of GPUs the most bytes that some server among those named has available on as many at once; of the most GPUs
/// that a server has, if it is more.
#[derive(Debug)]
pub(super) struct Freed([u64; SERVER_GPUS_MAX]);

impl Freed {
    pub(super) fn on(inventory: &Inventory, servers: &[ServerIndex]) -> Self {
        let mut most = [0; SERVER_GPUS_MAX];
        for server in servers.iter().filter_map(|index| inventory.get(*index)).filter(|server| server.state == ServerState::Up) {
            let mut available: Vec<u64> = inventory.gpus()[server.range()].iter().map(Gpu::available_bytes).collect();
            available.sort_unstable_by_key(|bytes| Reverse(*bytes));
            for (most, available) in most.iter_mut().zip(available) {
                *most = available.max(*most);
            }
        }
        Self(most)
    }

    /// Which number matters to a request: that of all its GPUs, where all are to be on one server, else of one.
    pub(super) fn wanted(gpus: u32, one_server: bool) -> u8 {
        u8::try_from(if one_server { gpus } else { 1 }).unwrap_or(u8::MAX)
    }

    /// Whether so many slices of at least so many bytes do not fit on any of the servers.
    pub(super) fn has_not(&self, wanted: u8, slice_bytes_min: u64) -> bool {
        self.0.get(usize::from(wanted).saturating_sub(1)).is_none_or(|most| *most < slice_bytes_min)
    }
}

/// The best place on one server among those named, or all; how many GPUs were looked at is added to `looks`.
fn place_on_one(
    inventory: &Inventory,
    request: &Request,
    terms: Terms<'_>,
    among: Option<&[ServerIndex]>,
    looks: &mut u64,
) -> Option<Vec<Part>> {
    let wanted = request.gpus as usize;
    let mut space = [(0, Part { gpu: 0, bytes: 0 }); SERVER_GPUS_MAX];
    let mut best: Option<(Score, Vec<Part>)> = None;
    let mut consider = |index: ServerIndex, server: &Server, looks: &mut u64| {
        if server.state != ServerState::Up || server.info.gpus.len() < wanted {
            return;
        }
        *looks += server.info.gpus.len() as u64;
        let found = fits(inventory, request, terms, server, &mut space);
        if found.len() < wanted {
            return;
        }
        found.sort_unstable();
        let chosen = &mut found[..wanted];
        let score =
            (distance(request, server), chosen.iter().fold(0u64, |sum, (worse, _)| sum.saturating_add(worse / wanted as u64)), index);
        if best.as_ref().is_none_or(|(than, _)| score < *than) {
            chosen.sort_unstable_by_key(|(_, part)| part.gpu);
            best = Some((score, chosen.iter().map(|(_, part)| *part).collect()));
        }
    };
    match among {
        Some(servers) => servers.iter().for_each(|index| {
            if inventory.available_max().get(*index).is_some_and(|available| *available >= terms.slice_bytes_min)
                && let Some(server) = inventory.get(*index)
            {
                consider(*index, server, looks);
            }
        }),
        None => {
            *looks += inventory.available_max().len() as u64 / 8;
            let candidates = candidates(inventory, terms);
            candidates.for_each(|(index, server)| consider(index, server, looks));
        }
    }
    best.map(|(_, parts)| parts)
}

/// The fewest servers that have enough together; the last is the one that it leaves least of. GPUs of the program's own host come first.
fn place_on_several(inventory: &Inventory, request: &Request, terms: Terms<'_>, looks: &mut u64) -> Option<Vec<Part>> {
    let mut space = [(0, Part { gpu: 0, bytes: 0 }); SERVER_GPUS_MAX];
    let mut servers = Vec::new();
    *looks += inventory.available_max().len() as u64 / 8;
    for (index, server) in candidates(inventory, terms) {
        *looks += server.info.gpus.len() as u64;
        let count = fits(inventory, request, terms, server, &mut space).len();
        if count > 0 {
            servers.push((Reverse(count), distance(request, server), index));
        }
    }
    servers.sort_unstable();
    let (mut left, mut near, mut parts) = (request.gpus as usize, Vec::new(), Vec::new());
    for (place, &(Reverse(count), _, index)) in servers.iter().enumerate() {
        let last = count >= left;
        let index = if last {
            // All from here on have no more GPUs than this one; of those that are enough, the least.
            servers[place..]
                .iter()
                .filter(|(Reverse(count), ..)| *count >= left)
                .min_by_key(|(Reverse(count), distance, index)| (*count, *distance, *index))?
                .2
        } else {
            index
        };
        let server = inventory.get(index)?;
        let found = fits(inventory, request, terms, server, &mut space);
        found.sort_unstable();
        let taken = found.len().min(left);
        let chosen = &mut found[..taken];
        chosen.sort_unstable_by_key(|(_, part)| part.gpu);
        let to = if distance(request, server) == 0 { &mut near } else { &mut parts };
        to.extend(chosen.iter().map(|(_, part)| *part));
        left -= taken;
        if left == 0 {
            near.extend(parts);
            return Some(near);
        }
    }
    None
}

/// Where a request goes now; None: nowhere. On one server among those named only, if any are and one server is asked for.
pub(super) fn place(
    inventory: &Inventory,
    request: &Request,
    terms: Terms<'_>,
    among: Option<&[ServerIndex]>,
    looks: &mut u64,
) -> Option<Vec<Part>> {
    if request.one_server {
        return place_on_one(inventory, request, terms, among, looks);
    }
    place_on_one(inventory, request, terms, None, looks).or_else(|| place_on_several(inventory, request, terms, looks))
}

/// Bytes that have to become free before a GPU can give a slice, beside those that are kept on it already.
fn missing(gpu: &Gpu, bytes: u64) -> u64 {
    gpu.kept_bytes.saturating_add(bytes).saturating_sub(gpu.free_bytes())
}

/// GPUs for a request that waits.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) parts: Vec<Part>,
    /// How well they suit, less being better: all others that could have been chosen have more.
    pub(super) cost: (u64, usize),
}

/// The GPUs that are to be kept for a request that waits: those where least has to become free, of the servers named or of all.
/// None: no servers that are up have enough GPUs for it.
pub(super) fn keep(
    inventory: &Inventory,
    request: &Request,
    terms: Terms<'_>,
    among: Option<&[ServerIndex]>,
    looks: &mut u64,
) -> Option<Choice> {
    let wanted = request.gpus as usize;
    let mut best: Option<Choice> = None;
    let mut found: Vec<(u64, Part)> = Vec::new();
    let mut consider = |server: &Server| {
        if server.state != ServerState::Up {
            return;
        }
        *looks += server.info.gpus.len() as u64 + 1;
        if request.one_server {
            found.clear();
        }
        found.extend(server.range().zip(&inventory.gpus()[server.range()]).filter_map(|(gpu, state)| {
            let bytes = terms.slice(request.memory, gpu, state)?;
            Some((missing(state, bytes), Part { gpu, bytes }))
        }));
        if request.one_server && found.len() >= wanted {
            found.sort_unstable();
            let sum = found[..wanted].iter().fold(0u64, |sum, (missing, _)| sum.saturating_add(*missing));
            let cost = (sum, server.first);
            if best.as_ref().is_none_or(|best| cost < best.cost) {
                best = Some(Choice { parts: found[..wanted].iter().map(|(_, part)| *part).collect(), cost });
            }
        }
    };
    match among {
        Some(servers) => servers.iter().filter_map(|index| inventory.get(*index)).for_each(&mut consider),
        None => inventory.iter().for_each(|(_, server)| consider(server)),
    }
    if request.one_server {
        return best;
    }
    found.sort_unstable();
    let (missing, last) = found.get(wanted.checked_sub(1)?)?;
    let cost = (*missing, last.gpu);
    Some(Choice { parts: found[..wanted].iter().map(|(_, part)| *part).collect(), cost })
}

/// Whether a request could be placed if nothing were leased; else why not. Servers that are down or draining count: they may
/// come back.
pub(super) fn check_possible(inventory: &Inventory, request: &Request, terms: Terms<'_>) -> Result<(), String> {
    let (mut gpus, mut accepted, mut fitting, mut largest, mut most) = (0usize, 0usize, 0usize, 0u64, 0usize);
    for (_, server) in inventory.iter() {
        let mut here = 0;
        for (gpu, state) in server.range().zip(&inventory.gpus()[server.range()]) {
            gpus += 1;
            if terms.accepts(gpu) {
                accepted += 1;
                largest = largest.max(state.memory_bytes);
                here += usize::from(terms.slice(request.memory, gpu, state).is_some());
            }
        }
        fitting += here;
        most = most.max(here);
    }
    let wanted = request.gpus as usize;
    let filters: Vec<String> = request.filters.iter().map(ToString::to_string).collect();
    if gpus == 0 {
        return Err("the pool has no servers; start one with `ringway serve --pool`".into());
    }
    if accepted == 0 {
        return Err(format!("none of the pool's {gpus} GPUs is as the filters ask ({}); see `ringway list`", filters.join(" ")));
    }
    let which = if filters.is_empty() { String::new() } else { format!(" that are as the filters ask ({})", filters.join(" ")) };
    if fitting == 0 {
        return Err(format!("no slice of that size can be had; the largest of the pool's GPUs{which} has {} MiB", largest >> 20));
    }
    if request.one_server && most < wanted {
        return Err(format!("{wanted} GPUs of one server were asked for; no server of the pool has more than {most}{which}"));
    }
    if fitting < wanted {
        return Err(format!("{wanted} GPUs were asked for; the pool has {fitting}{which}"));
    }
    Ok(())
}

/// Bytes that a request takes at the least and at the most, on GPUs of different sizes.
pub(super) fn bytes_range(inventory: &Inventory, request: &Request, accepted: Option<&[u64]>) -> (u64, u64) {
    let (terms, mut range) = (Terms::without_quota(accepted), (u64::MAX, 0));
    for (gpu, state) in inventory.gpus().iter().enumerate() {
        if let Some(bytes) = terms.slice(request.memory, gpu, state) {
            range = (range.0.min(bytes), range.1.max(bytes));
        }
    }
    let all = |bytes: u64| bytes.saturating_mul(request.gpus.into());
    if range.1 == 0 { (0, 0) } else { (all(range.0), all(range.1)) }
}
