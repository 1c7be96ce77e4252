package io.longhorn.replica.server;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.Hello;
import io.longhorn.api.wire.Promise;
import io.longhorn.api.wire.RecordCodec;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.replica.store.ReplicaStore;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The protocol of one connection, on the replica's side: frames in, calls of the store, answers
 * out. It does no I/O of its own and knows nothing of sockets; sockets and embedded replicas use it
 * alike. One thread, the link's; once the promise is made that is the owner thread of the store.
 *
 * <p>Life: HELLO (who is there, no effect), then PROMISE makes it the owner's session (R1, R8), and
 * every frame carries that generation; anything else is answered FENCED. A connection that does not
 * own may HELLO, STATUS, LAYERS and PING. Whatever breaks the protocol is answered PROTOCOL, and
 * the session is {@linkplain #isOver over}.
 */
final class ReplicaSession implements Frame.Handler {
  private static final int BLOCK_BYTES = ReplicaStore.BLOCK_BYTES;
  private static final int SPAN_BLOCKS = ReplicaStore.SPAN_BYTES / BLOCK_BYTES;

  /** Bytes of one extent in the answer to BLOCK_MAP. */
  private static final int EXTENT_BYTES = 8;

  /** Most regions of a bitmap, and so of a frame that carries bits. */
  private static final int MAX_REGIONS = 524_288;

  private static final byte[] NOTHING = {};

  /** How far the connection is. */
  private enum State {
    /** HELLO has to come first. */
    NEW,
    /** Knows whom it talks to; does not own. */
    GREETED,
    /** Promised; waits for the older owner, or for the promise to be durable. */
    CLAIMING,
    /** Owns the store under {@link #generation}. */
    OWNER,
    /** Nothing more is served. */
    OVER
  }

  private final ReplicaHost host;
  private final ReplicaStore store;
  private final SessionPort port;

  private State state = State.NEW;
  // Of the last HELLO.
  private Optional<Hello> hello = Optional.empty();
  // Promised to this session; 0 before. Tags its answers.
  private long generation;
  private EngineId engine = new EngineId(new UUID(0, 0));
  // From when the claim was granted until the seat is given back: this thread is the store's owner.
  private boolean hasStore;
  private boolean isLeaving;
  // From RELEASE until it is answered: nothing that needs the store is served any more.
  private boolean isReleasing;
  // The PROMISE frame while CLAIMING.
  private @Nullable Frame claim;
  private int underWay;
  private int changesUnderWay;

  ReplicaSession(ReplicaHost host, SessionPort port) {
    this.host = host;
    this.store = host.store();
    this.port = port;
  }

  /** Whether the connection has to be closed once the answers are out. */
  boolean isOver() {
    return state == State.OVER;
  }

  /** Whether HELLO was answered. */
  boolean isGreeted() {
    return state != State.NEW;
  }

  /** Whether this session owns the store, or is on the way to it. */
  boolean isOwner() {
    return state == State.OWNER || state == State.CLAIMING;
  }

  /** Whether the link's thread is the owner thread of the store. */
  boolean hasStore() {
    return hasStore;
  }

  /** Kept frames that were not answered. */
  int underWay() {
    return underWay;
  }

  /** No frame is served any more; what is under way completes. */
  void end() {
    state = State.OVER;
    Frame waiting = claim;
    if (waiting != null) {
      // Not with the store yet, so nobody would complete it.
      claim = null;
      underWay--;
      port.drop(waiting);
    }
  }

  /**
   * Called after frames were served and disk tasks finished, when no call of the store is on the
   * stack: gives the store back if the session released it.
   */
  void settle() {
    if (underWay == 0 && (isLeaving || state == State.OVER)) {
      isLeaving = false;
      hasStore = false;
      host.ownership().leave(port.owner());
    }
  }

  /**
   * Memory that the answer's payload needs if the frame is kept: for whatever the header says, 0 to
   * 128 KiB.
   */
  static int replyBytes(Frame frame) {
    FrameType type = frame.type();
    int length = Math.max(frame.length(), 0);
    if (type == FrameType.READ) {
      return Math.min(length, ReplicaStore.MAX_TRANSFER_BYTES);
    }
    if (type == FrameType.BLOCK_HASHES) {
      return Math.min(length / BLOCK_BYTES, FrameType.MAX_HASH_BLOCKS) * FrameType.HASH_ENTRY_BYTES;
    }
    if (type == FrameType.BLOCK_MAP) {
      return Math.min(length / BLOCK_BYTES, SPAN_BLOCKS) * EXTENT_BYTES;
    }
    return 0;
  }

  /** Serves one frame: answers it, or keeps it until the store has completed it. */
  void serve(Frame frame) {
    FrameType type = frame.type();
    if (frame.has(FrameHeader.FLAG_REPLY)) {
      over(frame, IoError.PROTOCOL, "a reply, where a request is expected");
      return;
    }
    if (state == State.NEW && type != FrameType.HELLO) {
      over(frame, IoError.PROTOCOL, "HELLO has to come first");
      return;
    }
    if (frame.crcCount() != 0 && type != FrameType.WRITE) {
      over(frame, IoError.PROTOCOL, "only WRITE carries block CRCs");
      return;
    }
    if (type == null) {
      answer(frame, IoError.UNSUPPORTED, "this build knows no frame type " + frame.typeCode());
      return;
    }
    IoError refused;
    try {
      refused = serve(type, frame);
    } catch (WireFormatException e) {
      over(frame, IoError.PROTOCOL, String.valueOf(e.getMessage()));
      return;
    }
    if (!refused.isOk()) {
      answer(frame, refused);
    }
  }

  /** OK if the frame was answered or kept, otherwise what to answer. */
  private IoError serve(FrameType type, Frame frame) {
    IoError admitted = admit(type, frame);
    if (!admitted.isOk()) {
      return admitted;
    }
    return switch (type) {
      case READ -> read(frame);
      case WRITE -> write(frame);
      case ZERO -> zero(frame, frame.has(FrameHeader.FLAG_ALLOCATE));
      case TRIM -> zero(frame, false);
      case ABSENT -> absent(frame);
      case FLUSH -> flush(frame);
      case BLOCK_HASHES -> hashes(frame);
      case BLOCK_MAP -> map(frame);
      case INTENT_READ -> readIntent(frame);
      case INTENT_MERGE -> changeIntent(frame, false);
      case INTENT_CLEAR -> changeIntent(frame, true);
      case INTENT_VALID_SINCE -> validSince(frame);
      case HELLO -> hello(frame);
      case PROMISE -> promise(frame);
      case RECORD -> record(frame);
      case MARK_EQUAL -> markEqual(frame);
      case SNAPSHOT -> snapshot(frame);
      case RELEASE -> release(frame);
      case LAYERS -> control(frame, host.layers().write());
      case STATUS -> status(frame);
      case PING -> ping(frame);
      // Reserved, or what others than replicas answer.
      default -> IoError.UNSUPPORTED;
    };
  }

  /**
   * The gate of every frame (I3): only the owner, under its generation, does what is not public.
   */
  private IoError admit(FrameType type, Frame frame) {
    if (state == State.OWNER && !isReleasing) {
      return frame.generation() == generation
              || type == FrameType.HELLO
              || type == FrameType.PROMISE
          ? IoError.OK
          : IoError.FENCED;
    }
    return switch (type) {
      case HELLO, PROMISE, STATUS, LAYERS, PING -> IoError.OK;
      default -> IoError.FENCED;
    };
  }

  // ---- data ------------------------------------------------------------------------------------

  private IoError read(Frame frame) {
    int length = frame.length();
    if (!isTransfer(frame) || frame.payloadBytes() != 0) {
      return IoError.INVALID;
    }
    host.served().reads++;
    host.served().readBytes += length;
    if (!frame.isKept()) {
      aimRead(frame);
      if (store.readNow(frame)) {
        return IoError.OK;
      }
    }
    Frame kept = keep(frame, length);
    if (kept != null) {
      aimRead(kept);
      store.read(kept);
    }
    return IoError.OK;
  }

  private void aimRead(Frame frame) {
    port.place(frame, frame.length() / BLOCK_BYTES, frame.length());
    frame.applyRange();
    frame.data(frame.replyBody, frame.replyBodyAt);
    frame.crcs(frame.replyHead, frame.replyHeadAt + FrameHeader.BYTES);
  }

  private IoError write(Frame frame) {
    int length = frame.length();
    if (!isTransfer(frame)
        || frame.payloadBytes() != length
        || frame.crcCount() != length / BLOCK_BYTES) {
      return IoError.INVALID;
    }
    host.served().writes++;
    host.served().writtenBytes += length;
    boolean isRepair = frame.has(FrameHeader.FLAG_REPAIR);
    if (isRepair && length != BLOCK_BYTES) {
      return IoError.INVALID;
    }
    if (!frame.isKept() && !frame.has(FrameHeader.FLAG_FUA) && !isRepair) {
      aimWrite(frame);
      if (store.writeNow(frame)) {
        return IoError.OK;
      }
    }
    Frame kept = keepChange(frame);
    if (kept != null) {
      aimWrite(kept);
      if (isRepair) {
        kept.range(store.layerShowing(kept.offset()), kept.offset(), length);
      }
      store.write(kept);
    }
    return IoError.OK;
  }

  private static void aimWrite(Frame frame) {
    frame.applyRange();
    frame.data(frame.body, frame.bodyAt);
    frame.crcs(frame.head, frame.headAt + FrameHeader.BYTES);
  }

  private IoError zero(Frame frame, boolean isAllocating) {
    if (!isRange(frame)) {
      return IoError.INVALID;
    }
    Frame kept = keepChange(frame);
    if (kept != null) {
      kept.applyRange();
      if (isAllocating) {
        store.zeroAllocated(kept);
      } else {
        store.zero(kept);
      }
    }
    return IoError.OK;
  }

  private IoError absent(Frame frame) {
    if (!isRange(frame)) {
      return IoError.INVALID;
    }
    Frame kept = keepChange(frame);
    if (kept != null) {
      kept.applyRange();
      store.absent(kept);
    }
    return IoError.OK;
  }

  private IoError flush(Frame frame) {
    Frame kept = keep(frame, 0);
    if (kept != null) {
      host.served().flushes++;
      store.flush(kept);
    }
    return IoError.OK;
  }

  private IoError hashes(Frame frame) {
    if (!isRange(frame) || frame.length() > FrameType.MAX_HASH_BLOCKS * BLOCK_BYTES) {
      return IoError.INVALID;
    }
    int bytes = replyBytes(frame);
    Frame kept = keep(frame, bytes);
    if (kept != null) {
      aimBytes(kept, bytes);
      store.blockHashes(kept);
    }
    return IoError.OK;
  }

  private IoError map(Frame frame) {
    if (!isRange(frame)) {
      return IoError.INVALID;
    }
    int bytes = replyBytes(frame);
    Frame kept = keep(frame, bytes);
    if (kept != null) {
      aimBytes(kept, bytes);
      store.blockMap(kept);
    }
    return IoError.OK;
  }

  private void aimBytes(Frame frame, int bytes) {
    port.place(frame, 0, bytes);
    frame.applyRange();
    // The store fills at most to the end of the memory it is given.
    frame.data(frame.replyBody.asSlice(frame.replyBodyAt, bytes), 0);
  }

  // ---- write-intent bits -----------------------------------------------------------------------

  private IoError readIntent(Frame frame) {
    if (frame.length() > MAX_REGIONS) {
      return IoError.INVALID;
    }
    // Whole bytes are answered, whatever is asked for.
    int regions = (frame.length() + 7) & ~7;
    if (!areRegions(frame.offset(), regions)) {
      return IoError.INVALID;
    }
    port.place(frame, 0, regions / 8);
    store.readIntent((int) frame.offset(), regions, frame.replyBody, frame.replyBodyAt);
    port.answerData(frame, generation, 0, regions / 8);
    return IoError.OK;
  }

  private IoError changeIntent(Frame frame, boolean isClearing) {
    int regions = frame.payloadBytes() * 8;
    if (!areRegions(frame.offset(), regions)) {
      return IoError.INVALID;
    }
    Frame kept = keep(frame, 0);
    if (kept != null) {
      int first = (int) kept.offset();
      if (isClearing) {
        store.clearIntent(first, regions, kept.body, kept.bodyAt, kept);
      } else {
        store.mergeIntent(first, regions, kept.body, kept.bodyAt, kept);
      }
    }
    return IoError.OK;
  }

  private static boolean areRegions(long first, int regions) {
    return first >= 0
        && first % 8 == 0
        && regions > 0
        && regions % 8 == 0
        && regions <= MAX_REGIONS
        && first <= MAX_REGIONS - regions;
  }

  private IoError validSince(Frame frame) {
    RecordStamp since = RecordCodec.readStamp(new FieldReader(port.control(frame)));
    Frame kept = keep(frame, 0);
    if (kept != null) {
      store.validSince(since, kept);
    }
    return IoError.OK;
  }

  // ---- life of the session ---------------------------------------------------------------------

  private IoError hello(Frame frame) {
    Hello said = Hello.read(new FieldReader(port.control(frame)));
    ReplicaInfo info = host.info();
    if (said.protocolMin() > FrameHeader.VERSION || said.protocolMax() < FrameHeader.VERSION) {
      over(
          frame,
          IoError.UNKNOWN_VERSION,
          "this replica speaks version "
              + FrameHeader.VERSION
              + ", the engine "
              + said.protocolMin()
              + " to "
              + said.protocolMax());
    } else if (!said.volume().equals(info.volume()) && !said.volume().equals(Hello.ANY_VOLUME)) {
      over(frame, IoError.WRONG_IDENTITY, "this is a replica of volume " + info.volume());
    } else if (!said.replica().equals(info.replica())) {
      over(frame, IoError.WRONG_IDENTITY, "this is replica " + info.replica());
    } else if (!said.authority().equals(info.authority())) {
      over(frame, IoError.WRONG_AUTHORITY, "the authority here is " + info.authority());
    } else {
      if (state == State.NEW) {
        state = State.GREETED;
        hello = Optional.of(said);
      }
      return control(frame, info.write());
    }
    return IoError.OK;
  }

  private IoError promise(Frame frame) {
    Promise asked = Promise.read(new FieldReader(port.control(frame)));
    Hello greeting = hello.orElseThrow();
    if (greeting.role() != Hello.Role.OWNER || !greeting.engine().equals(asked.engine())) {
      return IoError.INVALID;
    }
    if (underWay > 0) {
      return IoError.BUSY;
    }
    IoError verdict = host.ownership().claim(port.owner(), asked.generation(), asked.engine());
    if (verdict != IoError.OK && verdict != IoError.BUSY) {
      return verdict;
    }
    Frame kept = keep(frame, 0);
    if (kept == null) {
      return IoError.OK;
    }
    state = State.CLAIMING;
    generation = asked.generation();
    engine = asked.engine();
    claim = kept;
    if (verdict.isOk()) {
      claimed(IoError.OK);
    }
    return IoError.OK;
  }

  /** The claim of this session was decided. The link's thread. */
  void claimed(IoError verdict) {
    Frame promised = claim;
    if (promised == null) {
      return;
    }
    claim = null;
    if (verdict.isOk()) {
      hasStore = true;
      host.disk().owner(port.waker());
      store.promise(generation, engine, promised);
    } else {
      underWay--;
      state = State.GREETED;
      answer(promised, verdict);
    }
  }

  private IoError record(Frame frame) {
    MembershipRecord offered = RecordCodec.read(new FieldReader(port.control(frame)));
    return switch (host.ownership().judge(offered)) {
      case HAVE -> control(frame, NOTHING);
      case STALE -> IoError.STALE;
      case AHEAD -> IoError.INVALID;
      case TAKE -> {
        Frame kept = keep(frame, 0);
        if (kept != null) {
          store.record(offered, kept);
        }
        yield IoError.OK;
      }
    };
  }

  private IoError markEqual(Frame frame) {
    Frame kept = keep(frame, 0);
    if (kept != null) {
      store.markEqual(kept);
    }
    return IoError.OK;
  }

  private IoError snapshot(Frame frame) {
    SnapshotSpec spec = SnapshotSpec.read(new FieldReader(port.control(frame)));
    if (changesUnderWay > 0) {
      return IoError.BUSY;
    }
    if (frame.operation() < 1) {
      return IoError.INVALID;
    }
    Frame kept = keep(frame, 0);
    if (kept != null) {
      store.snapshot(kept.operation(), spec, kept);
    }
    return IoError.OK;
  }

  private IoError release(Frame frame) {
    if (underWay > 0) {
      return IoError.BUSY;
    }
    Frame kept = keep(frame, 0);
    if (kept != null) {
      isReleasing = true;
      store.release(generation, kept);
    }
    return IoError.OK;
  }

  private IoError status(Frame frame) {
    if (state == State.OWNER) {
      host.publishCounters();
    }
    return control(frame, host.status());
  }

  private IoError ping(Frame frame) {
    if (state == State.OWNER) {
      host.publishCounters();
    }
    return control(frame, NOTHING);
  }

  // ---- completion ------------------------------------------------------------------------------

  @Override
  public void completed(Frame frame, IoError error) {
    if (error.isOk() && frame.has(FrameHeader.FLAG_FUA) && !frame.isFlushing && isChange(frame)) {
      frame.isFlushing = true;
      host.served().flushes++;
      store.flush(frame);
      return;
    }
    if (frame.isKept()) {
      underWay--;
      if (isChange(frame)) {
        changesUnderWay--;
      }
    }
    FrameType type = frame.type();
    if (type == FrameType.RELEASE) {
      isReleasing = false;
    }
    if (!error.isOk() || type == null) {
      if (type == FrameType.PROMISE && state == State.CLAIMING) {
        // Nothing was promised: the next claimant need not wait for this connection.
        state = State.GREETED;
        isLeaving = true;
      }
      answer(frame, error);
      return;
    }
    answerCompleted(type, frame);
  }

  private void answerCompleted(FrameType type, Frame frame) {
    IoError done =
        switch (type) {
          case READ -> data(frame, frame.length() / BLOCK_BYTES, frame.length());
          case BLOCK_HASHES, BLOCK_MAP -> data(frame, 0, frame.resultBytes());
          case PROMISE -> {
            if (state == State.CLAIMING) {
              state = State.OWNER;
            }
            host.publish();
            yield control(frame, host.info().write());
          }
          case RECORD -> {
            host.ownership().recorded(store.record());
            yield published(frame);
          }
          case RELEASE -> {
            if (state == State.OWNER) {
              state = State.GREETED;
            }
            isLeaving = true;
            yield published(frame);
          }
          case MARK_EQUAL, SNAPSHOT, INTENT_VALID_SINCE -> published(frame);
          default -> control(frame, NOTHING);
        };
    assert done.isOk();
  }

  private IoError published(Frame frame) {
    host.publish();
    return control(frame, NOTHING);
  }

  // ---- answers ---------------------------------------------------------------------------------

  private IoError data(Frame frame, int crcCount, int payloadBytes) {
    port.answerData(frame, generation, crcCount, payloadBytes);
    return IoError.OK;
  }

  private IoError control(Frame frame, FieldWriter fields) {
    return control(frame, fields.toBytes());
  }

  private IoError control(Frame frame, byte[] payload) {
    port.answerControl(frame, generation, IoError.OK, payload);
    return IoError.OK;
  }

  private void answer(Frame frame, IoError error) {
    port.answerControl(frame, generation, error, NOTHING);
  }

  private void answer(Frame frame, IoError error, String why) {
    port.answerControl(frame, generation, error, new FieldWriter().text(1, why).toBytes());
  }

  private void over(Frame frame, IoError error, String why) {
    answer(frame, error, why);
    end();
  }

  // ---- frames that stay ------------------------------------------------------------------------

  private @Nullable Frame keepChange(Frame frame) {
    Frame kept = keep(frame, 0);
    if (kept != null) {
      changesUnderWay++;
    }
    return kept;
  }

  private @Nullable Frame keep(Frame frame, int replyBytes) {
    Frame kept = port.keep(frame, replyBytes);
    if (kept == null) {
      over(frame, IoError.PROTOCOL, "more than " + ReplicaHost.CREDITS + " frames unanswered");
    } else {
      underWay++;
    }
    return kept;
  }

  private static boolean isChange(Frame frame) {
    FrameType type = frame.type();
    return type == FrameType.WRITE
        || type == FrameType.ZERO
        || type == FrameType.TRIM
        || type == FrameType.ABSENT;
  }

  /** Whole blocks of the volume, within one chunk. */
  private boolean isTransfer(Frame frame) {
    int length = frame.length();
    return isRange(frame)
        && length <= ReplicaStore.MAX_TRANSFER_BYTES
        && frame.offset() % ReplicaStore.MAX_TRANSFER_BYTES + length
            <= ReplicaStore.MAX_TRANSFER_BYTES;
  }

  /** Whole blocks of the volume. */
  private boolean isRange(Frame frame) {
    long offset = frame.offset();
    int length = frame.length();
    return length > 0
        && length % BLOCK_BYTES == 0
        && offset >= 0
        && offset % BLOCK_BYTES == 0
        && offset <= store.sizeBytes() - length;
  }
}
