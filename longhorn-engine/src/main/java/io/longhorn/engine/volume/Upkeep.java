package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.engine.link.ControlFrame;
import io.longhorn.engine.membership.MembershipEffect;
import io.longhorn.engine.reconcile.IntentEffect;
import io.longhorn.engine.reconcile.IntentTracker;
import io.longhorn.engine.reconcile.ReconcileCore;
import io.longhorn.engine.reconcile.ReconcileEffect;
import io.longhorn.engine.reconcile.ReconcileEvent;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.engine.reconcile.RegionMap;
import io.longhorn.engine.replication.Regions;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the members of an open volume equal: metadata rolled forward at open, reconcile after a
 * crash, returns of replicas, clearing of marks, snapshots, release. Carries out what the reconcile
 * cores decide. Loop thread.
 */
final class Upkeep implements Regions {
  private static final Logger LOG = LoggerFactory.getLogger(Upkeep.class);

  /** Chunks that are made equal in the background at a time. */
  private static final int MAX_EQUALIZING = 4;

  private static final int TICKS_A_RETRY = 20;
  private static final int TICKS_A_CLEARING = 60;

  private final VolumeEngine volume;
  private final RegionMap regions;
  private final ReconcileCore reconcile;
  private final IntentTracker marks;
  private final SortedMap<ReplicaId, ReplicaInfo> infos = new TreeMap<>();
  private final SortedMap<ReplicaId, RecordStamp> validSince = new TreeMap<>();
  private final SortedMap<ReplicaId, ReturningReplica> returning = new TreeMap<>();

  /** The head when the link to a member that is out was lost. */
  private final SortedMap<ReplicaId, Integer> lastEqualHeads = new TreeMap<>();

  private final SortedMap<ReplicaId, Long> resyncedBytes = new TreeMap<>();
  private final ArrayDeque<SnapshotTask> snapshots = new ArrayDeque<>();

  private @Nullable VolumePort port;
  private long opening;

  /** Set from the opening until reconcile has begun. */
  private MembershipEffect.@Nullable Opened starting;

  private boolean mayServe;
  private boolean isKnown;
  private boolean isServing;
  private boolean isSnapshotRunning;

  /** What waits for the snapshot that runs, while the volume is being closed. */
  private @Nullable Runnable whenSettled;

  private int equalizing;
  private long ticks;
  private long lastOperation;
  private int head;

  Upkeep(VolumeEngine volume, RegionMap regions) {
    this.volume = volume;
    this.regions = regions;
    reconcile = new ReconcileCore(regions);
    marks = new IntentTracker(regions, regions.countIn(IoRequest.SPAN_BYTES));
  }

  // ---- opening --------------------------------------------------------------------------------

  void opened(MembershipEffect.Opened now) {
    volume.core().suspend();
    opening++;
    mayServe = false;
    isKnown = false;
    isServing = false;
    infos.clear();
    validSince.clear();
    for (ReplicaInfo info : now.members()) {
      validSince.put(info.replica(), info.validSince());
      if (volume.session(info.replica()).isUp()) {
        infos.put(info.replica(), info);
        lastEqualHeads.remove(info.replica());
      } else {
        // Lost a moment ago; membership will hear of it next.
        lastEqualHeads.put(info.replica(), info.head());
      }
    }
    if (opening > 1 && !now.isContinuation()) {
      volume.core().abortUnderWay(IoError.EIO);
    }
    starting = now;
    rollForward();
  }

  /** A member that is lost before reconcile knows the members leaves the others to begin anew. */
  private void rollForward() {
    MembershipEffect.Opened now = starting;
    if (now == null || infos.isEmpty()) {
      return;
    }
    lastOperation = 0;
    for (ReplicaInfo info : infos.values()) {
      lastOperation = Math.max(lastOperation, info.lastOperation());
      head = Math.max(head, info.head());
    }
    rollForward(opening, () -> reconcileFrom(now));
  }

  private void reconcileFrom(MembershipEffect.Opened now) {
    starting = null;
    List<ReconcileEvent.Member> members = new ArrayList<>();
    for (ReplicaInfo info : infos.values()) {
      members.add(new ReconcileEvent.Member(info.replica(), info.isContinuous()));
    }
    reconcile(new ReconcileEvent.Began(members, now.isClean()));
  }

