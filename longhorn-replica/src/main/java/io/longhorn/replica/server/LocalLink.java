package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicLong;
import org.jctools.queues.varhandle.SpscVarHandleArrayQueue;
import org.jspecify.annotations.Nullable;

/**
 * One connection inside this JVM: a bounded queue of exchanges into the replica's thread, and the
 * session that serves them in place. {@link #send} and {@link #close} are the engine's side; all
 * else is the replica's thread.
 */
final class LocalLink implements LocalReplica.LocalConnection, SessionPort, Ownership.Owner {
  private static final byte[] NOTHING = {};

  private final HostedReplica replica;
  private final ReplicaHost host;
  private final LocalReplica.Listener listener;
  private final ReplicaSession session;
  private final SpscVarHandleArrayQueue<FrameExchange> incoming =
      new SpscVarHandleArrayQueue<>(ReplicaHost.CREDITS);
  private final ArrayDeque<Frame> freeFrames = new ArrayDeque<>(ReplicaHost.CREDITS);

  // Of the sender.
  private long sent;
  // Written by the replica's thread alone.
  private final AtomicLong answered = new AtomicLong();

  private volatile boolean isEnding;
  private volatile boolean isEnded;
  private volatile @Nullable IoError verdict;

  LocalLink(HostedReplica replica, ReplicaHost host, LocalReplica.Listener listener) {
    this.replica = replica;
    this.host = host;
    this.listener = listener;
    session = new ReplicaSession(host, this);
  }

  // ---- the engine's side -----------------------------------------------------------------------

  @Override
  public boolean send(FrameExchange exchange) {
    requireMemory(exchange);
    if (isEnding || isEnded || sent - answered.getAcquire() >= ReplicaHost.CREDITS) {
      return false;
    }
    if (!incoming.offer(exchange)) {
      return false;
    }
    sent++;
    replica.wake();
    return true;
  }

  /** Lengths in a header of our own JVM that do not fit its memory are a defect of the sender. */
  private static void requireMemory(FrameExchange exchange) {
    MemorySegment head = exchange.head();
    int crcCount = FrameHeader.crcCount(head, 0);
    int payloadBytes = FrameHeader.payloadLength(head, 0);
    int type = FrameHeader.typeCode(head, 0);
    long needed = type == FrameType.READ.code() ? FrameHeader.length(head, 0) : payloadBytes;
    long there =
        exchange.hasPayload()
            ? exchange.payload().byteSize() - exchange.payloadAt()
            : exchange.control().length;
    if (crcCount < 0
        || crcCount > FrameHeader.MAX_CRCS
        || payloadBytes < 0
        || payloadBytes > FrameHeader.MAX_PAYLOAD_BYTES
        || needed > there) {
      throw new IllegalArgumentException(
          "exchange of type "
              + type
              + " with "
              + crcCount
              + " CRCs and "
              + needed
              + " bytes of payload has memory for "
              + there);
    }
  }

  @Override
  public void close() {
    end();
  }

  // ---- the replica's thread --------------------------------------------------------------------

  /** Whether {@link #serve} has something to do. */
  boolean hasWork() {
    if (verdict != null || (session.hasStore() && host.disk().hasPerformed())) {
      return true;
    }
    // A connection that ends waits for what is under way, and takes nothing any more.
    return isStopped() ? !session.isOver() || session.underWay() == 0 : !incoming.isEmpty();
  }

  /**
   * Serves what has come and finishes what disk threads have done.
   *
   * @return false when the connection is over, nothing of it is under way, and the engine was told
   */
  boolean serve() {
    IoError decided = verdict;
    if (decided != null) {
      verdict = null;
      session.claimed(decided);
    }
    // As many as can be in the queue: the other connections have their turn.
    for (int i = 0; i < ReplicaHost.CREDITS && !isStopped(); i++) {
      FrameExchange exchange = incoming.poll();
      if (exchange == null) {
        break;
      }
      session.serve(frame(exchange));
    }
    if (session.hasStore()) {
      host.disk().finish();
    }
    session.settle();
    if (!isStopped()) {
      return true;
    }
    session.end();
    if (session.underWay() > 0) {
      return true;
    }
    session.settle();
    ended();
    return false;
  }

