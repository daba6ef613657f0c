//! Which part of a GPU's time each lease has: its weight, its place in the block that workers share, and what keeps the time.

use ringway_link::shares::{LEASES, SEATS, Shares, WEIGHT_WHOLE};
use ringway_wire::control::{DeviceSnapshot, Slice, Terms};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The block of a server, and which of its places are taken.
pub(super) struct Places {
    shares: Shares,
    fd: OwnedFd,
    gpus: u32,
    seats: Numbers,
    leases: Numbers,
}

impl Places {
    pub(super) fn new(gpus: usize) -> io::Result<Places> {
        let (shares, fd) = Shares::create(gpus)?;
        Ok(Places { shares, fd, gpus: gpus as u32, seats: Numbers::new(SEATS), leases: Numbers::new(LEASES) })
    }

    /// The block that a server before this one made, with what of it is taken.
    pub(super) fn adopt(gpus: usize, fd: OwnedFd, seats: impl Iterator<Item = u32>, leases: impl Iterator<Item = u32>) -> io::Result<Places> {
        let shares = Shares::map(fd.try_clone()?, gpus)?;
        let (mut of_seats, mut of_leases) = (Numbers::new(SEATS), Numbers::new(LEASES));
        let taken = seats.map(|seat| of_seats.take_this(seat)).chain(leases.map(|lease| of_leases.take_this(lease)));
        if taken.into_iter().any(|taken| !taken) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a place in the block of shares is taken twice, or there is no such place"));
        }
        Ok(Places { shares, fd, gpus: gpus as u32, seats: of_seats, leases: of_leases })
    }

    /// The block's descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A place for a lease with these slices; None: there are too many.
    pub(super) fn begin_lease(&mut self, slices: &[Slice], terms: &Terms) -> Option<u32> {
        let place = self.leases.take()?;
        for slice in slices {
            self.shares.begin_lease(slice.server_ordinal as usize, place, weight(terms, slice));
        }
        Some(place)
    }

    pub(super) fn end_lease(&mut self, place: u32) {
        self.leases.give_back(place);
    }

    /// A seat for a worker.
    pub(super) fn take_seat(&mut self) -> Option<u32> {
        self.seats.take()
    }

    /// The worker in a seat is gone.
    pub(super) fn clear_seat(&mut self, seat: u32) {
        self.shares.clear_seat(seat);
        self.seats.give_back(seat);
    }

    /// What a worker maps, and for how many GPUs it is. One that takes no turns gets a block of its own, in which it is always alone.
    pub(super) fn block(&self, keeping: Keeping) -> io::Result<(OwnedFd, u32)> {
        let fd = match keeping {
            Keeping::Turns => self.fd.try_clone()?,
            Keeping::MultiProcess { .. } | Keeping::Instances => Shares::create(self.gpus as usize)?.1,
        };
        Ok((fd, self.gpus))
    }
}

/// The weight of a lease at a GPU, in hundredths of a percent: as asked for, else as much as of its memory.
fn weight(terms: &Terms, slice: &Slice) -> u32 {
    match terms.compute_percent {
        Some(percent) => percent.saturating_mul(WEIGHT_WHOLE / 100),
        None => (u128::from(slice.memory_bytes) * u128::from(WEIGHT_WHOLE) / u128::from(slice.memory_bytes_total.max(1))) as u32,
    }
    .clamp(1, WEIGHT_WHOLE)
}

/// The same in percent, at least 1.
pub(super) fn percent(terms: &Terms, slice: &Slice) -> u32 {
    (weight(terms, slice) / (WEIGHT_WHOLE / 100)).max(1)
}

/// Numbers from 0, the lowest free one first.
struct Numbers {
    taken: Vec<u64>,
}

impl Numbers {
    fn new(count: u32) -> Numbers {
        Numbers { taken: vec![0; count as usize / 64] }
    }

    fn take(&mut self) -> Option<u32> {
        let (index, word) = self.taken.iter_mut().enumerate().find(|(_, word)| **word != u64::MAX)?;
        let bit = word.trailing_ones();
        *word |= 1 << bit;
        Some(index as u32 * 64 + bit)
    }

    /// Takes a certain one; whether it was free.
    fn take_this(&mut self, number: u32) -> bool {
        let Some(word) = self.taken.get_mut(number as usize / 64) else { return false };
        let bit = 1 << (number % 64);
        let free = *word & bit == 0;
        *word |= bit;
        free
    }

    fn give_back(&mut self, number: u32) {
        if let Some(word) = self.taken.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
    }
}

/// What keeps a lease to its share of a GPU's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Workers take turns, as kernels are measured.
    Turns,
    /// The Multi-Process Service runs kernels of all workers at once, each on this much of the GPU's multiprocessors.
    MultiProcess {
        /// `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE` of the worker.
        percent: u32,
    },
    /// The GPUs are instances, which the hardware keeps apart, and the lease has them whole.
    Instances,
}

/// What is known of the machine.
pub(super) trait Machine {
    /// The Multi-Process Service runs, and the driver is one that uses it.
    fn has_multi_process_service(&self) -> bool;
    /// Name of a GPU, as the driver tells it.
    fn name(&self, gpu: u32) -> &str;
}