  /** Metadata operations that some member lacks are repeated there, before the first write. */
  private void rollForward(long during, Runnable then) {
    List<ReplicaId> behind = new ArrayList<>();
    Optional<ReplicaId> ahead = Optional.empty();
    for (ReplicaInfo info : infos.values()) {
      if (info.lastOperation() < lastOperation) {
        behind.add(info.replica());
      } else {
        ahead = Optional.of(info.replica());
      }
    }
    if (behind.isEmpty() || ahead.isEmpty()) {
      then.run();
      return;
    }
    MemberSession source = volume.session(ahead.get());
    layersOf(
        source,
        chain -> {
          if (during == opening) {
            Repeat repeat = new Repeat(during, chain, behind, then);
            repeat.next();
          }
        },
        // Its loss begins the rolling forward anew.
        () -> {});
  }

  /** Repeats sealed layers on members that lack them, one frame after another. */
  private final class Repeat {
    private final long during;
    private final List<LayerList.Layer> chain;
    private final ArrayDeque<ReplicaId> behind;
    private final Runnable then;
    private int at;

    Repeat(long during, LayerList chain, List<ReplicaId> behind, Runnable then) {
      this.during = during;
      this.chain = chain.layers();
      this.behind = new ArrayDeque<>(behind);
      this.then = then;
    }

    void next() {
      ReplicaId id = behind.peek();
      if (id == null) {
        then.run();
        return;
      }
      ReplicaInfo info = infos.get(id);
      long has = info == null ? Long.MAX_VALUE : info.lastOperation();
      while (at < chain.size() - 1 && chain.get(at).sealedBy() <= has) {
        at++;
      }
      if (at >= chain.size() - 1) {
        behind.remove();
        at = 0;
        next();
        return;
      }
      LayerList.Layer sealed = chain.get(at);
      SnapshotSpec spec =
          new SnapshotSpec(
              sealed.snapshot(),
              chain.get(at + 1).id(),
              sealed.createdMillis(),
              sealed.isUserCreated());
      MemberSession session = volume.session(id);
      session.control(
          ControlFrame.ofOperation(FrameType.SNAPSHOT, sealed.sealedBy(), spec.write().toBytes()),
          (status, payload) -> {
            if (during != opening || status == IoError.DISCONNECTED) {
              return;
            }
            if (status != IoError.OK) {
              volume.fail(
                  session,
                  "snapshot '"
                      + spec.name()
                      + "' could not be repeated: "
                      + status
                      + MemberSession.words(payload));
              return;
            }
            at++;
            next();
          });
    }
  }

  /** Asks a replica for its chain; {@code otherwise} if it does not tell, whatever the reason. */
  void layersOf(MemberSession session, Consumer<LayerList> then, Runnable otherwise) {
    session.control(
        ControlFrame.of(FrameType.LAYERS),
        (status, payload) -> {
          if (status == IoError.DISCONNECTED) {
            otherwise.run();
            return;
          }
          try {
            if (status != IoError.OK) {
              throw new WireFormatException(status + MemberSession.words(payload));
            }
            then.accept(LayerList.read(new FieldReader(payload)));
          } catch (WireFormatException e) {
            volume.fail(session, "LAYERS: " + e.getMessage());
            otherwise.run();
          }
        });
  }

  void mayServe() {
    mayServe = true;
    serveIfReady();
  }

  private void serveIfReady() {
    if (mayServe && isKnown && !isServing) {
      isServing = true;
      volume.core().open();
      volume.served();
    }
  }

  /** No legal set: nothing is served until the volume is open again. */
  void held() {
    volume.core().suspend();
    mayServe = false;
    isKnown = false;
    isServing = false;
    starting = null;
    opening++;
    returning.clear();
    volume.publishSets();
  }

  // ---- reconcile ------------------------------------------------------------------------------

