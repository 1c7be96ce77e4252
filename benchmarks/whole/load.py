"""Jobs and the two programs that run them.

loadgen (ours, C) sends and receives in batches on one connection and checks every block; fio's nbd engine goes request by
request. A server that gathers gains more from the first, so both are measured.
"""

import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass

import machine

WARMUP_SECONDS = 0.5  # of each job, before its measured interval
FILL_LENGTH, FILL_DEPTH = 1 << 20, 4


class LoadFailed(Exception):
    """A load generator ended without a result."""


@dataclass(frozen=True)
class Job:
    what: str
    length: int
    depth: int
    random: bool
    read_percent: int
    flush_each: bool = False

    def in_mib(self):
        """Whether throughput says more than operations per second."""
        return self.length >= 1 << 20


JOBS = {
    "rr1": Job("random 4 KiB reads, depth 1", 4096, 1, True, 100),
    "rr32": Job("random 4 KiB reads, depth 32", 4096, 32, True, 100),
    "rw1": Job("random 4 KiB writes, depth 1", 4096, 1, True, 0),
    "rw32": Job("random 4 KiB writes, depth 32", 4096, 32, True, 0),
    "mix16": Job("random 4 KiB, 70 % reads, depth 16", 4096, 16, True, 70),
    "fs1": Job("random 4 KiB write then FLUSH, depth 1", 4096, 1, True, 0, flush_each=True),
    "sr": Job("sequential 1 MiB reads, depth 8", 1 << 20, 8, False, 100),
    "sw": Job("sequential 1 MiB writes, depth 8", 1 << 20, 8, False, 0),
    "rr128": Job("random 4 KiB reads, depth 128", 4096, 128, True, 100),
    "rw128": Job("random 4 KiB writes, depth 128", 4096, 128, True, 0),
    "fs32": Job("random 4 KiB write then FLUSH, depth 32", 4096, 32, True, 0, flush_each=True),
}


@dataclass(frozen=True)
class Load:
    """What a generator saw. `all_operations` includes those outside the measured interval, for CPU per operation."""
    iops: float
    mib_per_second: float
    p50_micros: float
    p99_micros: float
    p999_micros: float
    errors: int
    bad_stamps: int
    all_operations: float
    client_cpu_seconds: float


class Loadgen:
    name = "loadgen"

    def __init__(self, programs, connections=1):
        self._program = programs / "loadgen"
        self._connections = connections

    def command(self, job, endpoint, size_bytes, seconds):
        command = self._base(endpoint, size_bytes) + [
            "--length", job.length, "--depth", job.depth, "--connections", self._connections,
            "--read-percent", job.read_percent, "--random" if job.random else "--sequential",
            "--seconds", seconds, "--warmup", WARMUP_SECONDS]
        return [str(word) for word in command + (["--flush-each"] if job.flush_each else [])]

    def run(self, job, endpoint, size_bytes, seconds):
        output, cpu_seconds = run_measured(self.command(job, endpoint, size_bytes, seconds), accepted=(0, 3))
        result = json.loads(output)
        return Load(
            **{name: result[name] for name in Load.__dataclass_fields__ if name != "client_cpu_seconds"},
            client_cpu_seconds=cpu_seconds)

    def fill(self, endpoint, size_bytes):
        """Stamps every block of the volume and flushes."""
        command = self._base(endpoint, size_bytes) + ["--fill", "--length", FILL_LENGTH, "--depth", FILL_DEPTH]
        run_measured([str(word) for word in command])

    def _base(self, endpoint, size_bytes):
        return [self._program, "--address", endpoint.address, "--export", endpoint.export, "--size", size_bytes]


class Fio:
    """fio's nbd engine. Its data carry no stamps: after it no loadgen job may run on the same volume."""
    name = "fio"

    def run(self, job, endpoint, size_bytes, seconds):
        kind = {100: "read", 0: "write"}.get(job.read_percent, "rw")
        command = [
            "fio", "--name=job", "--ioengine=nbd", f"--uri={endpoint.uri()}", f"--rw={'rand' if job.random else ''}{kind}",
            f"--bs={job.length}", f"--iodepth={job.depth}", f"--size={size_bytes}", f"--rwmixread={job.read_percent}",
            f"--fsync={int(job.flush_each)}", "--time_based", f"--ramp_time={WARMUP_SECONDS}", f"--runtime={seconds}",
            "--randrepeat=0", "--norandommap", "--random_generator=lfsr", "--percentile_list=50:99:99.9", "--output-format=json"]
        output, cpu_seconds = run_measured(command)
        result = json.loads(output[output.index("{"):])["jobs"][0]
        reads, writes = result["read"], result["write"]
        iops = reads["iops"] + writes["iops"]
        more = reads if reads["total_ios"] >= writes["total_ios"] else writes
        # Percentiles of a write and of its fsync are two distributions that do not add up: none is given for flush_each.
        percentiles = {} if job.flush_each else more["clat_ns"].get("percentile", {})
        micros = lambda key: percentiles[key] / 1000 if key in percentiles else 0.0
        return Load(
            iops, (reads["bw_bytes"] + writes["bw_bytes"]) / (1 << 20), micros("50.000000"), micros("99.000000"), micros("99.900000"),
            result["error"], 0, iops * (WARMUP_SECONDS + seconds), cpu_seconds)


def run_measured(command, accepted=(0,)):
    """Runs a program to its end: its stdout and the CPU seconds it took. Its stderr goes to ours."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.kill()
        raise
    if process.returncode not in accepted:
        raise LoadFailed(f"{command[0]} ended with status {process.returncode}")
    return output, usage.ru_utime + usage.ru_stime


def measure(generator, job, endpoint, size_bytes, seconds, servers):
    """One job against running servers, with what the machine did meanwhile, as a flat dictionary.

    `foreign_cores` is the larger of two views of what others used: all busy time less ours (the tick-based total runs behind
    under many short wake-ups) and the growth of all other processes (misses those that came and went).
    """
    own = set(servers.pids())
    others, busy, steal = machine.other_processes_seconds(own), machine.busy_seconds(), machine.steal_seconds()
    server_cpu, start = servers.cpu_seconds(), time.monotonic()
    load = generator.run(job, endpoint, size_bytes, seconds)
    elapsed, server_cpu = time.monotonic() - start, servers.cpu_seconds() - server_cpu
    busy, steal = machine.busy_seconds() - busy, machine.steal_seconds() - steal
    others = machine.other_processes_seconds(own) - others
    return {
        **asdict(load),
        "server_cpu_micros": server_cpu / load.all_operations * 1e6 if load.all_operations else 0.0,
        "resident_mib": servers.resident_mib(),
        "foreign_cores": max(busy - server_cpu - load.client_cpu_seconds, others) / elapsed,
        "steal_cores": steal / elapsed,
    }
