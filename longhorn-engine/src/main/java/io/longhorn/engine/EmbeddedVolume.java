package io.longhorn.engine;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.block.BlockDevice;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.engine.frontend.nbd.NbdServer;
import io.longhorn.engine.frontend.nbd.protocol.NbdExport;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.transport.Endpoint;
import io.longhorn.engine.transport.VolumeLoop;
import io.longhorn.engine.volume.DeviceCalls;
import io.longhorn.engine.volume.ReplicaAddress;
import io.longhorn.engine.volume.VolumeConfig;
import io.longhorn.engine.volume.VolumeEngine;
import java.lang.foreign.MemorySegment;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A replicated volume in the caller's own JVM: each directory holds one copy, best on a disk of its
 * own. No process, no port. A write is on every in-sync copy when it returns; a copy that fails
 * leaves the set, durably, before anything is acknowledged without it, and comes back with what it
 * missed. Opening needs more than half of the copies that were last in sync.
 *
 * <p>Any thread; calls block. Errors are {@link VolumeException} with a stable code and one line
 * for a person.
 */
public final class EmbeddedVolume implements BlockDevice {
  /** How long {@link #open} waits for enough copies. */
  public static final long OPEN_TIMEOUT_MILLIS = 10_000;

  private static final long CLOSE_TIMEOUT_MILLIS = 20_000;

  private final VolumeLoop loop;
  private final VolumeEngine engine;
  private final DeviceCalls calls;
  private final ReplicaOpener opener;
  private final Map<ReplicaId, AtomicReference<@Nullable LocalReplica>> replicas;
  private final List<NbdServer> exports = new CopyOnWriteArrayList<>();
  private final AtomicBoolean isClosed = new AtomicBoolean();

  private EmbeddedVolume(
      VolumeLoop loop,
      VolumeEngine engine,
      DeviceCalls calls,
      ReplicaOpener opener,
      Map<ReplicaId, AtomicReference<@Nullable LocalReplica>> replicas) {
    this.loop = loop;
    this.engine = engine;
    this.calls = calls;
    this.opener = opener;
    this.replicas = replicas;
  }

  /**
   * Makes a volume of zeros, one copy in each directory; durable when it returns. It is not open
   * then.
   *
   * @param name for people, and the name of an export
   * @param sizeBytes a multiple of 4096
   * @param directories 1 to 8, missing or empty
   */
  public static void create(String name, long sizeBytes, List<Path> directories) {
    create(name, sizeBytes, directories, opener());
  }

  /**
   * {@link #create(String, long, List)} with copies that somebody else makes.
   *
   * @param opener instead of the one that the service loader finds
   */
  public static void create(
      String name, long sizeBytes, List<Path> directories, ReplicaOpener opener) {
    VolumeName volumeName = checked(() -> new VolumeName(name));
    VolumeId volume = new VolumeId(UUID.randomUUID());
    List<ReplicaId> ids = directories.stream().map(_ -> new ReplicaId(UUID.randomUUID())).toList();
    MembershipRecord record = checked(() -> MembershipRecord.ofNewVolume(ids));
    for (int i = 0; i < ids.size(); i++) {
      ReplicaId id = ids.get(i);
      ReplicaSpec spec =
          checked(() ->
              new ReplicaSpec(
                  volume, volumeName, id, sizeBytes, ReplicaSpec.AUTHORITY_REPLICAS, record));
      opener.create(directories.get(i), spec);
    }
  }

  /**
   * Opens the volume whose copies are in these directories. A directory that cannot be opened is
   * left out while the others are enough; {@link #status} says why. Waits for at most {@link
   * #OPEN_TIMEOUT_MILLIS}.
   *
   * @throws VolumeException NO_QUORUM if too few copies can be used; the directory's own error if
   *     none can
   */
  public static EmbeddedVolume open(String name, List<Path> directories) {
    return open(name, directories, opener());
  }

  /**
   * {@link #open(String, List)} with copies that somebody else opens, here and in {@link
   * #takeBack}.
   *
   * @param opener instead of the one that the service loader finds
   */
  public static EmbeddedVolume open(String name, List<Path> directories, ReplicaOpener opener) {
    VolumeName volumeName = checked(() -> new VolumeName(name));
    VolumeLoop loop = new VolumeLoop("longhorn-" + volumeName);
    List<LocalReplica> open = List.of();
    try {
      open = openAll(directories, opener);
      return open(volumeName, open, opener, loop);
    } catch (RuntimeException e) {
      end(open, LocalReplica::close, loop);
      throw e;
    }
  }

  private static List<LocalReplica> openAll(List<Path> directories, ReplicaOpener opener) {
    List<LocalReplica> open = new ArrayList<>();
    VolumeException first = null;
    for (Path directory : directories) {
      try {
        open.add(opener.open(directory, ReplicaOpener.IoMode.BUFFERED));
      } catch (VolumeException e) {
        first = first == null ? e : first;
      }
    }
    if (open.isEmpty()) {
      throw first == null
          ? new VolumeException(IoError.INVALID, "a volume needs at least one directory")
          : first;
    }
    for (LocalReplica replica : open) {
      if (!replica.volume().equals(open.getFirst().volume())) {
        forEach(open, LocalReplica::close);
        throw new VolumeException(
            IoError.WRONG_IDENTITY,
            "the directories are of different volumes, "
                + open.getFirst().volume()
                + " and "
                + replica.volume());
      }
    }
    return open;
  }

