//! Leases of one server's GPUs: which slices are granted, to whom.

use ringway_wire::control::{DeviceSnapshot, GpuStatus, LEASE_GPUS_MAX, MemoryAsk, Slice, SliceUse, uuid_text};

/// The smallest slice of a GPU in bytes: less cannot hold a context and a program.
pub const SLICE_BYTES_MIN: u64 = 16 << 20;
/// Slices are whole multiples of this many bytes (the granule of device memory).
pub const SLICE_GRANULE_BYTES: u64 = 2 << 20;

/// Why slices were not granted; the texts name cause and cure.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LeaseError {
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The server has fewer GPUs.
    #[error("{asked} GPUs were asked for, this server has {has}")]
    TooFewGpus {
        /// GPUs asked for.
        asked: u32,
        /// GPUs there.
        has: usize,
    },
    /// Not enough memory is free now.
    #[error(
        "not enough free GPU memory: {asked} MiB on each of {gpus} GPUs were asked for; free now: {free}"
    )]
    NoMemory {
        /// MiB asked for on each.
        asked: u64,
        /// GPUs asked for.
        gpus: u32,
        /// MiB free on each GPU of the server, as a list for people.
        free: String,
    },
}

/// Bytes of the slice of a GPU with `total` bytes of memory that an ask comes to; it may be more than the GPU has.
///
/// # Errors
/// [`LeaseError::Invalid`].
pub fn slice_bytes(ask: MemoryAsk, total: u64) -> Result<u64, LeaseError> {
    let bytes = match ask {
        MemoryAsk::Fraction(f) if f.is_finite() && f > 0.0 && f <= 1.0 => {
            (total as f64 * f) as u64
        }
        MemoryAsk::Fraction(f) => {
            return Err(LeaseError::Invalid(format!(
                "a fraction of {f} of a GPU cannot be had; it is above 0 and at most 1"
            )));
        }
        MemoryAsk::Mib(mib) => mib.checked_mul(1 << 20).ok_or_else(|| {
            LeaseError::Invalid(format!("{mib} MiB is more than any GPU has"))
        })?,
    };
    // A whole GPU stays whole; a part is cut down to granules.
    let bytes = if bytes == total {
        bytes
    } else {
        bytes / SLICE_GRANULE_BYTES * SLICE_GRANULE_BYTES
    };
    if bytes < SLICE_BYTES_MIN {
        return Err(LeaseError::Invalid(format!(
            "a slice of {} MiB is too small; the smallest is {} MiB",
            bytes >> 20,
            SLICE_BYTES_MIN >> 20
        )));
    }
    Ok(bytes)
}

/// The GPUs of a server and what of them is leased.
#[derive(Debug)]
pub struct Inventory {
    devices: Vec<DeviceSnapshot>,
    leased_bytes: Vec<u64>,
    leases: Vec<u32>,
}

impl Inventory {
    /// Nothing leased.
    pub fn new(devices: Vec<DeviceSnapshot>) -> Self {
        let count = devices.len();
        Self {
            devices,
            leased_bytes: vec![0; count],
            leases: vec![0; count],
        }
    }

    /// The GPUs as the driver showed them.
    pub fn devices(&self) -> &[DeviceSnapshot] {
        &self.devices
    }

    /// Number of GPUs.
    pub fn gpus(&self) -> usize {
        self.devices.len()
    }