  private void reconcile(ReconcileEvent event) {
    for (ReconcileEffect effect : reconcile.step(event)) {
      switch (effect) {
        case ReconcileEffect.ReadBits(ReplicaId id) ->
            readBits(volume.session(id), bits -> reconcile(new ReconcileEvent.BitsRead(id, bits)));
        case ReconcileEffect.BitsKnown(RegionBits union) -> {
          marks.known(union);
          isKnown = true;
          if (reconcile.remainingRegions() > 0) {
            LOG.info(
                "volume {}: {} regions of {} bytes may differ between members after an unclean stop; they are made equal",
                volume.config().name(),
                reconcile.remainingRegions(),
                regions.regionBytes());
          }
          serveIfReady();
        }
        case ReconcileEffect.PreferSources(SortedSet<ReplicaId> ids, boolean mayHaveLost) -> {
          if (mayHaveLost && reconcile.remainingRegions() > 0) {
            LOG.warn(
                "volume {}: every member's process has restarted since the set was last equal; what was written and not flushed may be gone",
                volume.config().name());
          }
          volume.core().preferSources(mask(ids));
        }
        case ReconcileEffect.Flush(ReplicaId id) ->
            ask(
                volume.session(id),
                ControlFrame.of(FrameType.FLUSH),
                () -> reconcile(new ReconcileEvent.Flushed(id)));
        case ReconcileEffect.MarkEqual(ReplicaId id) ->
            ask(
                volume.session(id),
                ControlFrame.of(FrameType.MARK_EQUAL),
                () -> reconcile(new ReconcileEvent.Marked(id)));
        case ReconcileEffect.Reconciled _ ->
            LOG.info("volume {}: all members are equal", volume.config().name());
      }
    }
    equalizeMore();
  }

  private int mask(SortedSet<ReplicaId> ids) {
    int mask = 0;
    for (ReplicaId id : ids) {
      mask |= 1 << volume.session(id).slot();
    }
    return mask;
  }

  private void equalizeMore() {
    while (isServing && equalizing < MAX_EQUALIZING) {
      Optional<ReconcileCore.Chunk> next = reconcile.nextChunk();
      if (next.isEmpty()) {
        return;
      }
      ReconcileCore.Chunk chunk = next.get();
      equalizing++;
      volume
          .core()
          .equalize(
              chunk.offset(),
              chunk.length(),
              (_, result, _) -> {
                equalizing--;
                reconcile(
                    result.isOk()
                        ? new ReconcileEvent.ChunkEqual(chunk)
                        : new ReconcileEvent.ChunkFailed(chunk));
              });
    }
  }

  void readBits(MemberSession session, Consumer<RegionBits> then) {
    session.control(
        ControlFrame.ofRegions(FrameType.INTENT_READ, 0, regions.count(), new byte[0]),
        (status, payload) -> {
          if (status == IoError.DISCONNECTED) {
            return;
          }
          if (status != IoError.OK || payload.length < (regions.count() + 7) / 8) {
            volume.fail(session, "its write-intent bitmap cannot be read: " + status);
            return;
          }
          RegionBits bits = new RegionBits(regions.count());
          bits.orBytes(0, payload);
          then.accept(bits);
        });
  }

  /**
   * Sends a control frame whose refusal means that the member failed; runs {@code then} when it is
   * done.
   */
  void ask(MemberSession session, ControlFrame frame, Runnable then) {
    session.control(
        frame,
        (status, payload) -> {
          switch (status) {
            case OK -> then.run();
            case DISCONNECTED -> {}
            case FENCED -> volume.fenced(session.slot());
            default ->
                volume.fail(
                    session,
                    frame.type() + " was answered " + status + MemberSession.words(payload));
          }
        });
  }

  // ---- members --------------------------------------------------------------------------------

  void linkLost(MemberSession session) {
    marks.membersChanged();
    if (infos.containsKey(session.id())) {
      lastEqualHeads.putIfAbsent(session.id(), head);
    }
    if (returning.remove(session.id()) != null) {
      volume.publishSets();
    }
    if (starting != null) {
      infos.remove(session.id());
      opening++;
      rollForward();
    } else if (opening > 0) {
      reconcile(new ReconcileEvent.MemberLeft(session.id()));
    }
  }

  void left(MemberSession session) {
    marks.membersChanged();
    infos.remove(session.id());
    validSince.remove(session.id());
  }

  void joined(MemberSession session) {
    marks.membersChanged();
    lastEqualHeads.remove(session.id());
    ReturningReplica back = returning.remove(session.id());
    if (back != null) {
      resyncedBytes.put(session.id(), back.resyncBytes());
      infos.put(session.id(), back.info());
      validSince.put(session.id(), memberValidSince());
    }
    reconcile(new ReconcileEvent.MemberJoined(session.id()));
    volume.publishSets();
  }

