"""PostgreSQL on the volume, pgbench, and a client that remembers outside the volume what was committed."""
import glob
import os
import pwd
import re
import threading
import time

from stage import PATIENCE, Failure, family, wait_for

USER = 'postgres'
PORT = '5432'
SETTINGS = """
listen_addresses = ''
logging_collector = off
max_wal_size = 256MB
checkpoint_timeout = 30s
autovacuum_naptime = 10s
"""


def binaries():
    """Where Debian's newest PostgreSQL has its programs; None if there is none."""
    found = glob.glob('/usr/lib/postgresql/*/bin/postgres')
    return os.path.dirname(max(found, key=lambda path: int(path.split('/')[4]))) if found else None


class Database:
    """One cluster, with data on the volume, its socket and its log elsewhere."""

    def __init__(self, stage, name, mount_point):
        self.stage = stage
        self.data = os.path.join(mount_point, 'pgdata')
        self.socket = stage.path(name + '.pg')
        self.log = stage.path(name + '.postgresql.log')
        self.is_up = False
        os.mkdir(self.socket)
        os.chown(self.socket, pwd.getpwnam(USER).pw_uid, -1)
        stage.later(self.drop)

    def _as_user(self, program, *words):
        return ['setpriv', '--reuid=' + USER, '--regid=' + USER, '--clear-groups', os.path.join(binaries(), program), *words]

    def run(self, program, *words):
        return self.stage.run(*self._as_user(program, *words))

    def create(self):
        os.mkdir(self.data, 0o700)
        os.chown(self.data, pwd.getpwnam(USER).pw_uid, -1)
        self.run('initdb', '-D', self.data, '--data-checksums', '--auth=trust', '--no-sync', '--locale=C', '-E', 'UTF8')
        with open(os.path.join(self.data, 'postgresql.conf'), 'a') as conf:
            conf.write(SETTINGS + "unix_socket_directories = '%s'\n" % self.socket)

    def start(self):
        """Starts, recovers if need be; how long that took."""
        began = time.monotonic()
        self.is_up = True
        log = os.path.join(self.socket, 'log')
        self.run('pg_ctl', '-D', self.data, '-l', log, '-w', '-t', '120', '-s', 'start')
        return time.monotonic() - began

    def stop(self):
        self.run('pg_ctl', '-D', self.data, '-m', 'fast', '-w', '-t', '120', '-s', 'stop')
        self.is_up = False

    def pids(self):
        """The server and all its children."""
        with open(os.path.join(self.data, 'postmaster.pid')) as file:
            return family(int(file.readline()))

    def forget(self):
        """It was killed."""
        self.is_up = False

    def drop(self):
        if self.is_up:
            self.is_up = False
            self.run('pg_ctl', '-D', self.data, '-m', 'immediate', '-w', '-t', '20', '-s', 'stop')

    def log_size(self):
        return os.path.getsize(os.path.join(self.socket, 'log'))

    def check_log(self, offset=0):
        """PostgreSQL has seen no error since the log had that size."""
        with open(os.path.join(self.socket, 'log'), errors='replace') as log:
            log.seek(offset)
            bad = [line.strip() for line in log if re.search(r'\b(ERROR|FATAL|PANIC|WARNING):', line)]
        if bad:
            raise Failure('PostgreSQL saw %d errors, first: %s' % (len(bad), bad[0]))

    def query(self, sql):
        return self.run('psql', '-h', self.socket, '-p', PORT, '-d', 'postgres', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', sql)

    def fill(self, scale):
        self.query('CREATE TABLE ledger (id bigint PRIMARY KEY, body text NOT NULL)')
        self.run('pgbench', '-h', self.socket, '-p', PORT, '-i', '-q', '-s', str(scale), 'postgres')

    def pgbench(self, seconds):
        """Starts one round of the load."""
        return self.stage.start('pgbench', self._as_user(
            'pgbench', '-h', self.socket, '-p', PORT, '-c', '4', '-j', '2', '-n', '-T', str(seconds), 'postgres'))

    def load(self):
        return Load(self)

    def ledger(self):
        return Ledger(self)

    def client(self):
        return self.stage.start(
            'ledger', self._as_user('psql', '-h', self.socket, '-p', PORT, '-d', 'postgres', '-XqAt'), feed=True)

    def check_rows(self, ledgers):
        """Every row that was committed is there, and none that nobody wrote; how many."""
        rows = {}
        for line in self.query('SELECT id, body FROM ledger').splitlines():
            number, body = line.split('|')
            rows[int(number)] = body
        committed = set().union(*(ledger.committed for ledger in ledgers))
        asked = set().union(*(ledger.asked for ledger in ledgers))
        lost = sorted(committed - rows.keys())
        foreign = sorted(rows.keys() - asked)
        wrong = sorted(number for number, body in rows.items() if body != Ledger.body(number))
        if lost or foreign or wrong:
            raise Failure('ledger: %d committed rows, lost %s, foreign %s, wrong %s' % (
                len(committed), lost[:5], foreign[:5], wrong[:5]))
        return len(committed)

    def check_books(self):
        """pgbench's own invariant: four sums of every transaction are equal; the number of transactions."""
        sums = self.query(
            'SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), '
            '(SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history), '
            '(SELECT count(*) FROM pgbench_history)').strip().split('|')
        if len(set(sums[:4])) != 1:
            raise Failure('pgbench: balances differ: %s' % sums[:4])
        return int(sums[4])

    def check_pages(self):
        """Every page's checksum and every index; the server is up before and after."""
        self.query('CREATE EXTENSION IF NOT EXISTS amcheck')
        self.run('pg_amcheck', '-h', self.socket, '-p', PORT, '--heapallindexed', 'postgres')
        self.stop()
        self.run('pg_checksums', '--check', '-D', self.data)
        self.start()


class Load:
    """pgbench, round after round, each of which has to end well."""

    ROUND_SECONDS = 5

    def __init__(self, database):
        self.transactions = 0
        self.seconds = 0.0
        self.error = None
        self.is_ending = False
        self.database = database
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        try:
            while not self.is_ending:
                began = time.monotonic()
                load = self.database.pgbench(self.ROUND_SECONDS)
                code = load.end()
                text = '\n'.join(load.lines)
                done = re.search(r'actually processed: (\d+)', text)
                failed = re.search(r'number of failed transactions: (\d+)', text)
                if code != 0 or not done or (failed and failed.group(1) != '0'):
                    raise Failure('pgbench ended with %d: %s' % (code, text[-500:]))
                self.transactions += int(done.group(1))
                self.seconds += time.monotonic() - began
        except (Failure, OSError) as e:
            self.error = e

    def end(self):
        """Ends after the round under way; none may have failed."""
        self.is_ending = True
        self.thread.join(PATIENCE)
        if self.thread.is_alive() or self.error:
            raise Failure(str(self.error or 'pgbench does not end'))


class Ledger:
    """Inserts one row after the other, each its own transaction, and keeps here which were answered."""

    numbers = iter(range(1, 1 << 62))

    def __init__(self, database):
        self.committed = set()
        self.asked = set()
        self.longest = 0.0
        self.error = None
        self.is_ending = False
        self.client = database.client()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    @staticmethod
    def body(number):
        return ('row %d ' % number) * 40

    def _work(self):
        try:
            last = time.monotonic()
            while not self.is_ending:
                number = next(Ledger.numbers)
                self.asked.add(number)
                mark = self.client.mark()
                self.client.process.stdin.write(
                    "INSERT INTO ledger VALUES (%d, '%s') RETURNING id;\n" % (number, self.body(number)))
                answer = self.client.wait_line('', mark)
                if answer != str(number):
                    raise Failure('row %d was answered: %s' % (number, answer))
                self.committed.add(number)
                now = time.monotonic()
                self.longest = max(self.longest, now - last)
                last = now
            self.client.process.stdin.close()
        except (Failure, OSError) as e:
            self.error = e

    def wait_more(self, rows):
        """Waits until that many more rows are committed."""
        target = len(self.committed) + rows
        wait_for('%d more rows' % rows, lambda: len(self.committed) >= target or self.error)
        if self.error:
            raise Failure('ledger: %s' % self.error)

    def end(self):
        """Ends after the row under way; no error may have come."""
        self.is_ending = True
        self.thread.join(60)
        if self.thread.is_alive() or self.error:
            raise Failure('ledger: %s' % (self.error or 'a row is not answered'))
        self.client.end()

    def broke(self):
        """Everything was killed: waits until the client has noticed."""
        self.client.end()
        self.thread.join(60)