  private static EmbeddedVolume open(
      VolumeName name, List<LocalReplica> open, ReplicaOpener opener, VolumeLoop loop) {
    SortedSet<ReplicaId> ids = new TreeSet<>();
    for (LocalReplica replica : open) {
      ids.addAll(replica.record().members());
      ids.addAll(replica.record().leftAt().keySet());
    }
    Map<ReplicaId, AtomicReference<@Nullable LocalReplica>> holders = new LinkedHashMap<>();
    List<ReplicaAddress> addresses = new ArrayList<>();
    for (ReplicaId id : ids) {
      AtomicReference<@Nullable LocalReplica> holder = new AtomicReference<>();
      for (LocalReplica replica : open) {
        if (replica.replica().equals(id)) {
          holder.set(replica);
        }
      }
      holders.put(id, holder);
      addresses.add(new ReplicaAddress.Embedded(id, holder));
    }
    VolumeConfig config =
        new VolumeConfig(
            name,
            Optional.of(open.getFirst().volume()),
            new EngineId(UUID.randomUUID()),
            addresses,
            VolumeConfig.DEFAULT_HOLD_MILLIS,
            VolumeConfig.DEFAULT_RESYNC_BYTES_PER_SECOND);
    VolumeEngine engine = new VolumeEngine(config, loop);
    try {
      engine.start();
      CompletableFuture<DeviceCalls> calls = engine.whenServing().thenApply(DeviceCalls::new);
      return new EmbeddedVolume(
          loop,
          engine,
          await(calls, OPEN_TIMEOUT_MILLIS, () -> notOpened(engine)),
          opener,
          holders);
    } catch (RuntimeException e) {
      finish(engine);
      throw e;
    }
  }

  private static VolumeException notOpened(VolumeEngine engine) {
    return new VolumeException(
        IoError.NO_QUORUM,
        "volume "
            + engine.config().name()
            + " cannot be opened: "
            + engine.status().state()
            + "; bring back more of its copies");
  }

  private static ReplicaOpener opener() {
    return ServiceLoader.load(ReplicaOpener.class)
        .findFirst()
        .orElseThrow(() ->
            new VolumeException(
                IoError.UNSUPPORTED,
                "no replica module: add longhorn-replica to the module or class path"));
  }

  private interface Made<T> {
    T make();
  }

  private static <T> T checked(Made<T> value) {
    try {
      return value.make();
    } catch (IllegalArgumentException e) {
      throw new VolumeException(IoError.INVALID, String.valueOf(e.getMessage()), e);
    }
  }

  private static <T> T await(CompletableFuture<T> future, long millis, Made<VolumeException> late) {
    try {
      return future.get(millis, TimeUnit.MILLISECONDS);
    } catch (TimeoutException _) {
      throw late.make();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new VolumeException(IoError.TIMEOUT, "interrupted", e);
    } catch (ExecutionException e) {
      Throwable cause =
          e.getCause() instanceof CompletionException wrapped ? wrapped.getCause() : e.getCause();
      if (cause instanceof VolumeException failure) {
        throw new VolumeException(failure.error(), String.valueOf(failure.getMessage()), failure);
      }
      throw new IllegalStateException(cause);
    }
  }

  // ---- the device -----------------------------------------------------------------------------

  @Override
  public long sizeBytes() {
    return calls.sizeBytes();
  }

  @Override
  public void read(long offset, MemorySegment target) {
    calls.call(IoKind.READ, offset, target.byteSize(), target);
  }

  @Override
  public void write(long offset, MemorySegment source) {
    calls.call(IoKind.WRITE, offset, source.byteSize(), source);
  }

  @Override
  public void flush() {
    calls.call(IoKind.FLUSH, 0, 0, null);
  }

  @Override
  public void trim(long offset, long length) {
    long first = Chunks.blockUp(offset);
    long end = Chunks.blockDown(offset + length);
    if (first < end) {
      calls.call(IoKind.TRIM, first, end - first, null);
    }
  }

  @Override
  public void zero(long offset, long length) {
    long first = Math.min(Chunks.blockUp(offset), offset + length);
    long end = Math.max(first, Chunks.blockDown(offset + length));
    zeroEdge(offset, first - offset);
    if (first < end) {
      calls.call(IoKind.ZERO, first, end - first, null);
    }
    zeroEdge(end, offset + length - end);
  }

  private void zeroEdge(long offset, long length) {
    if (length > 0) {
      write(offset, MemorySegment.ofArray(new byte[(int) length]));
    }
  }

  /**
   * The device as a channel of fixed size, with a position of its own; several may exist. Closing
   * one does not close the volume.
   */
  public SeekableByteChannel channel() {
    return new VolumeChannel(this);
  }

  // ---- the volume -----------------------------------------------------------------------------

