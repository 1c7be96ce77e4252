"""The server processes of one peer: started, waited for, measured, ended.

Contract: every process is started in a session of its own, its output goes to a file in the run directory, and `stop` ends
all of them (and what they started) whatever happened. A process that ends early or says nothing in time is a PeerFailed. CPU time and memory count whole process trees, so a launcher script that does not exec is fine.
A peer whose processes leave their session is asked to stop by SIGTERM like any other, and has to end them itself.
"""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 30
STOP_SECONDS = 10
POLL_SECONDS = 0.02
TAIL_LINES = 8
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class PeerFailed(Exception):
    """A peer could not be started, or its server ended too early."""


class Servers:
    def __init__(self, run_directory):
        self.run_directory = Path(run_directory)
        self._started = []  # (Popen, log path), in order of start
        self.attach_seconds = None  # of a peer that attaches its volume by a command

    def start(self, command, environment=None):
        """Starts one server; returns a Server to wait on."""
        log = self.run_directory / f"server-{len(self._started)}.log"
        with open(log, "wb") as out:
            try:
                process = subprocess.Popen(
                    [str(word) for word in command],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                    env={**os.environ, **(environment or {})}, start_new_session=True)
            except OSError as error:
                raise PeerFailed(f"{command[0]}: {error}") from None
        self._started.append((process, log))
        return Server(process, log, command)

    def pids(self):
        """All living processes of the peer, descendants included."""
        found = []
        waiting = [process.pid for process, _ in self._started]
        while waiting:
            pid = waiting.pop()
            try:
                tasks = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue  # ended meanwhile
            found.append(pid)
            for task in tasks:
                waiting += map(int, read_proc(pid, f"task/{task}/children").split())
        return found

    def java_pids(self):
        return [pid for pid in self.pids() if is_java(pid)]

    def cpu_seconds(self):
        """User and system time used so far by all processes."""
        return sum(process_seconds(pid) for pid in self.pids())

    def resident_mib(self):
        """Resident memory of all processes, without shared memory (mapped files of a tmpfs are the data, not the process)."""
        return sum(resident_mib(pid) for pid in self.pids())

    def resident_mib_by_role(self):
        """The largest process of each role of ours: what its main class is called, in MiB."""
        roles = {}
        for pid in self.java_pids():
            main = re.search(r"\.(\w+)$", next(iter(re.findall(r"io\.longhorn\.\w+/([\w.]+)", read_proc(pid, "cmdline"))), ""))
            if main:
                roles[main[1]] = max(roles.get(main[1], 0.0), resident_mib(pid))
        return roles

    def last_words(self):
        """The last lines of every server's output, for a report of failure."""
        return "\n".join(f"  {log.name}: {line}" for _, log in self._started for line in tail(log))

    def stop(self):
        for process, _ in reversed(self._started):
            self._signal(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process, _ in self._started:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            self._signal(process, signal.SIGKILL)
            process.wait()
        self._started.clear()

    @staticmethod
    def _signal(process, number):
        try:
            os.killpg(process.pid, number)  # a group of our own making: see start_new_session
        except ProcessLookupError:
            pass


class Server:
    def __init__(self, process, log, command):
        self._process, self._log, self._command = process, log, command

    def wait_for_line(self, word):
        """Waits for an output line `word REST`, returns REST."""
        pattern = re.compile(rf"^{re.escape(word)} (.+)$", re.M)
        return self._wait(lambda: (found := pattern.search(self._output())) and found[1].strip(), f"a line '{word} ...'")

    def wait_for_socket(self, path):
        """Waits until something listens at a unix socket."""
        def listens():
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(str(path))
                    return True
                except OSError:
                    return False
        self._wait(listens, f"a socket {path}")

    def _output(self):
        return self._log.read_text(errors="replace")

    def _wait(self, condition, what):
        deadline = time.monotonic() + START_SECONDS
        while True:
            result = condition()
            if result:
                return result
            if self._process.poll() is not None or time.monotonic() > deadline:
                ended = self._process.poll()
                state = "still running" if ended is None else f"exit status {ended}"
                raise PeerFailed(f"{' '.join(map(str, self._command[:4]))} ...: waited for {what}, {state}")
            time.sleep(POLL_SECONDS)


def read_proc(pid, name):
    """A file of /proc/PID; empty when the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def resident_mib(pid):
    """Resident memory of one process, without shared memory."""
    status = read_proc(pid, "status")
    value = lambda key: int((re.search(rf"^{key}:\s+(\d+)", status, re.M) or [0, 0])[1])
    return (value("VmRSS") - value("RssShmem")) / 1024


def process_seconds(pid):
    """User and system time of a process so far, its ended threads included."""
    fields = read_proc(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND if fields else 0.0


def is_java(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "java"
    except OSError:
        return False


def tail(log):
    return log.read_text(errors="replace").splitlines()[-TAIL_LINES:]


def free_port():
    """A TCP port on the loopback that nothing uses at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
