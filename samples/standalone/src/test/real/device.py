"""A real block device over NBD where the kernel has no NBD client: nbdfuse shows the volume as a file, loop makes it a device."""
import os

from stage import Failure, wait_for


class Device:
    """The volume as /dev/loopN, and the file system on it."""

    def __init__(self, stage, name):
        self.stage = stage
        self.directory = stage.path(name + '.fuse')
        self.file = os.path.join(self.directory, 'nbd')
        self.mount_point = stage.path(name + '.mnt')
        self.pid_file = stage.path(name + '.nbdfuse.pid')
        self.nbdfuse = None
        self.loop = None
        self.is_fuse_mounted = False
        self.is_mounted = False
        os.mkdir(self.directory)
        os.mkdir(self.mount_point)
        stage.later(self.drop)

    def up(self, uri):
        """Attaches; its path."""
        if os.path.exists(self.pid_file):
            os.remove(self.pid_file)
        self.is_fuse_mounted = True
        self.nbdfuse = self.stage.start('nbdfuse', ['nbdfuse', '-P', self.pid_file, self.file, uri])
        wait_for('nbdfuse', lambda: self._has_pid() or self._died())
        self.loop = self.stage.run('losetup', '--direct-io=on', '--show', '-f', self.file).strip()
        return self.loop

    def _has_pid(self):
        return os.path.exists(self.pid_file) and os.path.getsize(self.pid_file) > 0

    def _died(self):
        if not self.nbdfuse.is_alive():
            raise Failure('nbdfuse ended: ' + ' | '.join(self.nbdfuse.lines))

    def make(self, kind):
        """Makes a file system."""
        options = {'ext4': ['-q', '-F'], 'xfs': ['-q', '-f']}[kind]
        self.stage.run('mkfs.' + kind, *options, self.loop)

    def mount(self, kind):
        self.stage.run('mount', '-t', kind, self.loop, self.mount_point)
        self.is_mounted = True

    def unmount(self):
        self.stage.run('umount', self.mount_point)
        self.is_mounted = False

    def check(self, kind):
        """The file system is whole, and nothing had to be repaired."""
        command = {'ext4': ['e2fsck', '-f', '-n'], 'xfs': ['xfs_repair', '-n']}[kind]
        self.stage.run(*command, self.loop)

    def trim(self):
        """Tells the volume what is free; what fstrim says."""
        return self.stage.run('fstrim', '-v', self.mount_point).strip()

    def down(self):
        """Detaches in good order."""
        loop, self.loop = self.loop, None
        self.stage.run('losetup', '-d', loop)
        wait_for(loop + ' detached', lambda: not self._is_attached(loop))
        self.stage.run('fusermount3', '-u', self.directory)
        self.is_fuse_mounted = False
        self.nbdfuse.end()

    def drop(self):
        """Takes away whatever is there, whether anything behind it lives or not."""
        if self.is_mounted:
            self.is_mounted = False
            try:
                self.stage.run('umount', self.mount_point)
            except Failure:
                self.stage.run('umount', '-l', self.mount_point)
        if self.loop:
            loop, self.loop = self.loop, None
            self.stage.run('losetup', '-d', loop)
            if self.nbdfuse.is_alive():
                self.nbdfuse.kill()
            wait_for(loop + ' detached', lambda: not self._is_attached(loop))
        if self.is_fuse_mounted:
            self.is_fuse_mounted = False
            if self.nbdfuse.is_alive():
                self.nbdfuse.kill()
            self.stage.run('umount', '-l', self.directory, good=(0, 1, 32))

    @staticmethod
    def _is_attached(loop):
        return os.path.exists('/sys/block/%s/loop/backing_file' % os.path.basename(loop))
