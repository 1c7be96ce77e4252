package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.engine.VolumeComparison;
import io.longhorn.engine.VolumeStatus;
import io.longhorn.engine.link.ControlFrame;
import io.longhorn.engine.membership.Authority;
import io.longhorn.engine.membership.MembershipCore;
import io.longhorn.engine.membership.MembershipEffect;
import io.longhorn.engine.membership.MembershipEvent;
import io.longhorn.engine.membership.MembershipTiming;
import io.longhorn.engine.reconcile.RegionMap;
import io.longhorn.engine.replication.Members;
import io.longhorn.engine.replication.ReplicationCore;
import io.longhorn.engine.request.VolumePort;
import io.longhorn.engine.transport.VolumeLoop;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One volume served by this engine: opens it, keeps it open, closes it. Everything but {@link
 * #start} and what follows it, up to {@link #close}, belongs to the loop. Its memory is freed when
 * the loop ends; replicas inside this JVM are closed before, so that what they have is back.
 */
public final class VolumeEngine implements MemberSession.Owner, Members {
  private static final Logger LOG = LoggerFactory.getLogger(VolumeEngine.class);

  /** How often time is looked at. */
  static final long TICK_MILLIS = 50;

  private static final long CLOSE_TIMEOUT_MILLIS = 15_000;

  private final VolumeConfig config;
  private final VolumeLoop loop;
  private final MembershipCore membership;
  private final List<MemberSession> sessions = new ArrayList<>();
  private final SortedMap<ReplicaId, MemberSession> byId = new TreeMap<>();
  private final SortedMap<ReplicaId, String> outReasons = new TreeMap<>();

  /** What was last said of a replica that is in trouble. */
  private final SortedMap<ReplicaId, String> troubles = new TreeMap<>();

  private final ArrayDeque<MembershipEvent> events = new ArrayDeque<>();
  private final Vigilance vigilance;

  /** With authority store; made on the loop. */
  private @Nullable StoreLink store;

  private final CompletableFuture<VolumeEngine> serving = new CompletableFuture<>();
  private final CompletableFuture<Void> closed = new CompletableFuture<>();

  private boolean isDelivering;
  private boolean isStoreSilent;
  private Optional<VolumeId> volume;
  private @Nullable Opened opened;
  private boolean isClosing;
  private boolean isOver;
  private volatile VolumeStatus status;

  /** What exists once the size of the volume is known. */
  private record Opened(ReplicationCore core, Upkeep upkeep) {}

  /** An engine for a volume; nothing happens before {@link #start}. */
  public VolumeEngine(VolumeConfig config, VolumeLoop loop) {
    this.config = config;
    this.loop = loop;
    volume = config.volume();
    List<ReplicaId> ids = config.replicas().stream().map(ReplicaAddress::id).toList();
    membership = new MembershipCore(ids, authority(config), timing(config));
    vigilance = new Vigilance(this);
    status = StatusView.starting(config);
  }

  private static Authority authority(VolumeConfig config) {
    return config.store().isEmpty()
        ? new Authority.Replicas()
        : new Authority.Store(config.engine());
  }

  /**
   * Engines that start together do not stay in each other's way: each pauses for a time of its own.
   */
  private static MembershipTiming timing(VolumeConfig config) {
    long own = Math.floorMod(config.engine().uuid().getLeastSignificantBits(), 200L);
    MembershipTiming usual = MembershipTiming.DEFAULT;
    return new MembershipTiming(
        usual.graceNanos(),
        usual.retryNanos() + TimeUnit.MILLISECONDS.toNanos(own),
        usual.refreshNanos());
  }

  // ---- from any thread ------------------------------------------------------------------------

  /** Begins to look for replicas. */
  public void start() {
    loop.execute(() -> {
      for (int slot = 0; slot < config.replicas().size(); slot++) {
        MemberSession session =
            new MemberSession(
                slot, config.replicas().get(slot), loop, config.engine(), config.authority(), this);
        sessions.add(session);
        byId.put(session.id(), session);
      }
      if (!config.store().isEmpty()) {
        store = new StoreLink(loop, config.store(), this::deliver);
      }
      tick();
      loop.every(TICK_MILLIS, this::tick);
    });
  }

  /**
   * Completed, on the loop, when the volume is served for the first time; exceptionally if it never
   * will be.
   */
  public CompletableFuture<VolumeEngine> whenServing() {
    return serving;
  }

  /** Completed when the volume is over, closed or deposed; never exceptionally. */
  public CompletableFuture<Void> whenOver() {
    return closed;
  }

  /** As it was at the last tick. */
  public VolumeStatus status() {
    return status;
  }

  /**
   * Takes a snapshot of what has been written so far. Waits while members are made equal after a
   * crash.
   *
   * @param name 1 to 63 characters
   */
  public CompletableFuture<Void> snapshot(String name, boolean isUserCreated) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    loop.execute(() -> {
      Opened now = opened;
      if (now == null || isClosing || isOver) {
        done.completeExceptionally(
            new VolumeException(IoError.DISCONNECTED, "volume " + config.name() + " is not open"));
      } else {
        now.upkeep().snapshot(name, isUserCreated, done);
      }
    });
    return done;
  }

  /**
   * Compares what all in-sync members have, block by block, while I/O goes on. Changes nothing.
   * What {@link VolumeStatus#unreconciledRegions} counts may differ.
   */
  public CompletableFuture<VolumeComparison> compare() {
    CompletableFuture<VolumeComparison> done = new CompletableFuture<>();
    loop.execute(() -> {
      if (opened == null || isClosing || isOver) {
        done.completeExceptionally(
            new VolumeException(IoError.DISCONNECTED, "volume " + config.name() + " is not open"));
      } else {
        new CompareTask(this, done).begin();
      }
    });
    return done;
  }

  /** The chain of the volume, as an in-sync member tells it. */
  public CompletableFuture<LayerList> layers() {
    CompletableFuture<LayerList> done = new CompletableFuture<>();
    loop.execute(() -> askLayers(new ArrayDeque<>(membership.readableMembers()), done));
    return done;
  }

  private void askLayers(ArrayDeque<ReplicaId> members, CompletableFuture<LayerList> done) {
    ReplicaId next = members.poll();
    if (next == null || isOver) {
      done.completeExceptionally(
          new VolumeException(
              IoError.DISCONNECTED,
              "volume " + config.name() + " has no in-sync member that answers"));
      return;
    }
    session(next)
        .control(
            ControlFrame.of(FrameType.LAYERS),
            (answer, payload) -> {
              try {
                if (answer == IoError.OK) {
                  done.complete(LayerList.read(new FieldReader(payload)));
                  return;
                }
              } catch (WireFormatException e) {
                fail(session(next), "LAYERS: " + e.getMessage());
              }
              askLayers(members, done);
            });
  }

  /**
   * Ends the volume as if the process had been killed: nothing is flushed or released. Completed
   * when it is over; never exceptionally.
   */
  public CompletableFuture<Void> kill() {
    loop.execute(() -> over(IoError.DISCONNECTED, "killed"));
    return closed;
  }

  /**
   * Closes the volume: requests under way end, everything is flushed and released, so that the next
   * opening need not wait. Completed when it is over; never exceptionally. What cannot be finished
   * in time is left as after a crash.
   */
  public CompletableFuture<Void> close() {
    loop.execute(this::beginClose);
    return closed;
  }

  // ---- on the loop ----------------------------------------------------------------------------

  /** A way in for one client. Only while the volume is served. */
  public VolumePort openPort() {
    return core().openPort();
  }

  /** The configuration. */
  public VolumeConfig config() {
    return config;
  }

  ReplicationCore core() {
    Opened now = opened;
    if (now == null) {
      throw new IllegalStateException("volume " + config.name() + " has never been open");
    }
    return now.core();
  }

  MembershipCore membership() {
    return membership;
  }

  VolumeLoop loop() {
    return loop;
  }

  List<MemberSession> sessions() {
    return sessions;
  }

  MemberSession session(ReplicaId id) {
    MemberSession session = byId.get(id);
    if (session == null) {
      throw new IllegalStateException("replica " + id + " is not configured");
    }
    return session;
  }

  Optional<String> outReason(ReplicaId id) {
    return Optional.ofNullable(outReasons.get(id));
  }

  private void tick() {
    if (isOver) {
      return;
    }
    for (MemberSession session : sessions) {
      session.tick();
    }
    StoreLink link = store;
    if (link != null) {
      link.tick();
    }
    if (loop.nowNanos() - membership.nextWakeNanos() >= 0) {
      deliver(new MembershipEvent.Tick(loop.nowNanos()));
    }
    Opened now = opened;
    if (now != null) {
      vigilance.tick(now.core(), now.upkeep().returningMask());
      now.upkeep().tick();
      now.core().tick();
    }
    refreshStatus();
  }

  private void refreshStatus() {
    if (isOver) {
      // The last word stays: why it is over.
      return;
    }
    Opened now = opened;
    status = StatusView.of(this, now == null ? null : now.upkeep());
  }

  /** Tells membership, then does what it says; events that arise meanwhile follow in order. */
  void deliver(MembershipEvent event) {
    events.add(event);
    if (isDelivering) {
      return;
    }
    isDelivering = true;
    for (MembershipEvent next = events.poll(); next != null; next = events.poll()) {
      for (MembershipEffect effect : membership.step(next)) {
        carryOut(effect);
      }
    }
    isDelivering = false;
    noteStore();
    refreshStatus();
  }

  /** The log says why requests wait also to those who cannot ask, the store's daemon being down. */
  private void noteStore() {
    String trouble = membership.storeTrouble();
    boolean isSilent = !trouble.isEmpty();
    if (isSilent == isStoreSilent) {
      return;
    }
    isStoreSilent = isSilent;
    if (isSilent) {
      LOG.warn(
          "volume {}: the store does not answer, what needs another in-sync set waits: {}",
          config.name(),
          trouble);
    } else {
      LOG.info("volume {}: the store answers again", config.name());
    }
  }

  private void carryOut(MembershipEffect effect) {
    switch (effect) {
      case MembershipEffect.AskPromise(ReplicaId id, long generation) ->
          askPromise(session(id), generation);
      case MembershipEffect.StoreRecord(ReplicaId id, MembershipRecord record) ->
          storeRecord(session(id), record);
      case MembershipEffect.ReadStore(long call) -> store().read(call, volumeId());
      case MembershipEffect.SetStore(long call, long expected, VolumeRecord record) ->
          store().set(call, volumeId(), expected, record);
      case MembershipEffect.Disconnect(ReplicaId id, String why) -> {
        LOG.info("volume {}: replica {} is disconnected: {}", config.name(), id, why);
        lost(session(id));
        session(id).drop(why);
      }
      case MembershipEffect.Opened now -> opened(now);
      case MembershipEffect.Serve _ -> upkeep().mayServe();
      case MembershipEffect.InForceChanged _ -> publishSets();
      case MembershipEffect.Left(ReplicaId id, MembershipRecord record) -> {
        LOG.warn(
            "volume {}: replica {} has left the in-sync set, record {}",
            config.name(),
            id,
            record.stamp());
        upkeep().left(session(id));
      }
      case MembershipEffect.Joined(ReplicaId id, MembershipRecord record) -> {
        LOG.info(
            "volume {}: replica {} is in sync again, record {}", config.name(), id, record.stamp());
        outReasons.remove(id);
        troubles.remove(id);
        upkeep().joined(session(id));
      }
      case MembershipEffect.MayReturn(ReplicaId id, ReplicaInfo info) ->
          upkeep().mayReturn(session(id), info);
      case MembershipEffect.StaysOut(ReplicaId id, String why) -> staysOut(id, why);
      case MembershipEffect.Held(var missing, String why) -> {
        LOG.warn("volume {}: I/O is held, missing {}: {}", config.name(), missing, why);
        upkeep().held();
      }
      case MembershipEffect.Deposed(long by) ->
          over(
              IoError.FENCED,
              "another engine has taken the volume over"
                  + (by == 0 ? "" : " with generation " + by));
      case MembershipEffect.Forced(MembershipEffect.ForceReport report) ->
          LOG.warn("volume {}: {}", config.name(), report.text());
    }
  }

  void staysOut(ReplicaId id, String why) {
    if (!why.equals(outReasons.put(id, why))) {
      LOG.warn("volume {}: replica {} stays out: {}", config.name(), id, why);
    }
  }

  private Upkeep upkeep() {
    Opened now = opened;
    if (now == null) {
      throw new IllegalStateException("volume " + config.name() + " has never been open");
    }
    return now.upkeep();
  }

  private StoreLink store() {
    StoreLink link = store;
    if (link == null) {
      throw new IllegalStateException("volume " + config.name() + " has no store");
    }
    return link;
  }

  /** Known before anything is asked of the store: a replica has answered. */
  private VolumeId volumeId() {
    return volume.orElseThrow(
        () -> new IllegalStateException("volume " + config.name() + " has no identity yet"));
  }

  private void askPromise(MemberSession session, long generation) {
    long sent = System.nanoTime();
    session.promise(
        generation,
        (status, payload) -> {
          long now = loop.nowNanos();
          switch (status) {
            case OK -> {
              vigilance.answered(session.slot(), sent);
              try {
                promised(session, generation, ReplicaInfo.read(new FieldReader(payload)));
              } catch (WireFormatException e) {
                fail(session, "its PROMISE cannot be read: " + e.getMessage());
              }
            }
            case FENCED ->
                deliver(
                    new MembershipEvent.PromiseRefused(
                        now, session.id(), generation, generationIn(payload, generation)));
            case DISCONNECTED -> {}
            default ->
                fail(session, "it refused PROMISE: " + status + MemberSession.words(payload));
          }
        });
  }

  /** A refusal says in field 2 what was promised; older replicas do not. */
  private static long generationIn(byte[] payload, long otherwise) {
    try {
      return new FieldReader(payload).number(2, otherwise);
    } catch (WireFormatException _) {
      return otherwise;
    }
  }

  private void promised(MemberSession session, long generation, ReplicaInfo info) {
    Opened now = opened;
    if (now != null) {
      now.core().linked(session.slot(), session.connection());
    }
    deliver(new MembershipEvent.Promised(loop.nowNanos(), session.id(), generation, info));
  }

  private void storeRecord(MemberSession session, MembershipRecord record) {
    RecordStamp stamp = record.stamp();
    session.control(
        ControlFrame.of(FrameType.RECORD, RecordCodec.write(record).toBytes()),
        (status, payload) -> {
          switch (status) {
            case OK ->
                deliver(new MembershipEvent.RecordStored(loop.nowNanos(), session.id(), stamp));
            case FENCED ->
                deliver(
                    new MembershipEvent.Fenced(
                        loop.nowNanos(), session.id(), generationIn(payload, 0)));
            case DISCONNECTED -> {}
            default ->
                fail(session, "it refused a record: " + status + MemberSession.words(payload));
          }
        });
  }

  /** The session failed: everybody is told, and it begins anew after a pause. */
  void fail(MemberSession session, String why) {
    if (session.isUp()) {
      if (isNews(session, why)) {
        LOG.warn("volume {}: replica {} failed: {}", config.name(), session.id(), why);
      }
      drop(session, why);
    }
  }

  /** Ends a session that is up; everybody is told. */
  void drop(MemberSession session, String why) {
    lost(session);
    session.drop(why);
    deliver(new MembershipEvent.LinkBroke(loop.nowNanos(), session.id()));
  }

  /** Whether it was not the last thing said: it is tried again twice a second. */
  private boolean isNews(MemberSession session, String why) {
    return !why.equals(troubles.put(session.id(), why));
  }

  private void lost(MemberSession session) {
    vigilance.lost(session.slot());
    Opened now = opened;
    if (now != null) {
      now.core().linkLost(session.slot());
      now.upkeep().linkLost(session);
    }
  }

  private void opened(MembershipEffect.Opened now) {
    LOG.info(
        "volume {}: open with generation {}, record {}, in sync {}",
        config.name(),
        now.generation(),
        now.record().stamp(),
        now.record().members());
    outReasons.keySet().removeAll(now.record().members());
    troubles.keySet().removeAll(now.record().members());
    publishSets();
    upkeep().opened(now);
  }

  void publishSets() {
    Opened now = opened;
    if (now != null) {
      now.core()
          .sets(membership.requiredMask(), membership.readableMask(), now.upkeep().receivingMask());
    }
  }

  void served() {
    refreshStatus();
    serving.complete(this);
  }

  // ---- MemberSession.Owner --------------------------------------------------------------------

  @Override
  public void greeted(MemberSession session, ReplicaInfo info) {
    String wrong = wrongIn(session, info);
    if (wrong != null) {
      unusable(session, wrong);
      session.drop(wrong);
      return;
    }
    volume = Optional.of(info.volume());
    if (opened == null) {
      Upkeep upkeep = new Upkeep(this, new RegionMap(info.sizeBytes(), info.regionBytes()));
      long holdTicks = (config.holdMillis() + TICK_MILLIS - 1) / TICK_MILLIS;
      LoanPool pool = new LoanPool(Long.MAX_VALUE);
      // Not when the volume is over: clients are answered, and replicas may write, after that.
      loop.onEnd(pool::closeWhenBack);
      ReplicationCore core = new ReplicationCore(info.sizeBytes(), this, upkeep, holdTicks, pool);
      opened = new Opened(core, upkeep);
    }
    deliver(new MembershipEvent.ReplicaAnswered(loop.nowNanos(), session.id(), info));
  }

  private @Nullable String wrongIn(MemberSession session, ReplicaInfo info) {
    if (!info.replica().equals(session.id())) {
      return "it is replica " + info.replica();
    }
    if (volume.isPresent() && !volume.get().equals(info.volume())) {
      return "it is of volume " + info.volume() + ", not " + volume.get();
    }
    if (!info.authority().equals(config.authority())) {
      return "its record is kept by " + info.authority() + ", not " + config.authority();
    }
    Opened now = opened;
    if (now != null && now.core().sizeBytes() != info.sizeBytes()) {
      return "its size is " + info.sizeBytes() + " bytes, the volume's " + now.core().sizeBytes();
    }
    return null;
  }

  @Override
  public void unusable(MemberSession session, String why) {
    staysOut(session.id(), why);
  }

  @Override
  public void broken(MemberSession session, String why) {
    if (isOver) {
      return;
    }
    if (isNews(session, why)) {
      LOG.info("volume {}: replica {}: {}", config.name(), session.id(), why);
    }
    lost(session);
    deliver(new MembershipEvent.LinkBroke(loop.nowNanos(), session.id()));
  }

  @Override
  public @Nullable Loan target(int slot, long sequence) {
    Opened now = opened;
    return now == null ? null : now.core().target(slot, sequence);
  }

  @Override
  public int expectedBytes(int slot, long sequence) {
    return core().expectedBytes(sequence);
  }

  @Override
  public void answered(int slot, long sequence, IoError status, int payloadLength) {
    core().answered(slot, sequence, status, payloadLength);
  }

  @Override
  public Optional<VolumeId> volume() {
    return volume;
  }

  // ---- Members --------------------------------------------------------------------------------

  @Override
  public boolean mayServeReads() {
    return upkeep().isServing() && vigilance.mayServeReads(membership.requiredMask());
  }

  @Override
  public void memberFailed(int slot, IoError error, String what) {
    MemberSession session = sessions.get(slot);
    if (session.isUp()) {
      var connection = session.connection();
      // Not from inside the core: it is in the middle of a request.
      loop.execute(() -> {
        if (session.isUp() && session.connection().equals(connection)) {
          fail(session, what + " failed with " + error);
        }
      });
    }
  }

  @Override
  public void fenced(int slot) {
    MemberSession session = sessions.get(slot);
    loop.execute(() -> deliver(new MembershipEvent.Fenced(loop.nowNanos(), session.id(), 0)));
  }

  // ---- the end --------------------------------------------------------------------------------

  private void beginClose() {
    if (isClosing || isOver) {
      return;
    }
    isClosing = true;
    loop.after(
        CLOSE_TIMEOUT_MILLIS,
        () -> over(IoError.DISCONNECTED, "closed without a release: it took too long"));
    Opened now = opened;
    if (now == null || !membership.isServing()) {
      over(IoError.DISCONNECTED, "closed");
      return;
    }
    now.upkeep()
        .settle(() ->
            now.core()
                .pause(() -> now.upkeep().release(() -> over(IoError.DISCONNECTED, "closed"))));
  }

  boolean isClosing() {
    return isClosing;
  }

  private void over(IoError error, String why) {
    if (isOver) {
      return;
    }
    isOver = true;
    LOG.info("volume {}: {}", config.name(), why);
    StoreLink link = store;
    if (link != null) {
      link.close();
    }
    for (MemberSession session : sessions) {
      Opened now = opened;
      if (now != null) {
        now.core().linkLost(session.slot());
      }
      session.drop(why);
    }
    Opened now = opened;
    if (now != null) {
      now.core().giveUp(error);
      now.upkeep().over(error);
    }
    VolumeException reason = new VolumeException(error, "volume " + config.name() + ": " + why);
    serving.completeExceptionally(reason);
    status = StatusView.over(status, why);
    closed.complete(null);
  }
}
