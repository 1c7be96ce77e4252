package io.longhorn.standalone.cluster;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.VolumeAttachment;
import io.longhorn.orchestration.command.ClusterClient;
import io.longhorn.orchestration.decision.Settings;
import io.longhorn.standalone.report.VolumeReport;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/** Puts together what belongs to a volume, and waits for it to become something. */
public final class ClusterReader {
  private static final Duration POLL = Duration.ofSeconds(2);

  private final ClusterClient client;

  /** Reads through a client, which stays the caller's. */
  public ClusterReader(ClusterClient client) {
    this.client = client;
  }

  /**
   * Every volume. Kinds are read one after the other, and volumes first: what makes a volume
   * attached is stored before it says so, and is there then when it is looked for.
   */
  public List<VolumeReport> volumes() {
    List<Volume> volumes = client.list(ObjectKind.VOLUME, Volume.class);
    List<Engine> engines = client.list(ObjectKind.ENGINE, Engine.class);
    List<Replica> replicas = client.list(ObjectKind.REPLICA, Replica.class);
    List<VolumeAttachment> attachments =
        client.list(ObjectKind.VOLUME_ATTACHMENT, VolumeAttachment.class);
    return volumes.stream()
        .map(volume ->
            VolumeReport.of(
                volume,
                engines.stream()
                    .filter(engine -> engine.spec().volumeName().equals(volume.name()))
                    .toList(),
                replicas.stream()
                    .filter(replica -> replica.spec().volumeName().equals(volume.name()))
                    .toList(),
                attachments.stream().filter(one -> one.name().equals(volume.name())).findFirst()))
        .toList();
  }

  /** The settings. */
  public Settings settings() {
    TreeMap<String, String> values = new TreeMap<>();
    client
        .list(ObjectKind.SETTING, Setting.class)
        .forEach(setting -> values.put(setting.name(), setting.value()));
    return new Settings(name -> Optional.ofNullable(values.get(name)));
  }

  /** One volume, if there is one of this name. */
  public Optional<VolumeReport> find(String name) {
    return volumes().stream().filter(volume -> volume.name().equals(name)).findFirst();
  }

  /** One volume; {@code NOT_FOUND} with a line. */
  public VolumeReport volume(String name) {
    return find(name)
        .orElseThrow(() ->
            new VolumeException(
                IoError.NOT_FOUND, "there is no volume " + name + "; see longhorn volume ls"));
  }

  /**
   * Waits until a volume (empty: it does not exist) is as wanted.
   *
   * @return what it was last; whether that is as wanted is for the caller to look at
   */
  public Optional<VolumeReport> await(
      String name, Duration atMost, Predicate<Optional<VolumeReport>> isWanted) {
    long deadline = System.nanoTime() + atMost.toNanos();
    while (true) {
      long revision = client.awaitChange(0, Duration.ZERO);
      Optional<VolumeReport> now = find(name);
      long left = deadline - System.nanoTime();
      if (isWanted.test(now) || left <= 0) {
        return now;
      }
      client.awaitChange(revision, left < POLL.toNanos() ? Duration.ofNanos(left) : POLL);
    }
  }
}