  void mayReturn(MemberSession session, ReplicaInfo info) {
    marks.membersChanged();
    returning.put(session.id(), new ReturningReplica(volume, this, session, info));
  }

  /** Slots of replicas that are on their way back. */
  int returningMask() {
    int mask = 0;
    for (ReplicaId id : returning.keySet()) {
      mask |= 1 << volume.session(id).slot();
    }
    return mask;
  }

  /** Slots that are sent every write although they are in no set. */
  int receivingMask() {
    int mask = 0;
    for (ReturningReplica replica : returning.values()) {
      mask |= replica.isReceiving() ? 1 << replica.session().slot() : 0;
    }
    return mask;
  }

  /** What the members say of themselves, with the newest {@code validSince}. */
  SortedMap<ReplicaId, ReplicaInfo> memberInfos() {
    SortedMap<ReplicaId, ReplicaInfo> now = new TreeMap<>();
    for (ReplicaId id : volume.membership().readableMembers()) {
      ReplicaInfo info = infos.get(id);
      if (info != null) {
        now.put(id, info.withValidSince(validSince.getOrDefault(id, info.validSince())));
      }
    }
    return now;
  }

  private RecordStamp memberValidSince() {
    RecordStamp newest = RecordStamp.NONE;
    for (RecordStamp stamp : validSince.values()) {
      newest = stamp.isNewerThan(newest) ? stamp : newest;
    }
    return newest;
  }

  boolean isServing() {
    return isServing;
  }

  RegionMap regions() {
    return regions;
  }

  /** The head when a replica that is out was last a member; empty if this engine never saw that. */
  OptionalInt lastEqualHead(ReplicaId id) {
    Integer layer = lastEqualHeads.get(id);
    return layer == null ? OptionalInt.empty() : OptionalInt.of(layer);
  }

  IntentTracker marks() {
    return marks;
  }

  int head() {
    return head;
  }

  /** Regions that may differ. */
  int unreconciledRegions() {
    return reconcile.remainingRegions();
  }

  /** Bytes that the last return of a replica compared, or the present one has to. */
  long resyncBytes(ReplicaId id) {
    return returning(id)
        .map(ReturningReplica::resyncBytes)
        .orElse(resyncedBytes.getOrDefault(id, 0L));
  }

  Optional<ReturningReplica> returning(ReplicaId id) {
    return Optional.ofNullable(returning.get(id));
  }

  // ---- time -----------------------------------------------------------------------------------

  void tick() {
    ticks++;
    if (ticks % TICKS_A_RETRY == 0) {
      reconcile(new ReconcileEvent.Retry());
    }
    equalizeMore();
    settled();
    if (isServing && !reconcile.isReconciling() && !isSnapshotRunning && !volume.isClosing()) {
      for (ReturningReplica replica : List.copyOf(returning.values())) {
        replica.tick();
      }
      SnapshotTask next = snapshots.peek();
      if (next != null && !isSnapshotRunning) {
        isSnapshotRunning = true;
        next.begin();
      }
    }
    if (ticks % TICKS_A_CLEARING == 0) {
      boolean mayClear =
          isServing
              && volume.membership().isComplete()
              && !reconcile.isReconciling()
              && returning.isEmpty()
              && !isSnapshotRunning
              && !volume.isClosing();
      volume
          .membership()
          .record()
          .flatMap(record -> marks.tick(mayClear, record.stamp()))
          .ifPresent(this::clear);
    }
  }

  private void clear(IntentEffect effect) {
    switch (effect) {
      case IntentEffect.Flush _ -> flush();
      case IntentEffect.SetValidSince(RecordStamp stamp) ->
          broadcast(
              ControlFrame.of(FrameType.INTENT_VALID_SINCE, stampBytes(stamp)),
              isDone -> {
                if (isDone) {
                  validSince.replaceAll((_, _) -> stamp);
                }
                marks.validSinceStored(stamp, isDone);
              });
      case IntentEffect.Clear(RegionBits cleared) ->
          broadcast(
              ControlFrame.ofRegions(
                  FrameType.INTENT_CLEAR, 0, regions.count(), cleared.toBytes(0, regions.count())),
              marks::cleared);
    }
  }

