package io.longhorn.orchestration.command;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Asks the daemon of a cluster: reads objects, gives commands. Any thread; one call at a time.
 * Operating errors are {@link VolumeException} with one line for a person.
 */
public final class ClusterClient implements AutoCloseable {
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final Duration GREETING = Duration.ofSeconds(10);
  private static final Duration ANSWER = Duration.ofSeconds(30);

  /** Detaching everything takes its time, and so does stopping processes that do not want to. */
  private static final Duration SHUT_DOWN = Duration.ofMinutes(5);

  /** A comparison reads every block of every copy. */
  private static final Duration CHECK = Duration.ofHours(24);

  private static final int MAX_WAIT_MILLIS = 10_000;

  private final CallClient calls;

  private ClusterClient(CallClient calls) {
    this.calls = calls;
  }

  /** Connects; {@code DISCONNECTED} if no daemon is there, {@code BUSY} if something else is. */
  public static ClusterClient connect(String address) {
    CallClient calls = CallClient.connect(CallAddress.parse(address), CONNECT);
    try {
      calls.call(FrameType.PING, new FieldWriter(), GREETING);
      return new ClusterClient(calls);
    } catch (VolumeException e) {
      calls.close();
      if (e.error() == IoError.TIMEOUT || e.error() == IoError.PROTOCOL) {
        throw new VolumeException(
            IoError.BUSY,
            "what listens at "
                + address
                + " does not answer as a daemon does; stop it, or use another state directory",
            e);
      }
      throw e;
    }
  }

  /** All objects of a kind, by name. */
  public <T extends ClusterObject> List<T> list(ObjectKind kind, Class<T> type) {
    List<T> all = new ArrayList<>();
    String after = "";
    ObjectPage page;
    do {
      FieldWriter query = new ObjectPage.Query(kind, after).write();
      page = ObjectPage.read(kind, calls.call(FrameType.OBJECT_LIST, query, ANSWER));
      for (ClusterObject object : page.objects()) {
        all.add(type.cast(object));
        after = object.name();
      }
    } while (page.hasMore());
    return all;
  }

  /** The object of a name, if there is one. */
  public <T extends ClusterObject> Optional<T> find(ObjectKind kind, String name, Class<T> type) {
    return list(kind, type).stream().filter(object -> object.name().equals(name)).findFirst();
  }

  /**
   * Waits until something has changed since a revision; returns the revision there is then.
   *
   * @param seen 0 to learn it
   * @param atMost at most 10 s count
   */
  public long awaitChange(long seen, Duration atMost) {
    long millis = Math.min(atMost.toMillis(), MAX_WAIT_MILLIS);
    FieldWriter query = new FieldWriter().number(1, seen).number(2, millis);
    return calls.call(FrameType.OBJECT_WATCH, query, ANSWER).number(1);
  }

  /** Gives a command whose answer says no more than that it was taken. */
  public void run(Command command) {
    ask(command, command instanceof Command.ShutDown ? SHUT_DOWN : ANSWER);
  }

  /**
   * A snapshot of a volume.
   *
   * @param createdMillis when, in milliseconds since 1970
   * @param isUserCreated whether somebody asked for it
   */
  public record Snapshot(String name, long createdMillis, boolean isUserCreated) {}

  /**
   * What a comparison of replicas found.
   *
   * @param copies how many were compared
   * @param comparedBytes of the volume
   * @param differingBlocks blocks of 4 KiB that are not the same on all copies
   * @param damagedChunks chunks in which a copy has a block whose checksum or medium failed
   */
  public record Comparison(
      int copies, long comparedBytes, long differingBlocks, long damagedChunks) {
    /** Whether nothing was found that should not be. */
    public boolean isClean() {
      return differingBlocks == 0 && damagedChunks == 0;
    }
  }

  /** The snapshots of an attached volume, oldest first. */
  public List<Snapshot> snapshots(String volume) {
    return LayerList.read(ask(new Command.ListSnapshots(volume), ANSWER)).layers().stream()
        .filter(layer -> !layer.snapshot().isEmpty())
        .map(layer -> new Snapshot(layer.snapshot(), layer.createdMillis(), layer.isUserCreated()))
        .toList();
  }

  /** Compares the in-sync replicas of an attached volume. */
  public Comparison check(String volume) {
    EngineStatus.Check found = EngineStatus.Check.read(ask(new Command.CheckVolume(volume), CHECK));
    return new Comparison(
        found.copies(), found.comparedBytes(), found.differingBlocks(), found.damagedChunks());
  }

  /** The daemon's process. */
  public long daemonPid() {
    return ask(new Command.Describe(), ANSWER).number(1);
  }

  private FieldReader ask(Command command, Duration timeout) {
    return calls.call(FrameType.COMMAND, command.write(), timeout);
  }

  /** Whether an error says that there is no daemon to ask. */
  public static boolean isNobodyThere(VolumeException e) {
    return e.error() == IoError.DISCONNECTED;
  }

  @Override
  public void close() {
    calls.close();
  }
}
