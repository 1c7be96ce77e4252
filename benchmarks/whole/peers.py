"""What is compared. A peer starts its servers over one media directory and returns the NBD endpoint to put load on.

To add one: a subclass of Peer with a `start`, and a line in PEERS.
"""

import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from servers import PeerFailed, free_port

COPIES = 3
CREATE_SECONDS = 600  # the launcher may build the project first


@dataclass(frozen=True)
class Endpoint:
    """An NBD export: `address` is unix:PATH or tcp:HOST:PORT."""
    address: str
    export: str = ""

    def uri(self):
        kind, _, rest = self.address.partition(":")
        return f"nbd+unix:///{self.export}?socket={rest}" if kind == "unix" else f"nbd://{rest}/{self.export}"


@dataclass(frozen=True)
class Setting:
    """What a peer gets: where its data goes, where its sockets go, how large the volume is, and the programs."""
    media: Path
    run_directory: Path
    size_bytes: int
    programs: Path          # directory of the compiled floor and loadgen
    longhorn: str           # the launcher of this repository
    java_options: str = ""  # for every JVM of ours

    def frontend(self):
        return self.run_directory / "frontend.sock"

    def copy_file(self, index):
        """A sparse file of the volume's size for one copy."""
        path = self.media / f"copy-{index}.raw"
        with open(path, "wb") as file:
            file.truncate(self.size_bytes)
        return path


class Peer:
    what = ""

    def start(self, setting, servers):
        raise NotImplementedError


class Floor(Peer):
    def __init__(self, links):
        self._links = links
        self.what = f"a C engine and three C replicas that only move the bytes, {links} links: the practical bound"

    def start(self, setting, servers):
        command = [setting.programs / "floor", "engine", "--listen", f"unix:{setting.frontend()}", "--size", setting.size_bytes]
        for index in range(COPIES):
            listen = "tcp:127.0.0.1:0" if self._links == "tcp" else f"unix:{setting.run_directory}/replica-{index}.sock"
            replica = servers.start(
                [setting.programs / "floor", "replica", "--listen", listen, "--file", setting.copy_file(index)])
            command += ["--replica", replica.wait_for_line("listening")]
        return Endpoint(servers.start(command).wait_for_line("listening"))


class QemuNbd(Peer):
    what = "qemu-nbd over one file: one copy, no replication"

    def start(self, setting, servers):
        serve_file(setting, servers, 0, setting.frontend())
        return Endpoint(f"unix:{setting.frontend()}")


class Quorum(Peer):
    what = "qemu-storage-daemon's quorum driver over three qemu-nbd processes, unix links, vote threshold 2, reads from the first"

    def start(self, setting, servers):
        command = ["qemu-storage-daemon"]
        children = []
        for index in range(COPIES):
            path = setting.run_directory / f"replica-{index}.sock"
            serve_file(setting, servers, index, path)
            command += ["--blockdev", f"driver=nbd,node-name=copy{index},server.type=unix,server.path={path}"]
            children.append(f"children.{index}=copy{index}")
        command += [
            "--blockdev", f"driver=quorum,node-name=all,vote-threshold=2,read-pattern=fifo,{','.join(children)}",
            "--nbd-server", f"addr.type=unix,addr.path={setting.frontend()}",
            "--export", "type=nbd,id=volume,node-name=all,name=volume,writable=on"]
        servers.start(command).wait_for_socket(setting.frontend())
        return Endpoint(f"unix:{setting.frontend()}", "volume")


def serve_file(setting, servers, index, path):
    server = servers.start(
        ["qemu-nbd", "--persistent", "--format=raw", "--cache=writeback", "--aio=threads", "--shared=16",
         f"--socket={path}", setting.copy_file(index)])
    server.wait_for_socket(path)


class Ours(Peer):
    """Three replica processes and an engine process of this repository, every check on."""

    def __init__(self, links):
        self._links = links
        self.what = f"this project: an engine and three replicas, four JVMs, {links} links"

    def start(self, setting, servers):
        replicas = [str(uuid.uuid4()) for _ in range(COPIES)]
        volume = str(uuid.uuid4())
        environment = {"LONGHORN_JAVA_OPTIONS": setting.java_options} if setting.java_options else {}
        engine = [setting.longhorn, "engine", "serve", "--volume", "whole", "--nbd", f"unix:{setting.frontend()}"]
        for index, replica in enumerate(replicas):
            directory = setting.media / f"replica-{index}"
            run_to_end([setting.longhorn, "replica", "create", "--dir", directory, "--volume", "whole", "--volume-id", volume,
                        "--replica-id", replica, "--size", setting.size_bytes, "--members", ",".join(replicas)])
            listen = f"tcp:127.0.0.1:{free_port()}" if self._links == "tcp" else f"unix:{setting.run_directory}/replica-{index}.sock"
            server = servers.start(
                [setting.longhorn, "replica", "serve", "--dir", directory, "--listen", listen], environment)
            engine += ["--replica", f"{replica}@{server.wait_for_line('listening')}"]
        uri = servers.start(engine, environment).wait_for_line("serving")
        return Endpoint(f"unix:{setting.frontend()}", export_of(uri))


class Standalone(Peer):
    """The cluster that `longhorn up` starts: what is served is the same, around it a daemon and an instance manager per node."""

    what = ("this project's cluster on one machine: `longhorn up` with three nodes, its volume attached to one of them; engine, replicas, "
            "instance managers, daemon and the command that started them, unix links")

    def start(self, setting, servers):
        state = ["--state", setting.media / "cluster"]
        environment = {"LONGHORN_JAVA_OPTIONS": setting.java_options} if setting.java_options else {}
        run_to_end([setting.longhorn, "--version"])  # which may build the project first
        servers.start([setting.longhorn, "up", "--nodes", COPIES, *state], environment).wait_for_line("the cluster is up:")
        run_to_end([setting.longhorn, "volume", "create", "whole", "--size", setting.size_bytes, "--replicas", COPIES, *state])
        begun = time.monotonic()
        uri = run_to_end([setting.longhorn, "volume", "attach", "whole", "--node", "node-1", *state]).strip()
        servers.attach_seconds = time.monotonic() - begun
        return Endpoint(f"unix:{uri.partition('socket=')[2]}", export_of(uri))


def export_of(uri):
    """The export name in an NBD URI: nbd+unix:///NAME?socket=... or nbd://HOST:PORT/NAME."""
    return uri.partition("://")[2].partition("?")[0].partition("/")[2].strip("/")


def run_to_end(command):
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CREATE_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerFailed(str(error)) from None
    if done.returncode != 0:
        raise PeerFailed(f"{' '.join(map(str, command[:4]))} ...: exit status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


PEERS = {
    "floor-tcp": Floor("tcp"),
    "floor-unix": Floor("unix"),
    "quorum": Quorum(),
    "qemu-nbd": QemuNbd(),
    "ours": Ours("tcp"),
    "ours-unix": Ours("unix"),
    "standalone": Standalone(),
}
