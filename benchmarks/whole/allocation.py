"""Bytes allocated per request by the JVMs of a peer, in steady state.

Method: while a load runs and everything has warmed up, `jcmd PID Thread.print -e` is taken twice from every JVM, some seconds
apart; the JVM reports for each Java thread what it has allocated since its start (exact, not sampled; printed to the KiB below
100 MiB). The difference divided by the requests in between is the figure; `jstat -gc` says how many collections fell into it.
jcmd's own work shows up on "Attach Listener" and is left out. A JFR recording afterwards names the sites, if there are any.
"""

import json
import re
import subprocess
import time
from pathlib import Path

import machine
from load import JOBS, LoadFailed

WARMUP_SECONDS = 10    # of load before the first reading: time enough to be compiled
INTERVAL_SECONDS = 10  # between the readings
MARGIN_SECONDS = 3     # of load after the last one
JOBS_MEASURED = ("rr32", "rw32", "mix16", "fs1")
LOUDEST_THREADS = 6
NOT_OURS = ("Attach Listener",)

_THREAD = re.compile(r'^"(?P<name>.*)" #(?P<id>\d+) .*? allocated=(?P<size>\d+)(?P<unit>[BKMG]) ', re.M)
_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Jvm:
    def __init__(self, pid):
        self.pid = pid
        self._tools = Path(f"/proc/{pid}/exe").resolve().parent
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        self.role = next((word for word in words if word in ("engine", "replica")), "java")

    def allocated_by_thread(self):
        """Bytes allocated since the start of each living Java thread, by (id, name)."""
        found = {(m["id"], m["name"]): int(m["size"]) * _UNITS[m["unit"]] for m in _THREAD.finditer(self.command("Thread.print", "-e"))}
        return {thread: size for thread, size in found.items() if thread[1] not in NOT_OURS}

    def collections(self):
        """Garbage collections so far: young, full and concurrent."""
        names, values = [line.split() for line in self._run("jstat", "-gc", str(self.pid)).splitlines()[:2]]
        row = dict(zip(names, values))
        return sum(int(row[name]) for name in ("YGC", "FGC", "CGC") if row.get(name, "-").isdigit())

    def command(self, *words):
        return self._run("jcmd", str(self.pid), *words)

    def _run(self, tool, *words):
        done = subprocess.run([str(self._tools / tool), *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise LoadFailed(f"{tool} {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def measure(generator, job_name, endpoint, size_bytes, servers):
    """Runs one job long enough and returns the figures as a flat dictionary."""
    jvms = [Jvm(pid) for pid in servers.java_pids()]
    if not jvms:
        raise LoadFailed("the peer has no JVM")
    seconds = WARMUP_SECONDS + INTERVAL_SECONDS + MARGIN_SECONDS
    command = generator.command(JOBS[job_name], endpoint, size_bytes, seconds)
    load = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(WARMUP_SECONDS)
        before, collections, start = [jvm.allocated_by_thread() for jvm in jvms], sum(jvm.collections() for jvm in jvms), time.monotonic()
        time.sleep(INTERVAL_SECONDS)
        after, elapsed = [jvm.allocated_by_thread() for jvm in jvms], time.monotonic() - start
        collections = sum(jvm.collections() for jvm in jvms) - collections
        output, _ = load.communicate(timeout=seconds + 60)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    if load.returncode != 0:
        raise LoadFailed(f"loadgen ended with status {load.returncode}")
    requests = json.loads(output)["iops"] * elapsed  # of the mean rate: a few per cent off, which does not matter near zero
    return summarize(jvms, before, after, requests, collections)


def summarize(jvms, before, after, requests, collections):
    per_role, per_thread = {}, []
    for jvm, earlier, later in zip(jvms, before, after):
        for thread, size in later.items():
            grown = size - earlier.get(thread, 0)
            per_role[jvm.role] = per_role.get(jvm.role, 0) + grown
            per_thread.append((grown, f"{jvm.role}: {thread[1]}"))
    loudest = [(size, name) for size, name in sorted(per_thread, reverse=True)[:LOUDEST_THREADS] if size > 0]
    return {
        "requests": round(requests),
        "bytes": sum(per_role.values()),
        "bytes_per_request": sum(per_role.values()) / requests if requests else 0.0,
        "bytes_per_request_by_role": {role: size / requests if requests else 0.0 for role, size in sorted(per_role.items())},
        "collections": collections,
        "threads": [{"thread": name, "bytes": size} for size, name in loudest],
        "java": machine.describe_java(jvms[0].pid),
    }


def sites(generator, job_name, endpoint, size_bytes, servers):
    """Where the JVMs allocate under a job: text of `JFR.view allocation-by-site`, a JVM each."""
    jvms = [Jvm(pid) for pid in servers.java_pids()]
    load = subprocess.Popen(
        generator.command(JOBS[job_name], endpoint, size_bytes, INTERVAL_SECONDS), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for jvm in jvms:
            jvm.command("JFR.start", "name=whole", "settings=profile")
        time.sleep(INTERVAL_SECONDS)
        parts = [f"{jvm.role} {jvm.pid}\n{jvm.command('JFR.view', 'allocation-by-site').strip()}" for jvm in jvms]
        for jvm in jvms:
            jvm.command("JFR.stop", "name=whole")
    finally:
        load.wait()
    return "\n\n".join(parts)
