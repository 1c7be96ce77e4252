"""The machine the benchmark runs on: what it is, how busy it is, and its page cache."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

from servers import TICKS_PER_SECOND, process_seconds, read_proc

QUIET_SAMPLE_SECONDS = 0.3
QUIET_TRIES = 8
KERNEL_THREADS_PARENT = "2"


def busy_seconds():
    """CPU time spent so far on all cores by anything, interrupts and stolen time included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = _cpu_fields()
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND


def other_processes_seconds(own):
    """CPU time so far of every living process that is neither in `own`, nor this one, nor a kernel thread."""
    total = 0.0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in own and int(name) != os.getpid():
            parent = read_proc(name, "stat").rpartition(")")[2].split()[1:2]
            if parent and parent[0] not in ("0", KERNEL_THREADS_PARENT) or name == "1":
                total += process_seconds(name)
    return total


def steal_seconds():
    return _cpu_fields()[7] / TICKS_PER_SECOND


def _cpu_fields():
    with open("/proc/stat") as stat:
        return [int(field) for field in stat.readline().split()[1:9]]


def wait_until_quiet(cores):
    """Waits, a few seconds at most, until the machine uses less than so many cores while the servers idle."""
    for _ in range(QUIET_TRIES):
        before = busy_seconds()
        time.sleep(QUIET_SAMPLE_SECONDS)
        if (busy_seconds() - before) / QUIET_SAMPLE_SECONDS <= cores:
            return


def can_drop_caches():
    return os.access("/proc/sys/vm/drop_caches", os.W_OK)


def drop_caches():
    """Writes back what is dirty and empties the page cache (needs root). A cache below this machine is out of reach."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def file_system_of(path):
    """Type of the file system that holds a path."""
    return _output(["stat", "--file-system", "--format=%T", str(path)])


def describe():
    """Facts for the results page."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = int(re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M)[1]) / 1024**2
    release = re.search(r'^PRETTY_NAME="(.+)"$', Path("/etc/os-release").read_text(), re.M)
    return {
        "processor": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "kernel": platform.release(),
        "system": release[1] if release else platform.system(),
        "qemu": _first_line(["qemu-nbd", "--version"]),
        "fio": _first_line(["fio", "--version"]),
        "gcc": _first_line(["gcc", "--version"]),
    }


def describe_java(pid):
    """Version line and the options of a running JVM's own VM, read from the executable it runs."""
    lines = _output([os.readlink(f"/proc/{pid}/exe"), "-version"]).splitlines()
    return next((line for line in lines if "Runtime Environment" in line), "unknown")


def _first_line(command):
    return (_output(command).splitlines() or [""])[0]


def _output(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout.strip()
    except OSError:
        return "not installed"
