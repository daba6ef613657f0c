//! The filter of system calls: what is not on the lists of `syscalls.rs` gives `EPERM`, and nothing is ever killed for it: libraries
//! try harmlessly what they can do without.
//!
//! It holds for all threads of the process, and for good.

use super::syscalls::{CLONE3, FREELY, NEWEST};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, sock_filter,
};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Where a driver of NVIDIA shows itself.
const NVIDIA: &str = "/proc/driver/nvidia";
/// Where programs find the Multi-Process Service, if `CUDA_MPS_PIPE_DIRECTORY` names no other place.
const MPS: &str = "/tmp/nvidia-mps";

/// Namespaces that a clone would make.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Numbers of linux/fcntl.h, linux/sockios.h and linux/resource.h.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;
const FIOSETOWN: i32 = 0x8901;
const SIOCSPGRP: i32 = 0x8902;
const PRIO_PROCESS: i32 = 0;

/// What prctl may be asked for: names of threads and memory, and what changes nothing.
const PRCTL: [i32; 10] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_VMA,
    libc::PR_GET_DUMPABLE,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_CAPBSET_READ,
    libc::PR_SET_TIMERSLACK,
    libc::PR_GET_TIMERSLACK,
    libc::PR_SET_THP_DISABLE,
    libc::PR_GET_THP_DISABLE,
];

/// What the machine's driver makes sockets for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// NVIDIA's driver makes a Unix socket that listens at a name of the process, for its own exchange of descriptors.
    pub local_sockets: bool,
    /// The Multi-Process Service is reached by a Unix socket.
    pub connect: bool,
}

impl Needs {
    /// Of this machine.
    pub fn of_this_machine() -> Self {
        let local_sockets = Path::new(NVIDIA).exists();
        let mps = std::env::var_os("CUDA_MPS_PIPE_DIRECTORY").is_some() || Path::new(MPS).exists();
        Self { local_sockets, connect: local_sockets && mps }
    }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn condition(argument: u8, operator: SeccompCmpOp, value: i32) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Dword, operator, u64::from(value.cast_unsigned()))
}

/// One rule for each value that an argument may have.
fn one_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    values
        .iter()
        .map(|value| SeccompRule::new(vec![condition(argument, SeccompCmpOp::Eq, *value)?]))
        .collect()
}

