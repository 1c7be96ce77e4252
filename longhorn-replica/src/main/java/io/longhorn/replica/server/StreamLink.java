package io.longhorn.replica.server;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.api.wire.FrameHeader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection over a socket and the one thread that serves it: it reads all that is there,
 * serves every complete frame itself, straight from the receive buffer and straight into the send
 * buffer, and sends the answers of one batch together. It waits in one receive call; only while
 * disk threads work for it does it wait for them as well.
 */
final class StreamLink implements Runnable, SessionPort, Ownership.Owner {
  /** What may arrive together. */
  private static final int RECEIVE_BYTES = 512 << 10;

  /** What may leave together. */
  private static final int SEND_BYTES = 512 << 10;

  private static final int PAGE_BYTES = 4096;

  /** Payloads of frames that stay come in these sizes, each with memory of its own. */
  private static final int[] KEPT_SIZES = {4 << 10, 32 << 10, 128 << 10};

  /** Memory for each of {@link #KEPT_SIZES}; where it is used up, the link reads no further. */
  private static final long[] KEPT_BYTES = {8L << 20, 8L << 20, 16L << 20};

  /** Heads of so many kept frames are made at a time. */
  private static final int HEADS = 64;

  private static final int KEPT_HEAD_BYTES = FrameHeader.BYTES + 4 * FrameHeader.MAX_CRCS;

  /** How long a connection may stay without HELLO. */
  private static final int HELLO_MILLIS = 10_000;

  private static final Logger LOG = LoggerFactory.getLogger(StreamLink.class);

  private final ReplicaHost host;
  private final Arena arena = Arena.ofShared();
  private final LinkSocket socket;
  private final Runnable whenOver;
  private final ReplicaSession session;
  private final FrameBuffer input = new FrameBuffer(arena, RECEIVE_BYTES);
  private final MemorySegment output = arena.allocate(SEND_BYTES, PAGE_BYTES);
  private final ByteBuffer outputView = output.asByteBuffer();
  private final long outputAddress = output.address();
  private final Crc32c crc = new Crc32c();
  private final Frame direct;
  private int outputEnd;
  private boolean isBroken;

  // Frames that stay: made as they are first needed.
  private final LoanPool[] loans = new LoanPool[KEPT_SIZES.length];
  private final ArrayDeque<Frame> freeFrames = new ArrayDeque<>();
  private MemorySegment heads = MemorySegment.NULL;
  private int keptFrames;
  // Whether the next frame waits for memory that kept frames have.
  private boolean isFull;

  // Whether somebody may close it to make room: it does not own, or want to.
  private volatile boolean isIdle = true;
  private volatile boolean isEnding;
  private volatile @Nullable IoError verdict;

  /**
   * A link over an accepted socket, which it closes in the end.
   *
   * @param whenOver called by the link's thread when nothing of it is left
   */
  StreamLink(ReplicaHost host, int fd, boolean isTcp, Runnable whenOver) {
    this.host = host;
    this.whenOver = whenOver;
    socket = new LinkSocket(fd, isTcp, arena);
    session = new ReplicaSession(host, this);
    direct = new Frame(session, false);
    for (int i = 0; i < loans.length; i++) {
      loans[i] = new LoanPool(KEPT_BYTES[i]);
    }
  }

  /** Whether the connection neither owns the replica nor waits to. Any thread. */
  boolean isIdle() {
    return isIdle;
  }

  @Override
  public void run() {
    boolean isSound = false;
    try {
      while (receive()) {
        serveAll();
      }
      isSound = true;
    } finally {
      if (isSound) {
        finish();
      } else {
        // A defect: what it had begun may never complete, so store and memory stay with it.
        socket.shutdown();
        whenOver.run();
      }
    }
  }

  /** Waits for bytes, or for disk threads to be done; false if the connection is over. */
  private boolean receive() {
    if (isStopped()) {
      return false;
    }
    input.makeRoom();
    int got;
    if (isFull) {
      awaitDisk();
      got = LinkSocket.WOKEN;
    } else if (!mustWatch()) {
      got = socket.receive(input.fillAddress(), input.room());
    } else {
      socket.watch();
      if (isWanted()) {
        socket.unwatch();
        got = LinkSocket.WOKEN;
      } else {
        int timeoutMillis = session.isGreeted() ? -1 : HELLO_MILLIS;
        got = socket.receiveOrWake(input.fillAddress(), input.room(), timeoutMillis);
      }
    }
    if (got < 0) {
      return false;
    }
    input.filled(got);
    return true;
  }