  /** Tells the engine that the connection is over. */
  void ended() {
    if (!isEnded) {
      isEnded = true;
      listener.closed();
    }
  }

  private boolean isStopped() {
    return isEnding || session.isOver();
  }

  private Frame frame(FrameExchange exchange) {
    Frame frame = freeFrames.pollLast();
    if (frame == null) {
      frame = new Frame(session, true);
    }
    frame.exchange = exchange;
    frame.head = exchange.head();
    frame.headAt = 0;
    if (exchange.hasPayload()) {
      frame.body = exchange.payload();
      frame.bodyAt = exchange.payloadAt();
    } else if (exchange.control().length > 0) {
      frame.body = nativeCopy(exchange.control());
      frame.bodyAt = 0;
    }
    frame.decode();
    return frame;
  }

  private static MemorySegment nativeCopy(byte[] bytes) {
    MemorySegment copy = Arena.ofAuto().allocate(bytes.length, 8);
    MemorySegment.copy(bytes, 0, copy, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return copy;
  }

  private static FrameExchange exchangeOf(Frame frame) {
    FrameExchange exchange = frame.exchange;
    if (exchange == null) {
      throw new IllegalStateException("frame answered twice");
    }
    return exchange;
  }

  // ---- SessionPort -----------------------------------------------------------------------------

  @Override
  public void place(Frame frame, int crcCount, int payloadBytes) {
    FrameExchange exchange = exchangeOf(frame);
    frame.replyHead = exchange.head();
    frame.replyHeadAt = 0;
    if (exchange.hasPayload()
        && exchange.payload().byteSize() - exchange.payloadAt() >= payloadBytes) {
      frame.replyBody = exchange.payload();
      frame.replyBodyAt = exchange.payloadAt();
    } else {
      frame.replyBody = Arena.ofAuto().allocate(payloadBytes, 8);
      frame.replyBodyAt = 0;
    }
  }

  @Override
  public Frame keep(Frame frame, int replyBytes) {
    return frame;
  }

  @Override
  public void answerData(Frame frame, long generation, int crcCount, int payloadBytes) {
    FrameExchange exchange = exchangeOf(frame);
    boolean isInPlace =
        exchange.hasPayload() && exchange.payload().address() == frame.replyBody.address();
    byte[] copied =
        isInPlace
            ? NOTHING
            : frame
                .replyBody
                .asSlice(frame.replyBodyAt, payloadBytes)
                .toArray(ValueLayout.JAVA_BYTE);
    answer(frame, generation, IoError.OK, crcCount, payloadBytes, copied);
  }

  @Override
  public void answerControl(Frame frame, long generation, IoError status, byte[] payload) {
    answer(frame, generation, status, 0, payload.length, payload);
  }

  private void answer(
      Frame frame,
      long generation,
      IoError status,
      int crcCount,
      int payloadBytes,
      byte[] control) {
    FrameExchange exchange = exchangeOf(frame);
    if (isEnding) {
      // The engine was told, or is about to be, that nothing more comes.
      drop(frame);
      return;
    }
    MemorySegment head = exchange.head();
    FrameHeader.writeReply(head, 0, frame.typeCode(), generation, frame.sequence(), status.code());
    FrameHeader.payload(head, 0, crcCount, payloadBytes);
    exchange.control(control);
    drop(frame);
    answered.setRelease(answered.getPlain() + 1);
    listener.answered(exchange);
  }

  @Override
  public void drop(Frame frame) {
    frame.exchange = null;
    freeFrames.addLast(frame);
  }

  @Override
  public byte[] control(Frame frame) {
    FrameExchange exchange = exchangeOf(frame);
    return exchange.hasPayload()
        ? frame.body.asSlice(frame.bodyAt, frame.payloadBytes()).toArray(ValueLayout.JAVA_BYTE)
        : exchange.control();
  }

  @Override
  public Ownership.Owner owner() {
    return this;
  }

  @Override
  public DiskThreads.Waker waker() {
    return replica::wake;
  }

  // ---- Ownership.Owner -------------------------------------------------------------------------

  @Override
  public void end() {
    isEnding = true;
    replica.wake();
  }

  @Override
  public void claimed(IoError decided) {
    verdict = decided;
    replica.wake();
  }
}