    /// Grants `gpus` slices on different GPUs, all or none: the fullest GPUs that still fit come first, so that whole
    /// ones stay whole.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub fn grant(&mut self, gpus: u32, memory: MemoryAsk) -> Result<Vec<Slice>, LeaseError> {
        if gpus == 0 || gpus > LEASE_GPUS_MAX {
            return Err(LeaseError::Invalid(format!(
                "{gpus} GPUs cannot be leased; ask for 1 to {LEASE_GPUS_MAX}"
            )));
        }
        if gpus as usize > self.devices.len() {
            return Err(LeaseError::TooFewGpus {
                asked: gpus,
                has: self.devices.len(),
            });
        }
        let mut fitting = Vec::new();
        let mut asked = 0;
        for (ordinal, device) in self.devices.iter().enumerate() {
            let bytes = slice_bytes(memory, device.memory_bytes)?;
            asked = asked.max(bytes);
            let free = device.memory_bytes - self.leased_bytes[ordinal];
            if bytes <= free {
                fitting.push((free, ordinal, bytes));
            }
        }
        if fitting.len() < gpus as usize {
            let free: Vec<String> = self
                .devices
                .iter()
                .zip(&self.leased_bytes)
                .map(|(device, leased)| format!("{} MiB", (device.memory_bytes - leased) >> 20))
                .collect();
            return Err(LeaseError::NoMemory {
                asked: asked >> 20,
                gpus,
                free: free.join(", "),
            });
        }
        fitting.sort_unstable();
        fitting.truncate(gpus as usize);
        fitting.sort_unstable_by_key(|(_, ordinal, _)| *ordinal);
        let slices = fitting
            .into_iter()
            .map(|(_, ordinal, bytes)| {
                self.leased_bytes[ordinal] += bytes;
                self.leases[ordinal] += 1;
                Slice {
                    server_ordinal: ordinal as u32,
                    name: self.devices[ordinal].name.clone(),
                    memory_bytes: bytes,
                    memory_bytes_total: self.devices[ordinal].memory_bytes,
                }
            })
            .collect();
        Ok(slices)
    }

    /// Takes slices that were chosen elsewhere: bytes of GPUs by ordinal, all or none.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub fn take(&mut self, wanted: &[(u32, u64)]) -> Result<Vec<Slice>, LeaseError> {
        let mut slices: Vec<Slice> = Vec::with_capacity(wanted.len());
        for (ordinal, bytes) in wanted {
            let Some(device) = self.devices.get(*ordinal as usize) else {
                return Err(LeaseError::Invalid(format!("there is no GPU {ordinal}; the server has {}", self.devices.len())));
            };
            if slices.iter().any(|slice| slice.server_ordinal == *ordinal) || *bytes == 0 {
                return Err(LeaseError::Invalid(format!("a lease has one slice of GPU {ordinal}, of more than 0 bytes")));
            }
            let free = device.memory_bytes - self.leased_bytes[*ordinal as usize];
            if *bytes > free {
                let (asked, free) = (bytes >> 20, format!("{} MiB on GPU {ordinal}", free >> 20));
                return Err(LeaseError::NoMemory { asked, gpus: 1, free });
            }
            slices.push(Slice {
                server_ordinal: *ordinal,
                name: device.name.clone(),
                memory_bytes: *bytes,
                memory_bytes_total: device.memory_bytes,
            });
        }
        for slice in &slices {
            self.leased_bytes[slice.server_ordinal as usize] += slice.memory_bytes;
            self.leases[slice.server_ordinal as usize] += 1;
        }
        Ok(slices)
    }

    /// Takes granted slices back.
    pub fn release(&mut self, slices: &[Slice]) {
        for slice in slices {
            let ordinal = slice.server_ordinal as usize;
            self.leased_bytes[ordinal] -= slice.memory_bytes;
            self.leases[ordinal] -= 1;
        }
    }

    /// The GPUs as `ringway list` shows them.
    pub fn status(&self) -> Vec<GpuStatus> {
        self.devices
            .iter()
            .enumerate()
            .map(|(ordinal, device)| GpuStatus {
                used: SliceUse::default(),
                ordinal: ordinal as u32,
                name: device.name.clone(),
                uuid: uuid_text(&device.uuid),
                compute_capability: compute_capability(device),
                memory_bytes: device.memory_bytes,
                memory_bytes_leased: self.leased_bytes[ordinal],
                leases: self.leases[ordinal],
            })
            .collect()
    }
}

