package io.longhorn.engine.volume;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.replica.ReplicaOpener;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.transport.Endpoint;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** The replicas of one volume in real directories, opened and killed one by one. */
public final class RealReplicas implements AutoCloseable {
  private static final long DEADLINE_SECONDS = 60;

  private final ReplicaOpener opener =
      ServiceLoader.load(ReplicaOpener.class).findFirst().orElseThrow();
  private final VolumeId volume = new VolumeId(UUID.randomUUID());
  private final VolumeName name = new VolumeName("real");
  private final List<ReplicaId> ids = new ArrayList<>();
  private final List<Path> directories = new ArrayList<>();
  private final List<AtomicReference<@Nullable LocalReplica>> open = new ArrayList<>();
  private final MembershipRecord record;
  private final String authority;

  /** Makes them; none is open yet. */
  public RealReplicas(Path home, int count, long sizeBytes, String authority) {
    this.authority = authority;
    for (int i = 0; i < count; i++) {
      ids.add(new ReplicaId(UUID.randomUUID()));
      directories.add(home.resolve("r" + i));
      open.add(new AtomicReference<>());
    }
    record = MembershipRecord.ofNewVolume(ids);
    for (int i = 0; i < count; i++) {
      opener.create(
          directories.get(i),
          new ReplicaSpec(volume, name, ids.get(i), sizeBytes, authority, record));
    }
  }

  public VolumeId volume() {
    return volume;
  }

  public ReplicaId id(int i) {
    return ids.get(i);
  }

  public MembershipRecord firstRecord() {
    return record;
  }

  /** The newest record that a replica which is open has on its disk. */
  public MembershipRecord recordOf(int i) {
    return opened(i).record();
  }

  /** The generation whose owner released a replica that is open, as its HELLO says. */
  public long releasedGeneration(int i) {
    CompletableFuture<ReplicaInfo> said = new CompletableFuture<>();
    LocalReplica.Listener listener =
        new LocalReplica.Listener() {
          @Override
          public void answered(FrameExchange exchange) {
            said.complete(ReplicaInfo.read(new FieldReader(exchange.control())));
          }

          @Override
          public void closed() {
            said.completeExceptionally(new IllegalStateException("replica " + i + " is closed"));
          }
        };
    byte[] hello =
        new Hello(
                FrameHeader.VERSION,
                FrameHeader.VERSION,
                Hello.Role.OBSERVER,
                authority,
                volume,
                ids.get(i),
                new EngineId(UUID.randomUUID()),
                0)
            .write()
            .toBytes();
    FrameExchange exchange = new FrameExchange(Arena.ofAuto());
    FrameHeader.write(exchange.head(), 0, FrameType.HELLO, 0, 0, 1);
    FrameHeader.payload(exchange.head(), 0, 0, hello.length);
    exchange.control(hello);
    try (LocalReplica.LocalConnection connection = opened(i).connect(listener)) {
      if (!connection.send(exchange)) {
        throw new IllegalStateException("replica " + i + " takes no frame");
      }
      return said.orTimeout(DEADLINE_SECONDS, TimeUnit.SECONDS).join().releasedGeneration();
    }
  }

  private StoppableReplica opened(int i) {
    if (open.get(i).get() instanceof StoppableReplica replica) {
      return replica;
    }
    throw new IllegalStateException("replica " + i + " is not open");
  }

  public void openAll() {
    for (int i = 0; i < ids.size(); i++) {
      open(i);
    }
  }

  public void open(int i) {
    open.get(i).set(reopened(i));
  }

  private StoppableReplica reopened(int i) {
    return new StoppableReplica(opener.open(directories.get(i), ReplicaOpener.IoMode.BUFFERED));
  }

  /** Opens one that is stopped when the first frame of this type arrives. */
  public void openToStopAt(int i, FrameType type) {
    StoppableReplica replica = reopened(i);
    replica.stopAt(type);
    open.get(i).set(replica);
  }

  /** As if its process had been killed. */
  public void kill(int i) {
    LocalReplica replica = open.get(i).getAndSet(null);
    if (replica != null) {
      replica.kill();
    }
  }

  /** As if its process were stopped when the next frame of this type arrives. */
  public void stopAt(int i, FrameType type) {
    opened(i).stopAt(type);
  }

  public boolean isStopped(int i) {
    return opened(i).isStopped();
  }

  /** Whoever was stopped goes on. */
  public void goOn() {
    for (AtomicReference<@Nullable LocalReplica> each : open) {
      if (each.get() instanceof StoppableReplica replica) {
        replica.goOn();
      }
    }
  }

  /** Of an engine of its own instance. */
  public VolumeConfig config(String engineAuthority, List<Endpoint> store, long holdMillis) {
    List<ReplicaAddress> addresses = new ArrayList<>();
    for (int i = 0; i < ids.size(); i++) {
      addresses.add(new ReplicaAddress.Embedded(ids.get(i), open.get(i)));
    }
    return new VolumeConfig(
        name,
        Optional.of(volume),
        new EngineId(UUID.randomUUID()),
        addresses,
        holdMillis,
        0,
        engineAuthority,
        store);
  }

  public VolumeConfig config() {
    return config(authority, List.of(), 0);
  }

  /** Waits for a condition, with a deadline. */
  public static void until(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        throw new AssertionError("not within " + DEADLINE_SECONDS + " s: " + what);
      }
      LockSupport.parkNanos(1_000_000);
    }
  }

  @Override
  public void close() {
    for (AtomicReference<@Nullable LocalReplica> each : open) {
      LocalReplica replica = each.getAndSet(null);
      if (replica != null) {
        replica.close();
      }
    }
  }
}
