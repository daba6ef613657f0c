//! A disk in memory that crashes after a number of operations, and then has forgotten, or has in part, what was not synced.

use redb::StorageBackend;
use std::io;
use std::sync::{Arc, Mutex};

/// A write that was not synced.
#[derive(Debug, Clone)]
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Debug, Default)]
pub struct Disk {
    /// What a crash leaves.
    pub synced: Vec<u8>,
    /// What a reader sees.
    seen: Vec<u8>,
    pending: Vec<Pending>,
    /// Operations until it crashes.
    operations_left: u64,
    pub crashed: bool,
}

const SECTOR_BYTES: usize = 512;

impl Disk {
    /// Counts an operation; an error once the disk has crashed.
    fn operate(&mut self) -> Result<(), io::Error> {
        if self.operations_left == 0 {
            self.crashed = true;
            return Err(io::Error::other("the disk crashed"));
        }
        self.operations_left -= 1;
        Ok(())
    }

    /// What is on the disk after the crash: of what was not synced, each sector may have been written or not.
    pub fn after_crash(&self, mut seed: u64) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let mut chance = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 63 == 1
        };
        for pending in &self.pending {
            match pending {
                Pending::SetLen(len) => {
                    if chance() {
                        bytes.resize(*len as usize, 0);
                    }
                }
                Pending::Write(offset, data) => {
                    for (index, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                        let at = *offset as usize + index * SECTOR_BYTES;
                        if chance() {
                            bytes.resize(bytes.len().max(at + sector.len()), 0);
                            bytes[at..at + sector.len()].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        bytes
    }
}

#[derive(Debug, Clone)]
pub struct Crashing(pub Arc<Mutex<Disk>>);

impl Crashing {
    pub fn with(bytes: Vec<u8>, operations_left: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk { synced: bytes.clone(), seen: bytes, operations_left, ..Disk::default() })))
    }
}

impl StorageBackend for Crashing {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let disk = self.0.lock().unwrap();
        let from = offset as usize;
        let bytes = disk.seen.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut disk = self.0.lock().unwrap();
        disk.operate()?;
        disk.seen.resize(len as usize, 0);
        disk.pending.push(Pending::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut disk = self.0.lock().unwrap();
        disk.operate()?;
        disk.synced = disk.seen.clone();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut disk = self.0.lock().unwrap();
        disk.operate()?;
        disk.seen[offset as usize..offset as usize + data.len()].copy_from_slice(data);
        disk.pending.push(Pending::Write(offset, data.to_vec()));
        Ok(())
    }
}
