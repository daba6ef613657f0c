//! The servers of a pool and their GPUs: what is there, what of it is leased, what is kept free for requests that wait.
//!
//! GPUs of all servers lie in one array, those of a server side by side, so that a look over all of them is a walk through memory.

use ringway_wire::pool::{ServerInfo, ServerState};
use std::collections::HashMap;

/// Number of a server in the inventory; not reused while anything names it.
pub type ServerIndex = usize;

/// GPUs of one server at the most.
pub const SERVER_GPUS_MAX: usize = 64;

/// Part of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// Index of the GPU in the array of all.
    pub gpu: usize,
    /// Bytes of its memory.
    pub bytes: u64,
}

/// A GPU in the array of all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gpu {
    pub(super) memory_bytes: u64,
    pub(super) leased_bytes: u64,
    /// Kept free for requests that wait.
    pub(super) kept_bytes: u64,
    pub(super) leases: u32,
    pub(super) server: u32,
}

impl Gpu {
    /// Bytes that no lease has.
    pub(super) fn free_bytes(&self) -> u64 {
        self.memory_bytes - self.leased_bytes
    }

    /// Bytes that no lease has and that are not kept for a request that waits.
    pub(super) fn available_bytes(&self) -> u64 {
        self.free_bytes().saturating_sub(self.kept_bytes)
    }
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) info: ServerInfo,
    pub(super) state: ServerState,
    /// Its GPUs in the array of all.
    pub(super) first: usize,
    /// Leases that have a part of it.
    pub(super) leases: u32,
}

impl Server {
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.info.gpus.len()
    }
}

/// All servers.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    servers: Vec<Option<Server>>,
    by_name: HashMap<String, ServerIndex>,
    gpus: Vec<Gpu>,
    /// Of each server the most bytes that are available on one of its GPUs; 0 where it takes no leases. Most servers of a busy pool
    /// are passed over by this alone.
    available_max: Vec<u64>,
    /// Places of servers that were removed, by their number of GPUs: index of the server, first of its GPUs.
    vacant: HashMap<usize, Vec<(ServerIndex, usize)>>,
}

impl Inventory {
    pub(super) fn find(&self, name: &str) -> Option<ServerIndex> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get(&self, server: ServerIndex) -> Option<&Server> {
        self.servers.get(server)?.as_ref()
    }

    fn get_mut(&mut self, server: ServerIndex) -> Option<&mut Server> {
        self.servers.get_mut(server)?.as_mut()
    }

    /// Changes whether a server takes new leases; whether that was another state.
    pub(super) fn set_state(&mut self, index: ServerIndex, state: ServerState) -> bool {
        let Some(server) = self.get_mut(index) else { return false };
        let is_other = std::mem::replace(&mut server.state, state) != state;
        self.sum_up(index);
        is_other
    }

    /// Of each server the most bytes that are available on one of its GPUs; 0 where it takes no leases.
    pub(super) fn available_max(&self) -> &[u64] {
        &self.available_max
    }

    fn sum_up(&mut self, index: ServerIndex) {
        let up = self.get(index).filter(|server| server.state == ServerState::Up);
        let most = up.and_then(|server| self.gpus[server.range()].iter().map(Gpu::available_bytes).max());
        self.available_max[index] = most.unwrap_or(0);
    }

    /// All servers with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ServerIndex, &Server)> {
        self.servers.iter().enumerate().filter_map(|(index, server)| Some((index, server.as_ref()?)))
    }

    pub(super) fn gpus(&self) -> &[Gpu] {
        &self.gpus
    }

    pub(super) fn server_of(&self, gpu: usize) -> ServerIndex {
        self.gpus[gpu].server as usize
    }

    /// Adds a server, or takes what a known one says of itself now; None: its GPUs are others than before, and it has leases.
    pub(super) fn put(&mut self, info: ServerInfo, state: ServerState) -> Option<ServerIndex> {
        if let Some(index) = self.find(&info.name)
            && let Some(known) = self.get_mut(index)
        {
            let same = known.info.gpus.len() == info.gpus.len()
                && known.info.gpus.iter().zip(&info.gpus).all(|(a, b)| a.memory_bytes == b.memory_bytes);
            if same {
                known.info = info;
                self.set_state(index, state);
                return Some(index);
            }
            if known.leases > 0 {
                return None;
            }
            self.remove(index);
        }
        let count = info.gpus.len();
        let (index, first) = match self.vacant.get_mut(&count).and_then(Vec::pop) {
            Some(place) => place,
            None => {
                self.servers.push(None);
                self.available_max.push(0);
                let first = self.gpus.len();
                self.gpus.resize(first + count, Gpu::default());
                (self.servers.len() - 1, first)
            }
        };
        for (gpu, about) in self.gpus[first..first + count].iter_mut().zip(&info.gpus) {
            *gpu = Gpu { memory_bytes: about.memory_bytes, server: index as u32, ..Gpu::default() };
        }
        self.by_name.insert(info.name.clone(), index);
        self.servers[index] = Some(Server { info, state, first, leases: 0 });
        self.sum_up(index);
        Some(index)
    }

    /// Forgets a server that has no leases.
    pub(super) fn remove(&mut self, index: ServerIndex) {
        let Some(server) = self.servers.get_mut(index).and_then(Option::take) else { return };
        self.gpus[server.range()].fill(Gpu::default());
        self.available_max[index] = 0;
        self.by_name.remove(&server.info.name);
        self.vacant.entry(server.info.gpus.len()).or_default().push((index, server.first));
    }

    /// Leases parts, all or none; false: one of them is not free.
    pub(super) fn lease(&mut self, parts: &[Part]) -> bool {
        for (done, part) in parts.iter().enumerate() {
            let gpu = &mut self.gpus[part.gpu];
            if part.bytes > gpu.free_bytes() {
                for part in &parts[..done] {
                    self.gpus[part.gpu].leased_bytes -= part.bytes;
                    self.gpus[part.gpu].leases -= 1;
                }
                return false;
            }
            gpu.leased_bytes += part.bytes;
            gpu.leases += 1;
        }
        for index in self.servers_of(parts) {
            if let Some(server) = self.get_mut(index) {
                server.leases += 1;
            }
            self.sum_up(index);
        }
        true
    }

    /// Takes leased parts back.
    pub(super) fn release(&mut self, parts: &[Part]) {
        for part in parts {
            self.gpus[part.gpu].leased_bytes -= part.bytes;
            self.gpus[part.gpu].leases -= 1;
        }
        for index in self.servers_of(parts) {
            if let Some(server) = self.get_mut(index) {
                server.leases -= 1;
            }
            self.sum_up(index);
        }
    }

    pub(super) fn keep(&mut self, parts: &[Part]) {
        for part in parts {
            self.gpus[part.gpu].kept_bytes += part.bytes;
        }
        for index in self.servers_of(parts) {
            self.sum_up(index);
        }
    }

    pub(super) fn unkeep(&mut self, parts: &[Part]) {
        for part in parts {
            self.gpus[part.gpu].kept_bytes -= part.bytes;
        }
        for index in self.servers_of(parts) {
            self.sum_up(index);
        }
    }

    /// Servers of parts, each once.
    pub(super) fn servers_of(&self, parts: &[Part]) -> Vec<ServerIndex> {
        let mut servers: Vec<ServerIndex> = parts.iter().map(|part| self.server_of(part.gpu)).collect();
        servers.sort_unstable();
        servers.dedup();
        servers
    }
}
