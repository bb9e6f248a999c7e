"""What a hostile job tries, run inside a sandbox by test_sandbox.py: one line of JSON an attempt,
[name, null or what it got]. Standard library only."""
import ctypes
import errno
import glob
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time

TARGETS = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
SYS = {"ptrace": 101, "keyctl": 250, "bpf": 321, "userfaultfd": 323, "perf_event_open": 298,
       "open_tree": 428, "process_vm_writev": 311, "unshare": 272, "io_uring_setup": 425,
       "open_by_handle_at": 304, "add_key": 248, "kexec_load": 246, "init_module": 175}
attempts = []


def attempt(f):
    attempts.append(f)
    return f


def refused(f, *args, allowed=(errno.EPERM, errno.EACCES, errno.ENOENT, errno.EROFS, errno.EXDEV,
                               errno.ENOSYS, errno.ECONNREFUSED, errno.ENETUNREACH, errno.ESRCH,
                               errno.EAFNOSUPPORT, errno.ELOOP, errno.ENOTDIR, errno.EINVAL)):
    """None if f fails with one of these errors; else what it gave."""
    try:
        return repr(f(*args))[:200]
    except OSError as e:
        return None if e.errno in allowed else f"failed, but with {e!r}"


def read(path):
    with open(path, "rb") as f:
        return f.read(200)


def first(results):
    return next((r for r in results if r is not None), None)


def call(name, *args):
    if libc.syscall(SYS[name], *args) < 0:
        raise OSError(ctypes.get_errno(), name)
    return f"{name} worked"


@attempt
def shadow():
    return refused(read, "/etc/shadow")


@attempt
def state_folder():
    return first(refused(read, p) for p in TARGETS["secret_files"])


@attempt
def state_by_parents():
    parent = os.path.dirname(TARGETS["secret_files"][0])
    found = [n for n in os.listdir(os.path.dirname(parent))] if os.path.exists(
        os.path.dirname(parent)) else []
    return None if os.path.basename(parent) not in found else found


@attempt
def other_volumes():
    seen = sorted(glob.glob("/volumes/*/*"))
    return None if seen == sorted(TARGETS["volumes"]) else seen


@attempt
def other_jobs():
    own = os.path.dirname(os.environ["PERIGEE_PROGRESS"])
    spool = os.path.abspath(os.path.join(own, "../../../.."))
    seen = [os.path.join(d, n) for d, dirs, files in os.walk(spool) for n in files]
    stray = [p for p in seen if not p.startswith((own, os.environ["PERIGEE_RESULTS"]))]
    return stray or None


@attempt
def launch_json():
    own = os.path.dirname(os.environ["PERIGEE_PROGRESS"])
    return refused(read, os.path.join(own, "../launch.json"))


@attempt
def unix_sockets():
    def connect(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            return path
    return first(refused(connect, p) for p in
                 [TARGETS["socket"], "\0" + TARGETS["abstract"], "/run/munge/munge.socket.2",
                  "/run/dbus/system_bus_socket", "/run/postgresql/.s.PGSQL.5432"])


@attempt
def network():
    def connect(address):
        with socket.create_connection(address, timeout=3):
            return address
    return first(refused(connect, a) for a in
                 [("127.0.0.1", TARGETS["port"]), ("10.0.0.1", 80), ("1.1.1.1", 53)])


@attempt
def interfaces():
    names = sorted(n for _, n in socket.if_nameindex())
    return None if names == ["lo"] else names


@attempt
def raw_sockets():
    return first(refused(socket.socket, *a) for a in
                 [(socket.AF_PACKET, socket.SOCK_RAW), (40, socket.SOCK_STREAM),
                  (socket.AF_INET, socket.SOCK_RAW, 1), (38, socket.SOCK_SEQPACKET)])


@attempt
def processes():
    pids = [int(n) for n in os.listdir("/proc") if n.isdigit()]
    return None if max(pids) < 4000 and TARGETS["pid"] not in pids else pids


@attempt
def kill_others():
    return refused(os.kill, TARGETS["pid"], 9)


@attempt
def ptrace():
    return refused(call, "ptrace", 16, 1, 0, 0)


@attempt
def first_process():
    return first(refused(read, f"/proc/1/{n}") for n in ("mem", "environ", "maps")) or first(
        refused(os.readlink, f"/proc/1/{n}") for n in ("fd/0", "fd/3", "fd/5", "root", "cwd"))


@attempt
def descriptors():
    stray = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
             if int(n) > 2 and os.path.exists(f"/proc/self/fd/{n}")]
    stray = [s for s in stray if not s.startswith("/proc/")]
    return stray or None


@attempt
def mount():
    def mounts():
        if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) < 0:
            raise OSError(ctypes.get_errno(), "mount")
    return refused(mounts)


@attempt
def system_calls():
    return first(refused(call, name, 0, 0, 0, 0, 0) for name in SYS if name != "unshare") or \
        refused(call, "unshare", 0x10000000)


@attempt
def namespaces():
    done = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    return None if done.returncode else "unshare works"


