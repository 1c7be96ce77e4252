package io.longhorn.engine.control;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.engine.VolumeComparison;
import io.longhorn.engine.VolumeStatus;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.Listener;
import io.longhorn.engine.transport.Stream;
import io.longhorn.engine.transport.StreamHandler;
import io.longhorn.engine.transport.VolumeLoop;
import io.longhorn.engine.volume.VolumeEngine;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * Answers ENGINE_STATUS, ENGINE_SNAPSHOT, ENGINE_SNAPSHOTS, ENGINE_CHECK and PING for one engine,
 * from before its volume is served until the process ends. Everything but {@link #open}, {@link
 * #serving} and {@link #close} belongs to the loop.
 */
public final class ControlServer implements AutoCloseable {
  /** Most connections at once; one more is closed as soon as it connects. */
  public static final int MAX_CONNECTIONS = 8;

  /** Most snapshots that have been asked for and not taken; one more is answered BUSY. */
  public static final int MAX_SNAPSHOTS = 8;

  /** How often the status is looked at. */
  private static final long LOOK_MILLIS = 50;

  private static final int MAX_WORDS = 1000;
  private static final byte[] NOTHING = {};

  private final VolumeLoop loop;
  private final VolumeEngine engine;
  private final Listener listener;
  private final List<ControlConnection> open = new ArrayList<>();
  private final List<Waiting> waiting = new ArrayList<>();
  private final long pid = ProcessHandle.current().pid();

  private List<String> uris = List.of();
  private VolumeStatus lookedAt;
  private EngineStatus status;
  private int snapshots;
  private boolean isChecking;

  /** Somebody who wants to know of the next change. */
  private record Waiting(Call call, long seenRevision, long untilNanos) {}

  /** One request; is answered once, or never if its connection is gone. */
  interface Call {
    /** Sends the answer; does nothing if the connection is gone. */
    void answer(IoError error, byte[] payload);

    /** Whether somebody would read the answer. */
    boolean isWanted();
  }

  private ControlServer(VolumeLoop loop, Endpoint endpoint, VolumeEngine engine) {
    this.loop = loop;
    this.engine = engine;
    lookedAt = engine.status();
    status = statusOf(lookedAt, uris, 1);
    listener = Listener.open(loop, endpoint, this::admits, this::handlerOf);
  }

  /**
   * Listens. Any thread.
   *
   * @throws VolumeException BUSY if somebody listens there already
   */
  public static ControlServer open(VolumeLoop loop, Endpoint endpoint, VolumeEngine engine) {
    ControlServer server = new ControlServer(loop, endpoint, engine);
    loop.every(LOOK_MILLIS, server::look);
    return server;
  }

  /** Where it listens. */
  public Endpoint endpoint() {
    return listener.endpoint();
  }

  /** The volume is served there now. Any thread. */
  public void serving(List<String> places) {
    List<String> told = places.stream().limit(EngineStatus.MAX_URIS).toList();
    loop.execute(() -> {
      uris = told;
      look();
    });
  }

  private boolean admits() {
    return open.size() < MAX_CONNECTIONS;
  }

  private StreamHandler handlerOf(Stream stream) {
    ControlConnection connection = new ControlConnection(loop, stream, this);
    open.add(connection);
    return connection;
  }

  void gone(ControlConnection connection) {
    open.remove(connection);
    waiting.removeIf(each -> !each.call.isWanted());
  }

  /**
   * Stops listening, removes the socket's file, closes every connection. Any thread; idempotent.
   *
   * @return done when that has happened
   */
  public CompletableFuture<Void> closed() {
    CompletableFuture<Void> done = new CompletableFuture<>();
    loop.execute(() -> {
      listener.close();
      List.copyOf(open).forEach(each -> each.end("the engine ends"));
      done.complete(null);
    });
    return done;
  }

  /** {@link #closed} without waiting. */
  @Override
  public void close() {
    var _ = closed();
  }

  // ---- status ---------------------------------------------------------------------------------

  private void look() {
    VolumeStatus now = engine.status();
    if (!now.equals(lookedAt) || !uris.equals(status.uris())) {
      lookedAt = now;
      status = statusOf(now, uris, status.revision() + 1);
    }
    for (Waiting each : List.copyOf(waiting)) {
      if (each.seenRevision != status.revision() || loop.nowNanos() - each.untilNanos >= 0) {
        waiting.remove(each);
        each.call.answer(IoError.OK, status.write().toBytes());
      }
    }
  }

  private EngineStatus statusOf(VolumeStatus now, List<String> places, long revision) {
    return new EngineStatus(
        revision,
        now.name(),
        engine.config().engine(),
        pid,
        now.generation(),
        now.isServing(),
        now.state(),
        now.sizeBytes(),
        now.unreconciledRegions(),
        places,
        now.heldReason(),
        now.replicas().stream()
            .map(each ->
                new EngineStatus.Replica(
                    each.id(),
                    each.mode(),
                    each.reason(),
                    each.progressPermille(),
                    each.resyncBytes()))
            .toList());
  }

  void status(EngineStatus.Query query, Call call) {
    long until = loop.nowNanos() + 1_000_000L * query.waitMillis();
    waiting.add(new Waiting(call, query.seenRevision(), until));
    look();
  }

  // ---- commands -------------------------------------------------------------------------------

  void snapshot(String name, Call call) {
    if (snapshots >= MAX_SNAPSHOTS) {
      refuse(call, IoError.BUSY, MAX_SNAPSHOTS + " snapshots are waiting already; try again");
      return;
    }
    snapshots++;
    var _ =
        engine
            .snapshot(name, true)
            .whenComplete((_, failure) ->
                loop.execute(() -> {
                  snapshots--;
                  answer(call, NOTHING, failure);
                }));
  }

  void snapshots(Call call) {
    var _ =
        engine
            .layers()
            .whenComplete((layers, failure) ->
                loop.execute(() ->
                    answer(call, failure == null ? layers.write().toBytes() : NOTHING, failure)));
  }

  void check(Call call) {
    if (isChecking) {
      refuse(call, IoError.BUSY, "the volume is being checked already; wait for that to end");
      return;
    }
    isChecking = true;
    var _ =
        engine
            .compare()
            .whenComplete((found, failure) ->
                loop.execute(() -> {
                  isChecking = false;
                  answer(call, failure == null ? bytesOf(found) : NOTHING, failure);
                }));
  }

  private static byte[] bytesOf(VolumeComparison found) {
    return new EngineStatus.Check(
            found.copies(), found.comparedBytes(), found.differingBlocks(), found.damagedChunks())
        .write()
        .toBytes();
  }

  private static void answer(Call call, byte[] payload, @Nullable Throwable failure) {
    if (failure == null) {
      call.answer(IoError.OK, payload);
      return;
    }
    Throwable cause =
        failure instanceof CompletionException && failure.getCause() != null
            ? failure.getCause()
            : failure;
    IoError error = cause instanceof VolumeException known ? known.error() : IoError.EIO;
    refuse(call, error, String.valueOf(cause.getMessage()));
  }

  static void refuse(Call call, IoError error, String why) {
    String words = why.substring(0, Math.min(why.length(), MAX_WORDS));
    call.answer(error, new FieldWriter().text(1, words).toBytes());
  }
}