/// Decides what keeps a lease to its share.
pub(super) fn keeping(machine: &impl Machine, slices: &[Slice], terms: &Terms) -> Keeping {
    let whole = |slice: &Slice| slice.memory_bytes == slice.memory_bytes_total;
    if !slices.is_empty() && slices.iter().all(|slice| whole(slice) && instance(machine.name(slice.server_ordinal)).is_some()) {
        return Keeping::Instances;
    }
    if machine.has_multi_process_service() {
        // One worker has one percentage: where slices differ, the least is no more than was granted anywhere.
        return Keeping::MultiProcess { percent: slices.iter().map(|slice| percent(terms, slice)).min().unwrap_or(100) };
    }
    Keeping::Turns
}

/// The profile of a GPU that is an instance of one (MIG), as `1g.10gb`: drivers put it last in its name.
fn instance(name: &str) -> Option<&str> {
    let profile = name.split_once(" MIG ")?.1;
    let slices = profile.split_once("g.")?.0;
    slices.parse::<u32>().is_ok().then_some(profile)
}

/// This machine.
pub(super) struct ThisMachine<'a> {
    pub(super) devices: &'a [DeviceSnapshot],
}

impl Machine for ThisMachine<'_> {
    fn has_multi_process_service(&self) -> bool {
        // The driver's own place for the service's pipes, unless this says otherwise.
        let folder = std::env::var_os("CUDA_MPS_PIPE_DIRECTORY").map_or_else(|| PathBuf::from("/tmp/nvidia-mps"), PathBuf::from);
        folder.join("control").exists() && std::path::Path::new("/proc/driver/nvidia/version").exists()
    }

    fn name(&self, gpu: u32) -> &str {
        self.devices.get(gpu as usize).map_or("", |device| &device.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(server_ordinal: u32, memory_bytes: u64) -> Slice {
        Slice { server_ordinal, name: String::new(), memory_bytes, memory_bytes_total: 1000 }
    }

    fn percent(percent: u32) -> Terms {
        Terms { compute_percent: Some(percent), idle_ms: None }
    }

    struct Double(bool, &'static [&'static str]);

    impl Machine for Double {
        fn has_multi_process_service(&self) -> bool {
            self.0
        }

        fn name(&self, gpu: u32) -> &str {
            self.1[gpu as usize]
        }
    }

    const PLAIN: &str = "NVIDIA A100-SXM4-80GB";
    const INSTANCE: &str = "NVIDIA A100-SXM4-80GB MIG 1g.10gb";

    #[test]
    fn without_help_workers_take_turns() {
        let machine = Double(false, &[PLAIN, INSTANCE]);
        assert_eq!(keeping(&machine, &[slice(0, 1000)], &percent(50)), Keeping::Turns);
        // Parts of an instance are shared as those of a GPU are.
        assert_eq!(keeping(&machine, &[slice(1, 500)], &Terms::default()), Keeping::Turns);
        assert_eq!(keeping(&machine, &[slice(1, 1000), slice(0, 1000)], &Terms::default()), Keeping::Turns);
    }

    #[test]
    fn the_multi_process_service_gets_a_percentage() {
        let machine = Double(true, &[PLAIN, PLAIN]);
        let by = |slices: &[Slice], terms| keeping(&machine, slices, &terms);
        assert_eq!(by(&[slice(0, 250)], Terms::default()), Keeping::MultiProcess { percent: 25 });
        assert_eq!(by(&[slice(0, 250)], percent(40)), Keeping::MultiProcess { percent: 40 });
        assert_eq!(by(&[slice(0, 1)], Terms::default()), Keeping::MultiProcess { percent: 1 });
        assert_eq!(by(&[slice(0, 900), slice(1, 300)], Terms::default()), Keeping::MultiProcess { percent: 30 });
    }

    #[test]
    fn a_whole_instance_needs_neither() {
        let machine = Double(true, &[INSTANCE, "NVIDIA H100 MIG 3g.40gb"]);
        assert_eq!(keeping(&machine, &[slice(0, 1000), slice(1, 1000)], &percent(10)), Keeping::Instances);
        assert_eq!(keeping(&machine, &[slice(0, 500)], &percent(10)), Keeping::MultiProcess { percent: 10 });
        assert_eq!(instance(INSTANCE), Some("1g.10gb"));
        assert_eq!(instance("MIGHTY 1g.10gb"), None);
        assert_eq!(instance("X MIG g.10gb"), None);
    }

    #[test]
    fn weights_are_as_asked_else_by_memory() {
        assert_eq!(weight(&Terms::default(), &slice(0, 250)), 2500);
        assert_eq!(weight(&Terms::default(), &slice(0, 1000)), WEIGHT_WHOLE);
        assert_eq!(weight(&Terms::default(), &slice(0, 0)), 1);
        assert_eq!(weight(&percent(7), &slice(0, 1000)), 700);
        assert_eq!(weight(&percent(u32::MAX), &slice(0, 1000)), WEIGHT_WHOLE);
    }

    #[test]
    fn numbers_are_taken_once_and_given_back() {
        let mut numbers = Numbers::new(128);
        let all: Vec<u32> = std::iter::from_fn(|| numbers.take()).collect();
        assert_eq!(all, (0..128).collect::<Vec<_>>());
        numbers.give_back(77);
        numbers.give_back(5000);
        assert_eq!((numbers.take(), numbers.take()), (Some(77), None));
        numbers.give_back(5);
        assert!(numbers.take_this(5) && !numbers.take_this(5) && !numbers.take_this(128));
    }
}