/// A GPU's compute capability, major and minor.
pub fn compute_capability(device: &DeviceSnapshot) -> (u32, u32) {
    // CUdevice_attribute 75 and 76 are its major and minor number.
    let attribute = |index: usize| {
        let value = device.attributes.get(index).copied().flatten();
        value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
    };
    (attribute(75), attribute(76))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(gpus: usize) -> Inventory {
        let device = DeviceSnapshot {
            memory_bytes: 4 << 30,
            ..Default::default()
        };
        Inventory::new(vec![device; gpus])
    }

    #[test]
    fn fractions_fill_a_gpu_and_no_more() {
        let mut inventory = inventory(1);
        let first = inventory.grant(1, MemoryAsk::Fraction(0.3)).unwrap();
        let _second = inventory.grant(1, MemoryAsk::Fraction(0.5)).unwrap();
        assert!(matches!(
            inventory.grant(1, MemoryAsk::Fraction(0.3)),
            Err(LeaseError::NoMemory { .. })
        ));
        inventory.release(&first);
        inventory.grant(1, MemoryAsk::Fraction(0.3)).unwrap();
    }

    #[test]
    fn packs_and_is_atomic() {
        let mut inventory = inventory(2);
        let one = inventory.grant(1, MemoryAsk::Fraction(0.5)).unwrap();
        let two = inventory.grant(1, MemoryAsk::Fraction(0.25)).unwrap();
        assert_eq!(
            one[0].server_ordinal, two[0].server_ordinal,
            "the second slice goes where the first is"
        );
        assert!(matches!(
            inventory.grant(2, MemoryAsk::Fraction(1.0)),
            Err(LeaseError::NoMemory { .. })
        ));
        let whole = inventory.grant(1, MemoryAsk::Fraction(1.0)).unwrap();
        assert_ne!(whole[0].server_ordinal, one[0].server_ordinal);
    }

    #[test]
    fn slices_chosen_elsewhere_are_taken_all_or_none() {
        let mut inventory = inventory(2);
        let taken = inventory.take(&[(1, 3 << 30), (0, 1 << 30)]).unwrap();
        assert_eq!(taken.iter().map(|slice| (slice.server_ordinal, slice.memory_bytes)).collect::<Vec<_>>(), [(1, 3 << 30), (0, 1 << 30)]);
        for wanted in [&[(0, 1 << 30), (1, 2 << 30)][..], &[(2, 1)], &[(0, 1), (0, 1)], &[(0, 0)]] {
            assert!(inventory.take(wanted).is_err(), "{wanted:?}");
        }
        assert_eq!(inventory.leased_bytes, [1 << 30, 3 << 30]);
        inventory.release(&taken);
        inventory.take(&[(0, 4 << 30), (1, 4 << 30)]).unwrap();
    }

    #[test]
    fn senseless_questions() {
        let mut inventory = inventory(1);
        for ask in [
            MemoryAsk::Fraction(0.0),
            MemoryAsk::Fraction(-1.0),
            MemoryAsk::Fraction(1.01),
            MemoryAsk::Fraction(f64::NAN),
            MemoryAsk::Mib(0),
            MemoryAsk::Mib(u64::MAX),
            MemoryAsk::Fraction(1e-9),
        ] {
            assert!(
                matches!(inventory.grant(1, ask), Err(LeaseError::Invalid(_))),
                "{ask:?}"
            );
        }
        assert!(matches!(
            inventory.grant(0, MemoryAsk::Fraction(1.0)),
            Err(LeaseError::Invalid(_))
        ));
        assert!(matches!(
            inventory.grant(2, MemoryAsk::Fraction(1.0)),
            Err(LeaseError::TooFewGpus { .. })
        ));
        assert!(matches!(
            inventory.grant(1, MemoryAsk::Mib(5000)),
            Err(LeaseError::NoMemory { .. })
        ));
    }
}
