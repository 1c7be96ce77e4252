package io.longhorn.engine.link;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.replica.FrameExchange;
import io.longhorn.api.replica.LocalReplica;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.replication.FrameDraft;
import io.longhorn.engine.transport.VolumeLoop;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jctools.queues.varhandle.MpscVarHandleArrayQueue;

/**
 * A connection to a replica inside this JVM: the same frames, handed over with their memory instead
 * of sent. Answers come from the replica's thread through one bounded queue, as many in one turn as
 * there are.
 */
public final class LocalReplicaConnection implements ReplicaConnection, LocalReplica.Listener {
  /**
   * Frames unanswered at most; also the length of the queue of answers, which therefore never
   * refuses.
   */
  private static final int MAX_UNANSWERED = 2048;

  private static final byte[] NOTHING = {};

  private final VolumeLoop loop;
  private final LinkListener listener;
  private final Arena arena = Arena.ofAuto();
  private final MpscVarHandleArrayQueue<FrameExchange> answers =
      new MpscVarHandleArrayQueue<>(MAX_UNANSWERED);
  private final AtomicBoolean isScheduled = new AtomicBoolean();
  private final Runnable take = this::take;
  private final ArrayDeque<FrameExchange> idle = new ArrayDeque<>();
  private final List<FrameExchange> made = new ArrayList<>();
  private final ControlCalls calls = new ControlCalls();
  private final Crc32c crc = new Crc32c();
  private final LocalReplica.LocalConnection connection;
  private long generation;
  private boolean isOver;

  /** Connects; loop thread only. */
  public LocalReplicaConnection(VolumeLoop loop, LocalReplica replica, LinkListener listener) {
    this.loop = loop;
    this.listener = listener;
    this.connection = replica.connect(this);
  }

  @Override
  public void send(FrameDraft frame) {
    FrameExchange exchange = exchange(frame.type(), frame.flags(), frame.sequence());
    FrameHeader.range(exchange.head(), 0, frame.offset(), frame.length());
    FrameHeader.layer(exchange.head(), 0, frame.layer());
    Loan data = frame.data();
    if (data != null) {
      int crcs = frame.length() / Crc32c.BLOCK_BYTES;
      for (int i = 0; i < crcs; i++) {
        FrameHeader.blockCrc(exchange.head(), 0, i, frame.crcs()[i]);
      }
      FrameHeader.payload(exchange.head(), 0, crcs, frame.length());
      lend(exchange, data, frame.dataAt());
    } else {
      Loan target = listener.target(frame.sequence());
      if (target != null) {
        lend(exchange, target, 0);
      }
    }
    hand(exchange);
  }

  private static void lend(FrameExchange exchange, Loan loan, int at) {
    loan.retain();
    exchange.attachment(loan);
    exchange.payload(loan.segment(), loan.buffer(), at);
  }

  @Override
  public void control(ControlFrame frame, ControlReply reply) {
    if (isOver) {
      reply.answered(IoError.DISCONNECTED, NOTHING);
      return;
    }
    FrameExchange exchange = exchange(frame.type(), 0, calls.add(reply));
    FrameHeader.range(exchange.head(), 0, frame.offset(), frame.length());
    FrameHeader.operation(exchange.head(), 0, frame.operation());
    FrameHeader.payload(exchange.head(), 0, 0, frame.payload().length);
    exchange.control(frame.payload());
    hand(exchange);
  }

  private FrameExchange exchange(FrameType type, int flags, long sequence) {
    FrameExchange exchange = idle.poll();
    if (exchange == null) {
      exchange = new FrameExchange(arena);
      made.add(exchange);
    }
    FrameHeader.write(exchange.head(), 0, type, flags, generation, sequence);
    return exchange;
  }

  private void hand(FrameExchange exchange) {
    if (made.size() > MAX_UNANSWERED || isOver || !connection.send(exchange)) {
      giveBack(exchange);
      close("the replica takes no more frames");
    }
  }

  private void giveBack(FrameExchange exchange) {
    if (exchange.attachment() instanceof Loan loan) {
      loan.close();
    }
    exchange.attachment(null);
    exchange.noPayload();
    idle.push(exchange);
  }

  // ---- answers --------------------------------------------------------------------------------

  @Override
  public void answered(FrameExchange exchange) {
    if (!answers.offer(exchange)) {
      throw new IllegalStateException("more answers than frames");
    }
    if (isScheduled.compareAndSet(false, true)) {
      loop.execute(take);
    }
  }

  @Override
  public void closed() {
    loop.execute(this::over);
  }

  private void take() {
    isScheduled.set(false);
    for (FrameExchange exchange = answers.poll(); exchange != null; exchange = answers.poll()) {
      if (!isOver) {
        taken(exchange);
      }
    }
  }

  private void taken(FrameExchange exchange) {
    long sequence = FrameHeader.sequence(exchange.head(), 0);
    IoError status = IoError.ofCode(FrameHeader.status(exchange.head(), 0));
    if (ControlCalls.isControl(sequence)) {
      ControlReply reply = calls.remove(sequence);
      byte[] payload = exchange.control();
      giveBack(exchange);
      if (reply != null) {
        reply.answered(status, payload);
      }
      return;
    }
    int length = FrameHeader.payloadLength(exchange.head(), 0);
    if (status == IoError.OK
        && FrameHeader.typeCode(exchange.head(), 0) == FrameType.READ.code()
        && exchange.attachment() instanceof Loan loan
        && !isIntact(exchange, loan, length)) {
      status = IoError.CHECKSUM;
    }
    giveBack(exchange);
    listener.answered(sequence, status, length);
  }

  private boolean isIntact(FrameExchange exchange, Loan loan, int length) {
    for (int i = 0; i < length / Crc32c.BLOCK_BYTES; i++) {
      if (crc.of(loan.buffer(), i * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES)
          != FrameHeader.blockCrc(exchange.head(), 0, i)) {
        return false;
      }
    }
    return true;
  }

  /** The replica said that it touches nothing any more. */
  private void over() {
    if (isOver) {
      return;
    }
    take();
    isOver = true;
    for (FrameExchange exchange : made) {
      if (exchange.attachment() instanceof Loan loan) {
        exchange.attachment(null);
        loan.close();
      }
    }
    calls.failAll();
    listener.closed("the replica is gone");
  }

  @Override
  public void generation(long promised) {
    generation = promised;
  }

  @Override
  public boolean isLocal() {
    return true;
  }

  @Override
  public void close(String reason) {
    connection.close();
  }
}
