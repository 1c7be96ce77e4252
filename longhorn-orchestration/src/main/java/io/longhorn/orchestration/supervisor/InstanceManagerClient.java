package io.longhorn.orchestration.supervisor;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallClient;
import io.longhorn.orchestration.instance.InstanceListing;
import io.longhorn.orchestration.instance.InstanceSpec;
import io.longhorn.orchestration.instance.InstanceStatus;
import io.longhorn.orchestration.instance.LogChunk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;

/**
 * Talks to the instance manager of a node. Any thread; calls wait for their turn, so whoever waits
 * for changes does that with a client of its own. Every call throws {@link VolumeException} as
 * {@link CallClient#call} does; after DISCONNECTED, TIMEOUT or PROTOCOL connect anew.
 */
public final class InstanceManagerClient implements AutoCloseable {
  /** Longest wait for an answer, beyond what was asked to be waited. */
  public static final Duration CALL_TIMEOUT = Duration.ofSeconds(10);

  private final CallClient calls;

  private InstanceManagerClient(CallClient calls) {
    this.calls = calls;
  }

  /** Connects; DISCONNECTED if no instance manager is there. */
  public static InstanceManagerClient connect(CallAddress address, Duration timeout) {
    return new InstanceManagerClient(CallClient.connect(address, timeout));
  }

  /**
   * Starts an instance; returns at once, in {@code starting}. EXISTS while one of that name has not
   * ended, or was done if it is done once; one that has ended is replaced, with a new uuid.
   */
  public InstanceStatus start(InstanceSpec spec) {
    return ask(FrameType.INSTANCE_START, spec.write(), CALL_TIMEOUT, InstanceStatus::read);
  }

  /**
   * Ends an instance; returns at once. NOT_FOUND if there is none, or the one there is has another
   * uuid. Idempotent.
   */
  public InstanceStatus stop(String name, Optional<UUID> uuid) {
    return ask(FrameType.INSTANCE_STOP, run(name, uuid), CALL_TIMEOUT, InstanceStatus::read);
  }

  /** Drops an instance that has ended from the list. NOT_FOUND; BUSY if it has not ended. */
  public void forget(String name, Optional<UUID> uuid) {
    calls.call(FrameType.INSTANCE_FORGET, run(name, uuid), CALL_TIMEOUT);
  }

  /**
   * Every instance, as soon as the revision is another than the one seen.
   *
   * @param revisionSeen of the last listing, 0 for none
   * @param wait longest time; at most {@link InstanceManagerServer#MAX_WAIT_MILLIS} count
   * @return complete; taken in several pages it has the revision of the first, so that the next
   *     call returns at once if something changed in between
   */
  public InstanceListing list(long revisionSeen, Duration wait) {
    InstanceListing page = page(revisionSeen, wait, "");
    InstanceListing first = page;
    List<InstanceStatus> all = new ArrayList<>(page.instances());
    while (page.hasMore() && !page.instances().isEmpty()) {
      page = page(0, Duration.ZERO, page.instances().getLast().name());
      all.addAll(page.instances());
    }
    return new InstanceListing(first.revision(), first.manager(), all, false);
  }

  /**
   * A piece of the log of an instance, also of one that is forgotten. NOT_FOUND if it has none.
   *
   * @param offset of the first byte wanted; negative: that many bytes before the end
   */
  public LogChunk log(String name, long offset) {
    return ask(
        FrameType.INSTANCE_LOG,
        new FieldWriter().text(1, name).number(2, offset),
        CALL_TIMEOUT,
        LogChunk::read);
  }

  /** Whether nothing has closed the connection yet. */
  public boolean isOpen() {
    return calls.isOpen();
  }

  /** Closes; a call that waits ends as DISCONNECTED. */
  @Override
  public void close() {
    calls.close();
  }

  private InstanceListing page(long revisionSeen, Duration wait, String after) {
    return ask(
        FrameType.INSTANCE_LIST,
        new FieldWriter().number(1, revisionSeen).number(2, wait.toMillis()).text(3, after),
        CALL_TIMEOUT.plus(wait),
        InstanceListing::read);
  }

  private <T> T ask(
      FrameType type, FieldWriter request, Duration timeout, Function<FieldReader, T> read) {
    FieldReader answer = calls.call(type, request, timeout);
    try {
      return read.apply(answer);
    } catch (WireFormatException e) {
      calls.close();
      throw new VolumeException(
          IoError.PROTOCOL, calls.address() + ", " + type + ": " + e.getMessage(), e);
    }
  }

  private static FieldWriter run(String name, Optional<UUID> uuid) {
    FieldWriter request = new FieldWriter().text(1, name);
    uuid.ifPresent(value -> request.uuid(2, value));
    return request;
  }
}
