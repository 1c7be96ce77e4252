package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.api.memory.Loan;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;

/** Keeps what a session appended, by reference where it is by reference, until it is sent. */
@SuppressWarnings("ArrayRecordComponent") // bytes of a wire, held briefly
final class RecordingOutbound implements Outbound {
  private record Part(byte[] copied, Loan loan, int at, int length) {}

  private final ArrayDeque<Part> queue = new ArrayDeque<>();
  private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
  private long queued;
  private long congestedAbove = Long.MAX_VALUE;
  private String closed;

  void congestedAbove(long bytes) {
    congestedAbove = bytes;
  }

  @Override
  public void copy(MemorySegment source, int length) {
    check();
    byte[] bytes = new byte[length];
    MemorySegment.copy(source, ValueLayout.JAVA_BYTE, 0, bytes, 0, length);
    queue.add(new Part(bytes, null, 0, length));
    queued += length;
  }

  @Override
  public void append(Loan loan, int at, int length) {
    check();
    loan.retain();
    queue.add(new Part(null, loan, at, length));
    queued += length;
  }

  private void check() {
    if (closed != null) {
      throw new IllegalStateException("appended after close: " + closed);
    }
  }

  @Override
  public boolean isCongested() {
    return queued > congestedAbove;
  }

  @Override
  public void close(String reason) {
    if (closed != null) {
      throw new IllegalStateException("closed twice: " + closed + ", " + reason);
    }
    closed = reason;
  }

  String closeReason() {
    return closed;
  }

  long queuedBytes() {
    return queued;
  }

  /** The bytes leave. */
  void send() {
    for (Part part = queue.poll(); part != null; part = queue.poll()) {
      if (part.loan() == null) {
        sent.writeBytes(part.copied());
      } else {
        byte[] bytes = new byte[part.length()];
        part.loan().buffer().get(part.at(), bytes);
        sent.writeBytes(bytes);
        part.loan().close();
      }
    }
    queued = 0;
  }

  /** The connection broke: nothing of the queue will leave. */
  void drop() {
    for (Part part = queue.poll(); part != null; part = queue.poll()) {
      if (part.loan() != null) {
        part.loan().close();
      }
    }
    queued = 0;
  }

  /** What has left since the last call. */
  byte[] takeSent() {
    byte[] bytes = sent.toByteArray();
    sent.reset();
    return bytes;
  }
}
