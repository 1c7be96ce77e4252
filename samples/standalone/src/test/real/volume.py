"""A volume as processes: three replicas and an engine, as the launcher starts them."""
import os
import shutil
import uuid

from stage import Failure

REPLICA = 'io.longhorn.replica/io.longhorn.replica.main.ReplicaMain'
ENGINE = 'io.longhorn.engine/io.longhorn.engine.main.EngineMain'


class Volume:
    """Replicas are numbered from 0."""

    def __init__(self, stage, runtime, name, size, copies=3):
        self.stage = stage
        self.runtime = runtime
        self.name = name
        self.size = size
        self.home = stage.path(name)
        self.ids = [str(uuid.uuid4()) for _ in range(copies)]
        self.addresses = ['tcp:127.0.0.1:0'] * copies
        self.replicas = [None] * copies
        self.engine = None
        self.uri = None
        os.mkdir(self.home)
        volume = str(uuid.uuid4())
        creating = [
            stage.start('%s create %d' % (name, i), self._java(
                'replica', REPLICA, 'create', '--dir', self.directory(i), '--volume', name, '--volume-id', volume,
                '--replica-id', self.ids[i], '--size', str(size), '--members', ','.join(self.ids)))
            for i in range(copies)]
        for create in creating:
            if create.end() != 0:
                raise Failure('a replica cannot be made: ' + ' | '.join(create.lines))

    def _java(self, role, main, *words):
        java = os.path.join(os.environ['JAVA_HOME'], 'bin', 'java')
        return [java, '@%s/%s.options' % (self.runtime, role), '--module-path', self.runtime + '/lib', '--module', main, *words]

    def directory(self, i):
        return os.path.join(self.home, 'r%d' % i)

    def start_replica(self, i):
        """Serves a replica, where it was before if it ran already."""
        replica = self.stage.start(
            '%s replica %d' % (self.name, i),
            self._java('replica', REPLICA, 'serve', '--dir', self.directory(i), '--listen', self.addresses[i]))
        self.replicas[i] = replica
        self.addresses[i] = replica.wait_line('listening ').split(' ', 1)[1]

    def start(self):
        """Starts everything and waits until the volume is served."""
        for i in range(len(self.ids)):
            self.start_replica(i)
        words = []
        for replica, address in zip(self.ids, self.addresses):
            words += ['--replica', replica + '@' + address]
        self.engine = self.stage.start(
            self.name + ' engine',
            self._java('engine', ENGINE, 'serve', '--volume', self.name, *words, '--nbd', 'unix:' + self.home + '/nbd.sock'))
        self.uri = self.engine.wait_line('serving ').split(' ', 1)[1]

    def wait_left(self, i, mark):
        self.engine.wait_line('replica %s has left the in-sync set' % self.ids[i], mark)

    def wait_in_sync(self, i, mark):
        self.engine.wait_line('replica %s is in sync again' % self.ids[i], mark)

    def pids(self):
        return [self.engine.pid] + [replica.pid for replica in self.replicas]

    def reap(self):
        """Waits for the end of processes that were killed."""
        for process in [self.engine, *self.replicas]:
            process.end()

    def stop(self):
        """Ends everything cleanly."""
        self.engine.terminate()
        for replica in self.replicas:
            replica.terminate()

    def check_equal(self):
        """All copies hold the same bytes in every layer; how many bytes of disk one has."""
        layers = sorted(name for name in os.listdir(self.directory(0)) if name.endswith('.dat'))
        for i in range(1, len(self.ids)):
            for layer in layers:
                self.stage.run('cmp', os.path.join(self.directory(0), layer), os.path.join(self.directory(i), layer))
        return sum(os.stat(os.path.join(self.directory(0), layer)).st_blocks * 512 for layer in layers)

    def remove(self):
        """Deletes the copies."""
        shutil.rmtree(self.home)
