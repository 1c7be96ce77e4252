package io.longhorn.standalone.process;

import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.engine.EmbeddedVolume;
import io.longhorn.engine.client.NbdClient;
import io.longhorn.engine.client.NbdUri;
import io.longhorn.replica.fault.PowerCut;
import io.longhorn.standalone.Workbench;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** One volume of three replica processes, and the engines that were started on it. */
final class Cluster implements AutoCloseable {
  static final String NAME = "vol";
  static final int REPLICAS = 3;

  /** How replicas are reached. */
  enum Links {
    UNIX,
    TCP
  }

  private final Path home;
  private final List<Path> directories = new ArrayList<>();
  private final List<String> ids = new ArrayList<>();
  private final List<String> addresses = new ArrayList<>();
  private final LonghornProcess[] replicas = new LonghornProcess[REPLICAS];
  private final List<LonghornProcess> engines = new ArrayList<>();
  private final List<NbdClient> clients = new ArrayList<>();
  private final List<LonghornProcess> others = new ArrayList<>();
  private String volumeId = "";

  /** A new volume; nothing runs. */
  Cluster(Path home, Links links, long sizeBytes) {
    this.home = home;
    for (int i = 0; i < REPLICAS; i++) {
      directories.add(home.resolve("replica-" + i));
      addresses.add(
          links == Links.UNIX ? "unix:" + home.resolve("r" + i + ".sock") : "tcp:127.0.0.1:0");
    }
    EmbeddedVolume.create(NAME, sizeBytes, directories);
    try (PowerCut opener = new PowerCut()) {
      for (Path directory : directories) {
        try (LocalReplica replica = opener.open(directory, ReplicaOpener.IoMode.BUFFERED)) {
          ids.add(replica.replica().toString());
          volumeId = replica.volume().toString();
        }
      }
    }
  }

  List<Path> directories() {
    return List.copyOf(directories);
  }

  String id(int index) {
    return ids.get(index);
  }

  String volumeId() {
    return volumeId;
  }

  /** From its next start on the replica has another directory. */
  void replaceDirectory(int index, Path directory) {
    directories.set(index, directory);
  }

  /** A process to be killed in the end as well. */
  void alsoClose(LonghornProcess process) {
    others.add(process);
  }

  void startReplicas() {
    for (int i = 0; i < REPLICAS; i++) {
      launch(i);
    }
    for (int i = 0; i < REPLICAS; i++) {
      awaitListening(i);
    }
  }

  /** Starts it on the address it had before, if any. */
  LonghornProcess startReplica(int index) {
    launch(index);
    awaitListening(index);
    return replicas[index];
  }

  private void launch(int index) {
    replicas[index] =
        LonghornProcess.replica(
            "serve", "--dir", directories.get(index).toString(), "--listen", addresses.get(index));
  }

  private void awaitListening(int index) {
    addresses.set(index, replicas[index].awaitLine("^listening (.*)"));
  }

  LonghornProcess replica(int index) {
    return replicas[index];
  }

  /** Another engine on the same replicas; it looks for them, and may not be serving yet. */
  LonghornProcess startEngine(String... more) {
    List<String> words = new ArrayList<>(List.of("serve", "--volume", NAME));
    for (int i = 0; i < REPLICAS; i++) {
      words.add("--replica");
      words.add(ids.get(i) + "@" + addresses.get(i));
    }
    words.add("--nbd");
    words.add("unix:" + home.resolve("nbd-" + engines.size() + ".sock"));
    words.addAll(List.of(more));
    LonghornProcess engine = LonghornProcess.engine(words.toArray(String[]::new));
    engines.add(engine);
    return engine;
  }

  /** A client of an engine, as soon as that serves. */
  NbdClient connect(LonghornProcess engine) {
    NbdClient client = NbdClient.connect(NbdUri.parse(engine.awaitLine("^serving (.*)")));
    clients.add(client);
    return client;
  }

  /** SIGKILL for every process, as nearly at once as can be. */
  void killEverything() {
    engines.forEach(LonghornProcess::close);
    for (LonghornProcess replica : replicas) {
      replica.close();
    }
    engines.forEach(LonghornProcess::awaitExit);
    for (LonghornProcess replica : replicas) {
      replica.awaitExit();
    }
    clients.forEach(NbdClient::close);
  }

  /** The same volume in this process, from the directories that no process has open now. */
  EmbeddedVolume openHere() {
    EmbeddedVolume volume = EmbeddedVolume.open(NAME, directories);
    boolean isReady = false;
    try {
      Workbench.await(
          "all replicas are in sync",
          () -> volume.status().inSync() == REPLICAS && volume.status().unreconciledRegions() == 0);
      isReady = true;
      return volume;
    } finally {
      if (!isReady) {
        volume.close();
      }
    }
  }

  @Override
  public void close() {
    clients.forEach(NbdClient::close);
    engines.forEach(LonghornProcess::close);
    others.forEach(LonghornProcess::close);
    for (LonghornProcess replica : replicas) {
      if (replica != null) {
        replica.close();
      }
    }
  }
}