  /** Takes a snapshot of everything written before this call. */
  public void snapshot(String name) {
    await(
        engine.snapshot(name, true),
        VolumeConfig.DEFAULT_HOLD_MILLIS,
        () ->
            new VolumeException(IoError.TIMEOUT, "snapshot '" + name + "' was not taken in time"));
  }

  /**
   * Compares the in-sync copies block by block and verifies their checksums, while I/O goes on.
   * Changes nothing; takes as long as reading each of them once. Copies may differ where {@link
   * VolumeStatus#unreconciledRegions} says so, and nowhere else.
   */
  public VolumeComparison compare() {
    return await(
        engine.compare(),
        Long.MAX_VALUE,
        () -> new VolumeException(IoError.TIMEOUT, "the comparison does not end"));
  }

  /** The volume and its copies as they were a moment ago. */
  public VolumeStatus status() {
    return engine.status();
  }

  /**
   * Serves the volume to NBD clients as well, until it is closed.
   *
   * @param address {@code unix:PATH} or {@code tcp:HOST:PORT}, port 0 for any
   * @return the URI that clients use
   */
  public String exportNbd(String address) {
    VolumeName name = engine.config().name();
    NbdServer server =
        NbdServer.open(
            loop,
            Endpoint.parse(address),
            new NbdExport(name.value(), "replicated volume " + name),
            engine::openPort);
    exports.add(server);
    return server.uri();
  }

  /**
   * Takes a copy out of use at once, as if its disk had been pulled: nothing of it is flushed. I/O
   * goes on with the others.
   *
   * @param replica as {@link #status} names it
   */
  public void takeOut(ReplicaId replica) {
    LocalReplica open = holder(replica).getAndSet(null);
    if (open != null) {
      open.kill();
    }
  }

  /**
   * Takes a copy back into use: it is made equal in the background and joins the in-sync set;
   * {@link #status} shows the progress.
   *
   * @throws VolumeException WRONG_IDENTITY if the directory is not a copy of this volume that is
   *     out of use
   */
  public void takeBack(Path directory) {
    LocalReplica open = opener.open(directory, ReplicaOpener.IoMode.BUFFERED);
    AtomicReference<@Nullable LocalReplica> holder = replicas.get(open.replica());
    if (holder == null
        || !open.volume().equals(engine.config().volume().orElseThrow())
        || !holder.compareAndSet(null, open)) {
      open.close();
      throw new VolumeException(
          IoError.WRONG_IDENTITY,
          directory + " is not a copy of volume " + engine.config().name() + " that is out of use");
    }
  }

  private AtomicReference<@Nullable LocalReplica> holder(ReplicaId replica) {
    AtomicReference<@Nullable LocalReplica> holder = replicas.get(replica);
    if (holder == null) {
      throw new VolumeException(
          IoError.NOT_FOUND, "volume " + engine.config().name() + " has no replica " + replica);
    }
    return holder;
  }

  /** Flushes and closes the volume. Calls that still wait fail. Idempotent. */
  @Override
  public void close() {
    if (!isClosed.compareAndSet(false, true)) {
      return;
    }
    for (NbdServer server : exports) {
      server
          .stop()
          .orTimeout(CLOSE_TIMEOUT_MILLIS, TimeUnit.MILLISECONDS)
          .exceptionally(_ -> null)
          .join();
    }
    try {
      finish(engine);
    } finally {
      end(LocalReplica::close);
    }
  }

  /**
   * Ends the volume as if its process had been killed: nothing is flushed or marked clean, clients
   * are cut off, calls that wait fail. For tests and demonstrations of failure. Idempotent.
   */
  public void kill() {
    if (!isClosed.compareAndSet(false, true)) {
      return;
    }
    engine.kill().join();
    exports.forEach(NbdServer::kill);
    end(LocalReplica::kill);
  }

  private void end(Consumer<LocalReplica> how) {
    List<LocalReplica> open = new ArrayList<>();
    for (AtomicReference<@Nullable LocalReplica> holder : replicas.values()) {
      LocalReplica replica = holder.getAndSet(null);
      if (replica != null) {
        open.add(replica);
      }
    }
    try {
      end(open, how, loop);
    } finally {
      calls.close();
    }
  }

  /**
   * The engine is over. The loop ends after the replicas: with it goes the memory that they may
   * still be writing to.
   */
  private static void end(List<LocalReplica> open, Consumer<LocalReplica> how, VolumeLoop loop) {
    try (loop) {
      forEach(open, how);
    }
  }

  /** All of them, also when one fails; throws what the first one did. */
  private static void forEach(List<LocalReplica> open, Consumer<LocalReplica> how) {
    VolumeException first = null;
    for (LocalReplica replica : open) {
      try {
        how.accept(replica);
      } catch (VolumeException e) {
        first = first == null ? e : first;
      }
    }
    if (first != null) {
      throw first;
    }
  }

  private static void finish(VolumeEngine engine) {
    try {
      engine.close().get(CLOSE_TIMEOUT_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException _) {
      // It must not see its replicas go one by one, and leave each out of its set.
      engine.kill().join();
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      throw new VolumeException(
          IoError.TIMEOUT, "volume " + engine.config().name() + " did not close in time", e);
    }
  }
}
