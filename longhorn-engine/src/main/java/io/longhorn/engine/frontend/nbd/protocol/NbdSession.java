package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.engine.request.VolumePort;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * One client's connection to the export, from the greeting to the last answer. Pure: bytes come in
 * by {@link #consume}, requests go to the port, answers to the outbound. Loop thread only.
 *
 * <p>No sequence of bytes makes it throw, or allocate by a length that a client names. It stops
 * taking bytes when the port has no credits, the outbound is congested or too many commands are
 * unanswered: then {@link #isBlocked} is true, and the owner calls {@link #resume} and {@link
 * #consume} with the bytes that were left whenever something has moved.
 *
 * <p>The port belongs to this session and needs at least {@link #MIN_CREDITS} credits.
 */
public final class NbdSession {
  /** What the owner's receive buffer has to hold at least: the longest message kept whole. */
  public static final int MIN_RECEIVE_BYTES = Nbd.OPTION_BYTES + Handshake.MAX_OPTION_BYTES;

  /** Fewest credits of a port: a read in one fragment is kept until all of it is there. */
  public static final int MIN_CREDITS = 2 * Command.MAX_KEPT;

  /**
   * Most bytes that are copied out between two looks at {@link Outbound#isCongested}: the replies
   * of all commands under way, one of them a long BLOCK_STATUS.
   */
  public static final int MAX_SMALL_BYTES_AFTER_CONGESTION =
      Transmission.MAX_COMMANDS * (Nbd.CHUNK_HEADER_BYTES + 8 + Faults.MAX_MESSAGE_BYTES)
          + StatusQuery.MAX_EXTENTS * 8
          + Handshake.MAX_OPTIONS * 1024;

  private final VolumePort port;
  private final Outbound outbound;
  private final Handshake handshake;
  private @Nullable Transmission transmission;
  private boolean isStopping;
  private boolean isGone;

  /** A session that has sent nothing yet. */
  public NbdSession(NbdExport export, VolumePort port, Outbound outbound) {
    this.port = port;
    this.outbound = outbound;
    handshake = new Handshake(export, port.sizeBytes(), outbound);
  }

  /** Sends the greeting. Called once, first. */
  public void start() {
    handshake.greet();
  }

  /**
   * Takes received bytes, by absolute position; the buffer is big-endian and borrowed until the
   * call returns.
   *
   * @return the position up to which bytes were taken; the rest has to be offered again, with more
   *     behind it
   */
  public int consume(ByteBuffer in, int from, int to) {
    if (isGone) {
      return to;
    }
    Transmission active = transmission;
    if (active != null) {
      return active.consume(in, from, to);
    }
    int at = handshake.consume(in, from, to);
    if (handshake.phase() != Handshake.Phase.TRANSMISSION) {
      return at;
    }
    active = new Transmission(port, outbound, handshake.isStructured(), handshake.hasContext());
    transmission = active;
    if (isStopping) {
      active.stop();
    }
    return active.consume(in, at, to);
  }

  /** Whether it takes no bytes, or no credits, until something has moved. */
  public boolean isBlocked() {
    Transmission active = transmission;
    return active != null && !isGone && active.isBlocked();
  }

  /** Whether the client has finished the handshake. */
  public boolean isTransmitting() {
    return transmission != null;
  }

  /** Goes on with what was blocked; the owner then offers the bytes it has left. */
  public void resume() {
    Transmission active = transmission;
    if (active != null && !isGone) {
      active.resume();
    }
  }

  /**
   * The server is being shut down: what is under way is answered, everything else refused, and then
   * the outbound is closed. A client in the handshake is refused with its next option.
   */
  public void stop() {
    isStopping = true;
    handshake.stop();
    Transmission active = transmission;
    if (active != null && !isGone) {
      active.stop();
    }
  }

  /**
   * The connection is gone, whoever closed it. Requests under way go on and are released as they
   * complete; what was not submitted is released now. Idempotent.
   */
  public void disconnected() {
    if (isGone) {
      return;
    }
    isGone = true;
    Transmission active = transmission;
    if (active != null) {
      active.disconnected();
    }
    port.close();
  }

  /** Whether it is gone and nothing of it is with the volume any more. */
  public boolean isFinished() {
    return isGone && port.taken() == 0;
  }
}