  static byte[] stampBytes(RecordStamp stamp) {
    return RecordCodec.stamp(new FieldWriter(), 1, 2, stamp).toBytes();
  }

  private void flush() {
    VolumePort own = port == null ? volume.openPort() : port;
    port = own;
    IoRequest request = own.take(IoKind.FLUSH, 0, 0);
    if (request != null) {
      request.onCompletion(own::release, null, 0);
      own.submit(request);
    }
  }

  /** Asks every member; tells whether all answered OK. A member that refuses has failed. */
  private void broadcast(ControlFrame frame, Consumer<Boolean> done) {
    Broadcast broadcast = new Broadcast(volume, membersNow(), frame, done);
    broadcast.begin();
  }

  /** Sessions of all sets in force and of replicas that receive writes, as far as they are up. */
  List<MemberSession> membersNow() {
    int mask = volume.membership().targetMask() | receivingMask();
    return volume.sessions().stream()
        .filter(session -> session.isUp() && (mask & (1 << session.slot())) != 0)
        .toList();
  }

  // ---- Regions --------------------------------------------------------------------------------

  @Override
  public boolean isUnreconciled(long offset, int length) {
    return reconcile.isUnreconciled(offset, length);
  }

  @Override
  public void unreconciled(long offset, int length) {
    reconcile.unreconciled(offset, length);
    // What was compared of that range so far is worth nothing: those replicas begin anew, later.
    for (ReturningReplica replica : List.copyOf(returning.values())) {
      volume.memberFailed(
          replica.session().slot(),
          IoError.EIO,
          "a write on all members, while it was made equal,");
    }
  }

  @Override
  public void writeSent(long offset, int length) {
    marks.writeSent(offset, length);
  }

  @Override
  public void writeEnded(long offset, int length) {
    marks.writeEnded(offset, length);
  }

  @Override
  public boolean mayFlush() {
    return reconcile.mayFlush();
  }

  @Override
  public long flushSent() {
    return marks.flushSent();
  }

  @Override
  public void flushEnded(long number, boolean isDurable) {
    marks.flushEnded(number, isDurable);
  }

  // ---- snapshot, release ----------------------------------------------------------------------

  void snapshot(String name, boolean isUserCreated, CompletableFuture<Void> done) {
    snapshots.add(new SnapshotTask(volume, this, name, isUserCreated, done));
  }

  /** The operation number and layer id of the next snapshot. */
  long nextOperation() {
    return lastOperation + 1;
  }

  void snapshotEnded(boolean isTaken, int newHead) {
    if (isTaken) {
      lastOperation++;
      head = newHead;
    }
    snapshots.remove();
    isSnapshotRunning = false;
  }

  /**
   * The volume is being closed: no snapshot begins, no replica returns any more, so that nothing is
   * sent after a release. Runs {@code then} when the snapshot that is being taken is there.
   */
  void settle(Runnable then) {
    int targets = volume.membership().targetMask();
    for (ReturningReplica replica : List.copyOf(returning.values())) {
      MemberSession session = replica.session();
      // One that is about to be a member is released as one.
      if ((targets & (1 << session.slot())) == 0 && session.isUp()) {
        volume.drop(session, "the volume is closed while it returns");
      }
    }
    whenSettled = then;
    settled();
  }

  private void settled() {
    Runnable then = whenSettled;
    if (then != null && !isSnapshotRunning) {
      whenSettled = null;
      then.run();
    }
  }

  /**
   * Everything on disk, and the word of this engine that it serves no more. The core is paused and
   * drained.
   */
  void release(Runnable then) {
    List<MemberSession> members = membersNow();
    boolean isWhole = Integer.bitCount(volume.membership().requiredMask()) <= members.size();
    new Broadcast(
            volume,
            members,
            ControlFrame.of(FrameType.FLUSH),
            isFlushed -> {
              if (!isFlushed || !isWhole || reconcile.isReconciling()) {
                then.run();
                return;
              }
              new Broadcast(volume, members, ControlFrame.of(FrameType.RELEASE), _ -> then.run())
                  .begin();
            })
        .begin();
  }

  void over(IoError error) {
    opening++;
    for (SnapshotTask task : snapshots) {
      task.fail(error);
    }
    snapshots.clear();
  }
}