/// The calls that are allowed, with what their arguments must be.
fn rules(needs: Needs, process: i32) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = FREELY.iter().map(|call| (*call, Vec::new())).collect();
    let masked = |argument, mask: i32, value| condition(argument, SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned())), value);
    // Threads, not processes.
    let thread = masked(0, libc::CLONE_THREAD | NEW_NAMESPACES, libc::CLONE_THREAD)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![thread])?]);
    // Devices, but no typing on a terminal that serve was started from, and no descriptor that sends signals to other processes.
    let none_of = |values: &[i32]| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        let conditions: Result<_, _> = values.iter().map(|value| condition(1, SeccompCmpOp::Ne, *value)).collect();
        Ok(vec![SeccompRule::new(conditions?)?])
    };
    rules.insert(libc::SYS_ioctl, none_of(&[libc::TIOCSTI as i32, libc::TIOCLINUX as i32, FIOSETOWN, SIOCSPGRP])?);
    rules.insert(libc::SYS_fcntl, none_of(&[libc::F_SETOWN, F_SETSIG, F_SETOWN_EX])?);
    rules.insert(libc::SYS_prctl, one_of(0, &PRCTL)?);
    // Signals and limits of this process alone.
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo] {
        rules.insert(call, one_of(0, &[process])?);
    }
    rules.insert(libc::SYS_prlimit64, one_of(0, &[0, process])?);
    // Cores and priority of the calling thread: a filter cannot tell the process's other threads from those of others.
    for call in [libc::SYS_sched_setaffinity, libc::SYS_sched_setparam, libc::SYS_sched_setscheduler, libc::SYS_sched_setattr] {
        rules.insert(call, one_of(0, &[0])?);
    }
    let own = vec![condition(0, SeccompCmpOp::Eq, PRIO_PROCESS)?, condition(1, SeccompCmpOp::Eq, 0)?];
    rules.insert(libc::SYS_setpriority, vec![SeccompRule::new(own)?]);
    rules.insert(libc::SYS_socketpair, one_of(0, &[libc::AF_UNIX])?);
    // The kernel's own tables of adapters and addresses, by which verbs finds its devices. No socket that reaches another machine.
    let mut sockets = Vec::new();
    for protocol in [libc::NETLINK_ROUTE, libc::NETLINK_RDMA] {
        let both = vec![condition(0, SeccompCmpOp::Eq, libc::AF_NETLINK)?, condition(2, SeccompCmpOp::Eq, protocol)?];
        sockets.push(SeccompRule::new(both)?);
    }
    rules.insert(libc::SYS_bind, Vec::new());
    if needs.local_sockets {
        sockets.extend(one_of(0, &[libc::AF_UNIX])?);
        for call in [libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4] {
            rules.insert(call, Vec::new());
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    // An address without anything behind its family ends a connection (`reset_now` in engine/link) and can begin none.
    let nowhere = condition(2, SeccompCmpOp::Eq, size_of::<libc::sa_family_t>() as i32)?;
    let connect = if needs.connect { Vec::new() } else { vec![SeccompRule::new(vec![nowhere])?] };
    rules.insert(libc::SYS_connect, connect);
    Ok(rules)
}

/// Calls that are newer than the lists give `ENOSYS`, so that libraries take the older way, and so does clone3: its flags lie
/// in memory, where a filter cannot look. (linux/filter.h has the instructions, linux/seccomp.h the data that they load.)
fn unknown_calls() -> BpfProgram {
    let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    let load_number = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let jump_if = |test| (libc::BPF_JMP | test | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    vec![
        sock_filter { code: load_number, jt: 0, jf: 0, k: 0 },
        sock_filter { code: jump_if(libc::BPF_JGT), jt: 1, jf: 0, k: NEWEST },
        sock_filter { code: jump_if(libc::BPF_JEQ), jt: 0, jf: 1, k: CLONE3 },
        sock_filter { code: answer, jt: 0, jf: 0, k: refuse },
    ]
}

fn program(needs: Needs) -> Result<BpfProgram, seccompiler::BackendError> {
    let allowed = SeccompFilter::new(
        rules(needs, std::process::id().cast_signed())?,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = unknown_calls();
    program.extend(BpfProgram::try_from(allowed)?);
    Ok(program)
}

/// Installs the filter for all threads of this process, which must have no_new_privs.
///
/// # Errors
/// The kernel has no such filters, or refuses this one; the process must not go on then.
pub fn install() -> io::Result<()> {
    let program = program(Needs::of_this_machine()).map_err(io::Error::other)?;
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    // `sock_filter` of seccompiler and of libc are both the kernel's.
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // Without SPEC_ALLOW, kernels before 5.16 slow all that the process computes by a defence against code that reads other
    // code's memory in one process; here all memory of the process is one tenant's.
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the kernel copies the program, which lives for the call.
    match unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) } {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        thread => Err(io::Error::other(format!("thread {thread} could not be filtered"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Instructions that the kernel takes in one filter (BPF_MAXINSNS).
    const INSTRUCTIONS_MAX: usize = 4096;
    const NOTHING: Needs = Needs { local_sockets: false, connect: false };
    const NVIDIA_WITH_MPS: Needs = Needs { local_sockets: true, connect: true };

    #[test]
    fn programs_fit_into_the_kernel() {
        for needs in [NOTHING, NVIDIA_WITH_MPS] {
            let length = program(needs).expect("the lists are well-formed").len();
            assert!(length < INSTRUCTIONS_MAX, "{needs:?}: {length}");
        }
    }

    #[test]
    fn what_makes_a_fault_worse_is_on_no_list() {
        let worse = [
            libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd, libc::SYS_process_madvise, libc::SYS_kcmp, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root,
            libc::SYS_chroot, libc::SYS_setns, libc::SYS_unshare, libc::SYS_clone3, libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd, libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key, libc::SYS_init_module, libc::SYS_finit_module,
            libc::SYS_kexec_load, libc::SYS_reboot, libc::SYS_swapon, libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_setresuid,
            libc::SYS_setresgid, libc::SYS_setgroups, libc::SYS_capset, libc::SYS_mknodat, libc::SYS_open_by_handle_at, libc::SYS_shmget,
        ];
        let rules = rules(NVIDIA_WITH_MPS, 1).expect("the lists are well-formed");
        for call in worse {
            assert!(!rules.contains_key(&call), "system call {call}");
        }
        for call in [libc::SYS_socket, libc::SYS_clone, libc::SYS_kill, libc::SYS_prctl, libc::SYS_ioctl, libc::SYS_fcntl, libc::SYS_setpriority] {
            assert!(!rules[&call].is_empty(), "system call {call} is allowed whatever its arguments");
        }
    }

    #[test]
    fn only_nvidias_driver_gets_sockets_that_listen() {
        let rules = rules(NOTHING, 1).expect("the lists are well-formed");
        for call in [libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4] {
            assert!(!rules.contains_key(&call), "system call {call}");
        }
        assert_eq!(rules[&libc::SYS_connect].len(), 1, "connect is for ending a connection");
    }

    #[test]
    fn every_call_on_the_lists_is_known_and_there_once() {
        let mut calls = FREELY.to_vec();
        calls.sort_unstable();
        let count = calls.len();
        calls.dedup();
        assert_eq!(calls.len(), count);
        assert!(calls.iter().all(|call| *call <= i64::from(NEWEST)));
    }
}