@attempt
def nested():
    if not os.path.exists("/usr/bin/bwrap"):
        return None
    done = subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], capture_output=True,
                          check=False)
    return None if done.returncode else "bwrap works"


@attempt
def capabilities():
    with open("/proc/self/status", encoding="utf-8") as f:
        lines = dict(line.split(":\t", 1) for line in f if ":\t" in line)
    caps = {k: lines[k].strip() for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    bad = {k: v for k, v in caps.items() if int(v, 16)}
    if lines["NoNewPrivs"].strip() != "1" or lines["Seccomp"].strip() != "2":
        bad["flags"] = [lines["NoNewPrivs"], lines["Seccomp"]]
    return bad or None


@attempt
def setuid():
    return first(refused(f, 12345) for f in (os.setuid, os.setgid)) or \
        refused(os.chown, TARGETS["volumes"][0], 12345, 12345)


@attempt
def read_only():
    def write(path):
        with open(path, "w", encoding="utf-8"):
            return path
    own = os.path.dirname(sys.executable)
    return first(refused(write, p + "/x-perigee-test") for p in
                 ["/", "/usr", "/usr/bin", "/etc", "/dev", "/volumes", "/volumes/ana", own,
                  TARGETS["read_only"], TARGETS["bin"], TARGETS["dataset"]])


@attempt
def read_only_otherwise():
    """The same file by other calls, and from a folder that may be written."""
    ro, rw = TARGETS["read_only"] + "/given", TARGETS["writable"]
    return first([refused(os.link, ro, rw + "/hard"), refused(os.rename, ro, rw + "/moved"),
                  refused(os.truncate, ro, 0), refused(os.chmod, ro, 0o777),
                  refused(os.unlink, ro), refused(os.utime, ro),
                  refused(os.open, ro, os.O_RDWR)])


@attempt
def symlinks():
    rw = TARGETS["writable"]
    for i, to in enumerate(TARGETS["secret_files"] + ["/proc/1/root/etc/shadow", "/etc/shadow"]):
        os.symlink(to, f"{rw}/link{i}")
        got = refused(read, f"{rw}/link{i}")
        if got:
            return got
    return None


@attempt
def dotdot():
    """The parent of a bound folder is the sandbox's own, not that outside."""
    os.chdir(TARGETS["writable"])
    fd = os.open(".", os.O_PATH)
    os.chdir("../..")
    seen = os.listdir(".")
    up = os.open("../../../..", os.O_RDONLY, dir_fd=fd)
    return None if sorted(seen) == ["ana", "bob"] and "volumes" in os.listdir(up) else seen


@attempt
def hidden_part():
    return refused(os.listdir, TARGETS["hidden"], allowed=(errno.EACCES, errno.ENOENT)) and (
        os.listdir(TARGETS["hidden"]) or None)


@attempt
def sysfs_and_kernel():
    def write(path):
        with open(path, "w", encoding="utf-8") as f:
            f.write("1")
        return path
    return first(refused(write, p) for p in
                 ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                  "/sys/devices/system/cpu/cpu0/online", "/proc/sys/vm/drop_caches"]) or \
        first(refused(read, p) for p in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/vda"))


@attempt
def set_user_id_programs():
    """They keep the rights of the job: no_new_privs, and no set-user-id on these mounts."""
    found = [p for p in ("/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount") if os.path.exists(p)]
    if not found:
        return None
    done = subprocess.run(["/usr/bin/python3", "-c", "import os; print(os.geteuid())"],
                          capture_output=True, text=True, check=False)
    return None if done.stdout.strip() == str(os.geteuid()) else done.stdout


@attempt
def tmp_is_bounded():
    try:
        with open("/tmp/large", "wb") as f:
            for _ in range(1 << 12):
                f.write(b"\1" * (1 << 20))
        return "4 GiB in /tmp"
    except OSError as e:
        return None if e.errno == errno.ENOSPC else repr(e)
    finally:
        os.unlink("/tmp/large")


@attempt
def fork_bomb():
    """Ends at the limit; for root, whom the kernel does not count, the limit is only there."""
    limit = resource.getrlimit(resource.RLIMIT_NPROC)
    if limit[1] > 4096:
        return limit
    if TARGETS["root"]:
        return None
    # Threads count as processes do, and are quicker to make.
    threading.stack_size(64 << 10)
    go, threads = threading.Event(), []
    try:
        for _ in range(6000):
            threads.append(threading.Thread(target=go.wait))
            threads[-1].start()
        return f"{len(threads)} threads"
    except RuntimeError:
        return refused(os.fork, allowed=(errno.EAGAIN,))
    finally:
        go.set()
        for thread in threads[:-1]:
            thread.join()


for one in attempts:
    begun = time.monotonic()
    try:
        got = one()
    except Exception as e:  # noqa: BLE001 - a test that breaks is no refusal
        got = f"broke: {e!r}"
    print(json.dumps([one.__name__, got]), flush=True)
    print(f"{one.__name__}: {time.monotonic() - begun:.2f} s", file=sys.stderr)
