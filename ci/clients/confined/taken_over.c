/* A libcuda.so.1 that somebody has taken over: in an allocation it tries what a worker must not do, and prints for each attempt the
 * errno that it got, 0 if it went through. All else is done by the libcuda that it is linked with.
 *
 * Arguments are such that nothing happens where an attempt is not refused. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL(name, ...) attempt(name, syscall(__VA_ARGS__))

static void attempt(const char *name, long result)
{
    printf("attempt %s %d\n", name, result < 0 ? errno : 0);
}

static void *thread(void *flag)
{
    *(int *)flag = 1;
    return 0;
}

static void attempts(void)
{
    pid_t serve = getppid();
    CALL("execve", SYS_execve, 0, 0, 0);
    CALL("execveat", SYS_execveat, -1, 0, 0, 0, 0);
    CALL("fork", SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0); /* not to be had together, so no process comes of it */
    CALL("clone3", SYS_clone3, 0, 0);
    CALL("newer", SYS_clone3 + 500, 0, 0);
    CALL("ptrace", SYS_ptrace, -1, serve, 0, 0);
    CALL("process_vm_readv", SYS_process_vm_readv, serve, 0, 0, 0, 0, 0);
    CALL("process_vm_writev", SYS_process_vm_writev, serve, 0, 0, 0, 0, 0);
    CALL("pidfd_open", SYS_pidfd_open, serve, 0);
    CALL("pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0);
    CALL("kill", SYS_kill, serve, 0);
    CALL("tgkill", SYS_tgkill, serve, serve, 0);
    CALL("prlimit64", SYS_prlimit64, serve, 7, 0, 0);
    CALL("cores of serve", SYS_sched_setaffinity, serve, 0, 0);
    CALL("scheduler of serve", SYS_sched_setscheduler, serve, -1, 0);
    CALL("priority of serve", SYS_setpriority, 0, serve, 0);
    CALL("priority of a group", SYS_setpriority, 1, 0, 0);
    CALL("signals by a descriptor", SYS_fcntl, 0, 8 /* F_SETOWN */, 0);
    CALL("their number", SYS_fcntl, 0, 10 /* F_SETSIG */, 0);
    CALL("their owner", SYS_fcntl, 0, 15 /* F_SETOWN_EX */, 0);
    CALL("signals by a device", SYS_ioctl, 0, 0x8901 /* FIOSETOWN */, 0);
    CALL("signals by a socket", SYS_ioctl, 0, 0x8902 /* SIOCSPGRP */, 0);
    CALL("mount", SYS_mount, 0, 0, 0, 0, 0);
    CALL("umount2", SYS_umount2, 0, 0);
    CALL("pivot_root", SYS_pivot_root, 0, 0);
    CALL("chroot", SYS_chroot, 0);
    CALL("setns", SYS_setns, -1, 0);
    CALL("unshare", SYS_unshare, 0);
    CALL("bpf", SYS_bpf, -1, 0, 0);
    CALL("perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, 0);
    CALL("io_uring_setup", SYS_io_uring_setup, 0, 0);
    CALL("userfaultfd", SYS_userfaultfd, -1);
    CALL("keyctl", SYS_keyctl, -1, 0, 0, 0, 0);
    CALL("add_key", SYS_add_key, 0, 0, 0, 0, 0);
    CALL("init_module", SYS_init_module, 0, 0, 0);
    CALL("finit_module", SYS_finit_module, -1, 0, 0);
    CALL("delete_module", SYS_delete_module, 0, 0);
    CALL("kexec_load", SYS_kexec_load, 0, 0, 0, -1);
    CALL("reboot", SYS_reboot, 0, 0, 0, 0);
    CALL("swapon", SYS_swapon, 0, 0);
    CALL("settimeofday", SYS_settimeofday, 1, 0);
    CALL("clock_settime", SYS_clock_settime, 0, 0);
    CALL("setuid", SYS_setuid, -1);
    CALL("capset", SYS_capset, 0, 0);
    CALL("chown", SYS_fchownat, AT_FDCWD, 0, 0, 0, 0);
    CALL("chmod", SYS_fchmodat, AT_FDCWD, 0, 0);
    CALL("mknod", SYS_mknodat, AT_FDCWD, 0, 0, 0);
    CALL("personality", SYS_personality, 0xffffffff);
    CALL("shmget", SYS_shmget, 0, 0, 0);
    CALL("typing", SYS_ioctl, 2, 0x5412 /* TIOCSTI */, 0);
    CALL("typing in 64 bits", SYS_ioctl, 2, 0x100005412, 0);
    CALL("dumpable", SYS_prctl, PR_SET_DUMPABLE, 2, 0, 0, 0);
    CALL("connect", SYS_connect, 0, 0, 16);
    CALL("connect in 64 bits", SYS_connect, 0, 0, 0x100000010);
    CALL("listen", SYS_listen, 0, 0);
    CALL("TCP socket", SYS_socket, AF_INET, SOCK_STREAM, 0);
    CALL("TCP socket, IPv6", SYS_socket, AF_INET6, SOCK_STREAM, 0);
    CALL("packet socket", SYS_socket, AF_PACKET, SOCK_RAW, 0);
    CALL("audit socket", SYS_socket, AF_NETLINK, SOCK_RAW, 9);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", serve);
    int memory = open(path, O_RDONLY);
    attempt("memory of serve", memory);

    int ran = 0;
    pthread_t other;
    pthread_create(&other, 0, thread, &ran);
    pthread_join(other, 0);
    printf("thread %d\n", ran);
    unsigned short none = AF_UNSPEC; /* of no use to the socket of orders, but it is the socket that must say so */
    printf("reset %d\n", syscall(SYS_connect, 0, &none, sizeof none) < 0 && errno != EPERM);
    printf("netlink %d\n", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    printf("is dumpable %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    printf("all tried\n");
    fflush(stdout);
}

int cuMemAlloc_v2(uint64_t *address, size_t bytes)
{
    int (*next)(uint64_t *, size_t) = (int (*)(uint64_t *, size_t))dlsym(RTLD_NEXT, "cuMemAlloc_v2");
    attempts();
    return next ? next(address, bytes) : 3;
}