  /** Whether something other than the peer may want this thread. */
  private boolean mustWatch() {
    return !session.isGreeted()
        || session.underWay() > 0
        || (session.hasStore() && host.disk().outstanding() > 0);
  }

  private boolean isWanted() {
    return isEnding || verdict != null || (session.hasStore() && host.disk().hasPerformed());
  }

  private boolean isStopped() {
    return isEnding || isBroken || session.isOver();
  }

  private void serveAll() {
    while (!isStopped()) {
      int at = input.next();
      if (at == FrameBuffer.INCOMPLETE) {
        break;
      }
      if (at < 0) {
        refuse(at);
        break;
      }
      isFull = !decode(at);
      if (isFull) {
        break;
      }
      serve(direct);
      input.consume();
    }
    IoError decided = verdict;
    if (decided != null) {
      verdict = null;
      session.claimed(decided);
    }
    if (session.hasStore()) {
      host.disk().finish();
    }
    session.settle();
    if (isIdle == session.isOwner()) {
      isIdle = !session.isOwner();
    }
    flush();
  }

  /** Looks at a complete frame; false if it might have to stay and there is no memory for that. */
  private boolean decode(int at) {
    Frame frame = direct;
    frame.head = input.memory();
    frame.headAt = at;
    frame.decode();
    frame.body = input.memory();
    frame.bodyAt = at + (long) frame.headBytes();
    int size = keptSize(Math.max(frame.payloadBytes(), ReplicaSession.replyBytes(frame)));
    return size < 0 || loans[size].lent() < KEPT_BYTES[size] / KEPT_SIZES[size];
  }

  private void serve(Frame frame) {
    if (frame.crcCount() == 0 && frame.payloadBytes() > 0) {
      int sum = crc.of(input.view(), (int) frame.bodyAt, frame.payloadBytes());
      if (sum != FrameHeader.controlCrc(frame.head, frame.headAt)) {
        refuse(FrameBuffer.BAD);
        return;
      }
    }
    session.serve(frame);
  }

  /** Index of the smallest size that fits, -1 for none needed. */
  private static int keptSize(int bytes) {
    if (bytes == 0) {
      return -1;
    }
    for (int i = 0; i < KEPT_SIZES.length; i++) {
      if (bytes <= KEPT_SIZES[i]) {
        return i;
      }
    }
    throw new IllegalArgumentException(bytes + " bytes are more than a frame has");
  }

  /** The peer speaks something else: it is told if it can understand that, and the session ends. */
  private void refuse(int why) {
    if (why == FrameBuffer.UNKNOWN_VERSION) {
      Frame frame = direct;
      frame.head = input.memory();
      frame.headAt = input.begin();
      frame.decode();
      answerControl(frame, 0, IoError.UNKNOWN_VERSION, new byte[0]);
    } else {
      LOG.debug("a peer sent something that is no frame; its connection is closed");
    }
    session.end();
  }

  private void finish() {
    boolean isTold = session.isOver() && !isEnding;
    session.end();
    while (session.underWay() > 0) {
      awaitDisk();
      host.disk().finish();
    }
    session.settle();
    if (isTold) {
      flush();
      socket.linger(outputAddress, SEND_BYTES);
    }
    socket.close();
    for (LoanPool pool : loans) {
      pool.close();
    }
    arena.close();
    whenOver.run();
  }

  /** Waits until disk threads have done something, or this link is to end. */
  private void awaitDisk() {
    socket.watch();
    if (isWanted()) {
      socket.unwatch();
    } else {
      socket.awaitWake();
    }
  }

  // ---- SessionPort -----------------------------------------------------------------------------

  @Override
  public void place(Frame frame, int crcCount, int payloadBytes) {
    Loan loan = frame.loan;
    if (loan != null) {
      frame.replyHead = frame.head;
      frame.replyHeadAt = frame.headAt;
      frame.replyBody = loan.segment();
      frame.replyBodyAt = 0;
      return;
    }
    int headBytes = FrameHeader.BYTES + 4 * crcCount;
    makeOutputRoom(headBytes + payloadBytes);
    frame.replyHead = output;
    frame.replyHeadAt = outputEnd;
    frame.replyBody = output;
    frame.replyBodyAt = outputEnd + (long) headBytes;
  }

