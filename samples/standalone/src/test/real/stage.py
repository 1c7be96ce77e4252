"""Processes, tools, and what has to be undone: everything a run starts or mounts ends with it, also when it is interrupted."""
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

PATIENCE = 120
TOOL_PATIENCE = 1800


class Failure(Exception):
    """The run has failed: one line for a person."""


class Interrupted(BaseException):
    """Somebody wants the run to end."""


def missing(tools):
    """Those of the tools that are not on PATH, nor where a system administrator has them."""
    os.environ['PATH'] += ':/usr/sbin:/sbin'
    return [tool for tool in tools if not shutil.which(tool)]


def wait_for(what, condition, patience=PATIENCE):
    """The first true value of the condition; a failure if there is none in time."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure('%s: not within %d s' % (what, patience))
        time.sleep(0.02)


def family(pid):
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir('/proc/%d/task' % parent):
                with open('/proc/%d/task/%s/children' % (parent, task)) as children:
                    found += [int(child) for child in children.read().split()]
        except OSError:
            pass  # it ended meanwhile
    return found


def kill_at_once(pids):
    """SIGKILL for all, one right after the other."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Running:
    """A process of the run; its output is in a file and, line by line, here."""

    def __init__(self, name, command, log, feed=False):
        self.name = name
        self.lines = []
        self.news = threading.Condition()
        self.is_silent = False
        self.log = open(log, 'a')
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.log.write(line)
            self.log.flush()
            with self.news:
                self.lines.append(line.rstrip('\n'))
                self.news.notify_all()
        with self.news:
            self.is_silent = True
            self.news.notify_all()

    @property
    def pid(self):
        return self.process.pid

    def mark(self):
        """How many lines there are: what comes after is news."""
        with self.news:
            return len(self.lines)

    def wait_line(self, text, mark=0, patience=PATIENCE):
        """The first line after the mark with the text in it."""
        deadline = time.monotonic() + patience
        at = mark
        with self.news:
            while True:
                while at < len(self.lines):
                    if text in self.lines[at]:
                        return self.lines[at]
                    at += 1
                if self.is_silent:
                    raise Failure("%s ended without '%s': %s" % (self.name, text, ' | '.join(self.lines[-3:])))
                if not self.news.wait(max(0, deadline - time.monotonic())):
                    raise Failure("%s: no '%s' within %d s" % (self.name, text, patience))

    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        kill_at_once(family(self.pid))
        self.process.wait()

    def end(self, patience=PATIENCE):
        """Waits for its end; its exit code. All it said has been read then."""
        try:
            code = self.process.wait(patience)
            self.reader.join(patience)
            return code
        except subprocess.TimeoutExpired:
            raise Failure('%s does not end within %d s' % (self.name, patience)) from None

    def terminate(self):
        """SIGTERM; it has to end well."""
        self.process.terminate()
        code = self.end()
        if code != 0:
            raise Failure('%s ended with %d on SIGTERM: %s' % (self.name, code, ' | '.join(self.lines[-3:])))


class Stage:
    """Where a run happens."""

    def __init__(self, home):
        self.home = home
        self.undo = []
        self.began = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)

    @staticmethod
    def _interrupt(number, _):
        raise Interrupted(signal.Signals(number).name)

    def path(self, *names):
        return os.path.join(self.home, *names)

    def say(self, text):
        print('%6.1f s  %s' % (time.monotonic() - self.began, text), flush=True)

    def later(self, action, *arguments):
        """What to do in the end, before everything that was named earlier."""
        self.undo.append((action, arguments))

    def start(self, name, command, feed=False):
        running = Running(name, command, self.path(name.replace(' ', '-') + '.log'), feed)
        self.later(running.kill)
        return running

    def run(self, *command, good=(0,), patience=TOOL_PATIENCE):
        """Runs a tool to its good end; its output, both kinds."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            start_new_session=True,
        )
        try:
            text = process.communicate(timeout=patience)[0]
        except subprocess.TimeoutExpired:
            raise Failure('%s: not within %d s' % (' '.join(command), patience)) from None
        finally:
            if process.poll() is None:
                kill_at_once(family(process.pid))
                process.wait()
        if process.returncode not in good:
            raise Failure('%s ended with %d: %s' % (' '.join(command), process.returncode, text.strip()[-2000:]))
        return text

    def close(self):
        """Undoes everything; what cannot be undone is said. Whether all could."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        is_clean = True
        while self.undo:
            action, arguments = self.undo.pop()
            try:
                action(*arguments)
            except Exception as e:
                is_clean = False
                print('left behind: %s' % e, file=sys.stderr)
        return is_clean
