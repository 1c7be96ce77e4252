package io.longhorn.engine.frontend.nbd;

import io.longhorn.api.memory.Loan;
import io.longhorn.engine.frontend.nbd.protocol.NbdExport;
import io.longhorn.engine.frontend.nbd.protocol.NbdSession;
import io.longhorn.engine.frontend.nbd.protocol.Outbound;
import io.longhorn.engine.request.VolumePort;
import io.longhorn.engine.transport.Stream;
import io.longhorn.engine.transport.StreamHandler;
import io.longhorn.engine.transport.VolumeLoop;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A client's socket and its session: one receive buffer between the two, and a look at the end of
 * each turn whether a session that had stopped for want of credits or room can go on. Loop only.
 */
final class NbdConnection implements StreamHandler, Outbound, VolumeLoop.TurnListener {
  private static final Logger LOG = LoggerFactory.getLogger(NbdConnection.class);

  /** What one read can bring: two chunks of a large write. */
  private static final int RECEIVE_BYTES = 256 << 10;

  /** Left-over bytes up to this many are moved to the front at once: cheaper than a short read. */
  private static final int CHEAP_MOVE_BYTES = 4096;

  /** How long a client may take for its handshake. */
  private static final long HANDSHAKE_MILLIS = 60_000;

  /** How long a client may take to read the last answers. */
  private static final long DRAIN_MILLIS = 10_000;

  static {
    assert Stream.CONGESTED_COPIED_BYTES + NbdSession.MAX_SMALL_BYTES_AFTER_CONGESTION
        < Stream.COPY_RING_BYTES;
    assert RECEIVE_BYTES >= NbdSession.MIN_RECEIVE_BYTES;
  }

  private final VolumeLoop loop;
  private final NbdServer server;
  private final Stream stream;
  private final VolumePort port;
  private final NbdSession session;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory = arena.allocate(RECEIVE_BYTES, 64);
  private final ByteBuffer buffer = memory.asByteBuffer();
  private final long address = memory.address();

  private int head;
  private int tail;
  private long appended;
  private boolean isPaused;
  private boolean isClosing;
  private boolean isClosed;

  NbdConnection(
      VolumeLoop loop, NbdServer server, Stream stream, NbdExport export, VolumePort port) {
    this.loop = loop;
    this.server = server;
    this.stream = stream;
    this.port = port;
    session = new NbdSession(export, port, this);
  }

  void start() {
    loop.onTurnEnd(this);
    loop.after(
        HANDSHAKE_MILLIS,
        () -> {
          if (!session.isTransmitting()) {
            stream.close("no end of the handshake in " + HANDSHAKE_MILLIS + " ms");
          }
        });
    session.start();
  }

  /** Answers what is under way, then closes. */
  void stop() {
    session.stop();
  }

  void closeNow(String reason) {
    stream.close(reason);
  }

  boolean isFinished() {
    return isClosed && session.isFinished();
  }

  // Bytes in

  @Override
  public long receiveAddress() {
    return address + tail;
  }

  @Override
  public int receiveCapacity() {
    isPaused = isClosing || session.isBlocked() || tail == RECEIVE_BYTES;
    return isPaused ? 0 : RECEIVE_BYTES - tail;
  }

  @Override
  public void received(int count) {
    tail += count;
    var _ = offer();
  }

  /** Returns how many bytes the session took. */
  private int offer() {
    int before = head;
    head = session.consume(buffer, head, tail);
    int taken = head - before;
    int left = tail - head;
    if (left <= CHEAP_MOVE_BYTES || tail == RECEIVE_BYTES) {
      if (left > 0 && head > 0 && !isClosed) {
        MemorySegment.copy(memory, head, memory, 0, left);
      }
      head = 0;
      tail = left;
    }
    return taken;
  }

  @Override
  public void writable() {
    // Told while the turn's output leaves, perhaps after this connection was looked at.
    anotherTurn();
  }

  @Override
  public void turnEnded() {
    if (session.isBlocked() && !isClosed) {
      goOn();
    }
    if (isPaused && !isClosing && !isClosed && !session.isBlocked()) {
      isPaused = false;
      stream.resumeReading();
    }
  }

  private void goOn() {
    long before = appended;
    int taken = port.taken();
    session.resume();
    boolean hasMoved = !isClosed && offer() > 0;
    if (!isClosed && (hasMoved || appended != before || port.taken() != taken)) {
      anotherTurn();
    }
  }

  /**
   * What has just been appended, here or to a replica's link, leaves at the end of a turn: there
   * must be one before the loop waits.
   */
  private void anotherTurn() {
    loop.execute(() -> {});
  }

  @Override
  public void closed(String reason) {
    isClosed = true;
    loop.removeOnTurnEnd(this);
    session.disconnected();
    LOG.debug("{}: {}", stream.peer(), reason);
    server.gone(this);
    // A caller further up may still hold positions in the buffer.
    loop.execute(arena::close);
  }

  // Bytes out

  @Override
  public void copy(MemorySegment source, int length) {
    appended += length;
    if (!stream.copy(source, 0, length) && stream.isOpen()) {
      throw new IllegalStateException("no room for a reply: the session did not stop in time");
    }
  }

  @Override
  public void append(Loan loan, int at, int length) {
    appended += length;
    stream.append(loan, at, length);
  }

  @Override
  public boolean isCongested() {
    return stream.isCongested();
  }

  /** The session is over: the last answers leave, within a bound. */
  @Override
  public void close(String reason) {
    isClosing = true;
    loop.after(DRAIN_MILLIS, () -> stream.close(reason + ", and the client did not read the rest"));
    stream.closeWhenSent(reason);
  }
}