  @Override
  public @Nullable Frame keep(Frame frame, int replyBytes) {
    if (frame.isKept()) {
      throw new IllegalStateException("frame kept twice");
    }
    Frame kept = freeFrames.pollLast();
    if (kept == null) {
      if (keptFrames == ReplicaHost.CREDITS) {
        return null;
      }
      kept = new Frame(session, true);
      if (keptFrames % HEADS == 0) {
        heads = arena.allocate((long) HEADS * KEPT_HEAD_BYTES, 64);
      }
      kept.head = heads;
      kept.headAt = (long) (keptFrames % HEADS) * KEPT_HEAD_BYTES;
      keptFrames++;
    }
    MemorySegment.copy(frame.head, frame.headAt, kept.head, kept.headAt, frame.headBytes());
    kept.decode();
    int size = keptSize(Math.max(frame.payloadBytes(), replyBytes));
    if (size >= 0) {
      Loan loan = loans[size].take(KEPT_SIZES[size]);
      if (loan == null) {
        throw new IllegalStateException(
            loans[size].lent() + " payloads of " + KEPT_SIZES[size] + " bytes are lent");
      }
      kept.loan = loan;
      kept.body = loan.segment();
      kept.bodyAt = 0;
      MemorySegment.copy(frame.body, frame.bodyAt, kept.body, 0, frame.payloadBytes());
    }
    return kept;
  }

  @Override
  public void answerData(Frame frame, long generation, int crcCount, int payloadBytes) {
    int headBytes = FrameHeader.BYTES + 4 * crcCount;
    if (frame.isKept()) {
      makeOutputRoom(headBytes + payloadBytes);
      MemorySegment.copy(
          frame.replyHead,
          frame.replyHeadAt + FrameHeader.BYTES,
          output,
          outputEnd + (long) FrameHeader.BYTES,
          headBytes - FrameHeader.BYTES);
      MemorySegment.copy(
          frame.replyBody, frame.replyBodyAt, output, outputEnd + (long) headBytes, payloadBytes);
    } else if (frame.replyHeadAt != outputEnd) {
      throw new IllegalStateException(
          "answer placed at " + frame.replyHeadAt + ", but the output ends at " + outputEnd);
    }
    int sum =
        crcCount == 0 && payloadBytes > 0
            ? crc.of(outputView, outputEnd + headBytes, payloadBytes)
            : 0;
    finishAnswer(frame, generation, IoError.OK, crcCount, payloadBytes, sum);
  }

  @Override
  public void answerControl(Frame frame, long generation, IoError status, byte[] payload) {
    makeOutputRoom(FrameHeader.BYTES + payload.length);
    int sum = 0;
    if (payload.length > 0) {
      int bodyAt = outputEnd + FrameHeader.BYTES;
      MemorySegment.copy(payload, 0, output, ValueLayout.JAVA_BYTE, bodyAt, payload.length);
      sum = crc.of(outputView, bodyAt, payload.length);
    }
    finishAnswer(frame, generation, status, 0, payload.length, sum);
  }

  private void finishAnswer(
      Frame frame, long generation, IoError status, int crcCount, int payloadBytes, int sum) {
    FrameHeader.writeReply(
        output, outputEnd, frame.typeCode(), generation, frame.sequence(), status.code());
    FrameHeader.payload(output, outputEnd, crcCount, payloadBytes);
    FrameHeader.controlCrc(output, outputEnd, sum);
    FrameHeader.seal(output, outputView, outputEnd, crc);
    outputEnd += FrameHeader.BYTES + 4 * crcCount + payloadBytes;
    if (frame.isKept()) {
      drop(frame);
    }
  }

  @Override
  public void drop(Frame frame) {
    Loan loan = frame.loan;
    if (loan != null) {
      frame.loan = null;
      loan.close();
    }
    freeFrames.addLast(frame);
  }

  @Override
  public byte[] control(Frame frame) {
    return frame.body.asSlice(frame.bodyAt, frame.payloadBytes()).toArray(ValueLayout.JAVA_BYTE);
  }

  @Override
  public Ownership.Owner owner() {
    return this;
  }

  @Override
  public DiskThreads.Waker waker() {
    return socket;
  }

  // ---- Ownership.Owner -------------------------------------------------------------------------

  @Override
  public void end() {
    isEnding = true;
    socket.shutdown();
    socket.wake();
  }

  @Override
  public void claimed(IoError decided) {
    verdict = decided;
    socket.wake();
  }

  // ---- output ----------------------------------------------------------------------------------

  private void makeOutputRoom(int bytes) {
    if (SEND_BYTES - outputEnd < bytes) {
      flush();
    }
  }

  private void flush() {
    int length = outputEnd;
    outputEnd = 0;
    if (length > 0 && !isBroken && !isEnding && !socket.send(outputAddress, length)) {
      isBroken = true;
    }
  }
}
