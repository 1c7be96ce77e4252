package io.longhorn.orchestration.call;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.WireFormatException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One connection to a {@link CallServer}. Any thread may call; calls wait for their turn, so a long
 * poll wants a client of its own. What a peer refuses leaves the connection as it is; what breaks
 * the connection or the protocol, or takes too long, closes it, and from then on every call is
 * DISCONNECTED: connect anew. A thread that is interrupted while it calls loses the connection.
 */
public final class CallClient implements AutoCloseable {
  private final CallAddress address;
  private final SocketChannel channel;
  private final ReentrantLock turn = new ReentrantLock();
  private long sequence;

  private CallClient(CallAddress address, SocketChannel channel) {
    this.address = address;
    this.channel = channel;
  }

  /**
   * Connects.
   *
   * @param timeout longest wait
   * @throws VolumeException DISCONNECTED if nobody is there, TIMEOUT, INVALID if there is no such
   *     host
   */
  public static CallClient connect(CallAddress address, Duration timeout) {
    var peer = address.socketAddress();
    try {
      SocketChannel channel =
          switch (address) {
            case CallAddress.Unix _ -> SocketChannel.open(StandardProtocolFamily.UNIX);
            case CallAddress.Tcp _ -> SocketChannel.open();
          };
      Deadline deadline = new Deadline(channel, timeout);
      try {
        channel.connect(peer);
        if (address instanceof CallAddress.Tcp) {
          channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        }
      } catch (IOException | RuntimeException e) {
        channel.close();
        if (!deadline.finish()) {
          throw Deadline.timeout("cannot connect to " + address, timeout);
        }
        throw e;
      }
      if (!deadline.finish()) {
        throw Deadline.timeout("cannot connect to " + address, timeout);
      }
      return new CallClient(address, channel);
    } catch (IOException e) {
      throw new VolumeException(
          IoError.DISCONNECTED, "cannot connect to " + address + ": " + e.getMessage(), e);
    }
  }

  /**
   * Asks and waits for the answer.
   *
   * @param timeout longest wait, from when it is this call's turn
   * @return the fields of the answer
   * @throws VolumeException the peer's error with its message; DISCONNECTED: the call may have
   *     happened or not; TIMEOUT: the same, and the connection is closed; PROTOCOL
   */
  public FieldReader call(FrameType type, FieldWriter request, Duration timeout) {
    byte[] payload = request.toBytes();
    turn.lock();
    try {
      return exchange(type, payload, timeout);
    } finally {
      turn.unlock();
    }
  }

  /** Whether nothing has closed it yet; a peer that has gone shows at the next call. */
  public boolean isOpen() {
    return channel.isOpen();
  }

  /** Whom it calls. */
  public CallAddress address() {
    return address;
  }

  /** Closes; a call that waits ends as DISCONNECTED. Idempotent. */
  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException _) {
      // It is closed all the same.
    }
  }

  private FieldReader exchange(FrameType type, byte[] payload, Duration timeout) {
    sequence++;
    Deadline deadline = new Deadline(channel, timeout);
    CallFrame reply;
    try {
      reply = send(CallFrame.request(type, sequence, payload));
    } catch (IOException e) {
      close();
      if (!deadline.finish()) {
        throw Deadline.timeout(address + ", " + type, timeout);
      }
      String why = e.getMessage() == null ? "it is closed" : e.getMessage();
      throw new VolumeException(
          IoError.DISCONNECTED, "the connection to " + address + " broke: " + why, e);
    } catch (WireFormatException e) {
      deadline.finish();
      throw broken(String.valueOf(e.getMessage()), e);
    }
    if (!deadline.finish()) {
      throw Deadline.timeout(address + ", " + type, timeout);
    }
    return understand(type, reply);
  }

  private CallFrame send(CallFrame request) throws IOException {
    try {
      request.write(channel);
    } catch (IOException e) {
      return lastWords(e);
    }
    return CallFrame.read(channel);
  }

  /** A server that does not take the connection says why before it closes it. */
  private CallFrame lastWords(IOException broken) throws IOException {
    try {
      return CallFrame.read(channel);
    } catch (IOException e) {
      broken.addSuppressed(e);
      throw broken;
    }
  }

  private FieldReader understand(FrameType type, CallFrame reply) {
    boolean isAboutConnection = reply.sequence() == CallServer.NO_CALL;
    boolean isAnswer = reply.sequence() == sequence && reply.typeCode() == type.code();
    if (!reply.isReply() || !(isAboutConnection || isAnswer)) {
      throw broken("it answered another call", null);
    }
    IoError error = IoError.ofCode(reply.status());
    if (isAboutConnection && error.isOk()) {
      throw broken("it answered no call", null);
    }
    if (isAboutConnection || error == IoError.PROTOCOL || error == IoError.UNKNOWN_VERSION) {
      close();
    }
    FieldReader fields;
    String message;
    try {
      fields = new FieldReader(reply.payload());
      message =
          error.isOk()
              ? ""
              : fields.optionalText(1).orElse(address + " answered " + type + " with " + error);
    } catch (WireFormatException e) {
      throw broken(String.valueOf(e.getMessage()), e);
    }
    if (error.isOk()) {
      return fields;
    }
    throw new VolumeException(error, message);
  }

  private VolumeException broken(String why, @Nullable Throwable cause) {
    close();
    return new VolumeException(
        IoError.PROTOCOL, address + " does not speak this protocol: " + why, cause);
  }
}
