package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeName;
import io.longhorn.engine.request.Chunks;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import io.longhorn.engine.transport.VolumeLoop;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.jctools.queues.varhandle.MpmcVarHandleArrayQueue;
import org.jctools.queues.varhandle.MpscVarHandleArrayQueue;
import org.jspecify.annotations.Nullable;

/**
 * The way of callers on other threads into a volume's loop, through one bounded queue. A call
 * blocks its thread, platform or virtual, until it is done; the loop cuts it into requests.
 * Allocates nothing per call in steady state.
 */
public final class DeviceCalls implements IoRequest.Completion {
  /** Calls that may wait for the loop; more callers than that wait for a place. */
  private static final int MAX_WAITING = 1024;

  /** Requests of one call under way. */
  private static final int WINDOW = 8;

  private static final long PLACE_RETRY_NANOS = 50_000;

  private final VolumeName name;
  private final VolumeLoop loop;
  private final VolumePort port;
  private final MpscVarHandleArrayQueue<Call> incoming = new MpscVarHandleArrayQueue<>(MAX_WAITING);
  private final MpmcVarHandleArrayQueue<Call> idle = new MpmcVarHandleArrayQueue<>(MAX_WAITING);
  private final AtomicBoolean isScheduled = new AtomicBoolean();
  private final ArrayDeque<Call> running = new ArrayDeque<>();
  private final Runnable take = this::take;
  private volatile boolean isClosed;

  /** What one caller waits for. */
  private static final class Call {
    IoKind kind = IoKind.FLUSH;
    long offset;
    long length;
    @Nullable MemorySegment memory;
    @Nullable Thread caller;

    // Of the loop, until isDone.
    long cut;
    int underWay;
    boolean isCut;
    IoError error = IoError.OK;
    volatile boolean isDone;
  }

  /** Calls into a volume that is served. */
  public DeviceCalls(VolumeEngine volume) {
    name = volume.config().name();
    loop = volume.loop();
    port = volume.openPort();
  }

  /** Size of the volume. */
  public long sizeBytes() {
    return port.sizeBytes();
  }

  /**
   * Does it and waits; throws {@link VolumeException} if it failed. ZERO and TRIM in whole blocks
   * only.
   */
  public void call(IoKind kind, long offset, long length, @Nullable MemorySegment memory) {
    if (kind != IoKind.FLUSH && (offset < 0 || length < 0 || offset > port.sizeBytes() - length)) {
      throw new VolumeException(
          IoError.INVALID,
          kind
              + " of "
              + length
              + " bytes at "
              + offset
              + " is outside the volume of "
              + port.sizeBytes()
              + " bytes");
    }
    if (kind != IoKind.FLUSH && length == 0) {
      return;
    }
    Call call = idle.poll();
    if (call == null) {
      call = new Call();
    }
    call.kind = kind;
    call.offset = offset;
    call.length = length;
    call.memory = memory;
    call.caller = Thread.currentThread();
    call.cut = 0;
    call.underWay = 0;
    call.isCut = false;
    call.error = IoError.OK;
    call.isDone = false;
    while (!isClosed && !incoming.offer(call)) {
      LockSupport.parkNanos(PLACE_RETRY_NANOS);
    }
    if (isScheduled.compareAndSet(false, true)) {
      loop.execute(take);
    }
    boolean wasInterrupted = false;
    while (!call.isDone && !isClosed) {
      LockSupport.park(this);
      // An interrupt must not abandon a request whose memory is the caller's.
      wasInterrupted |= Thread.interrupted();
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
    if (!call.isDone) {
      throw new VolumeException(IoError.DISCONNECTED, "volume " + name + " is closed");
    }
    IoError error = call.error;
    call.memory = null;
    call.caller = null;
    idle.offer(call);
    if (!error.isOk()) {
      throw new VolumeException(
          error,
          "volume "
              + name
              + ": "
              + kind
              + " of "
              + length
              + " bytes at "
              + offset
              + " failed with "
              + error);
    }
  }

  // ---- loop -----------------------------------------------------------------------------------

  private void take() {
    isScheduled.set(false);
    for (Call call = incoming.poll(); call != null; call = incoming.poll()) {
      running.add(call);
    }
    cutMore();
  }

  private void cutMore() {
    for (int i = running.size(); i > 0; i--) {
      Call call = running.poll();
      if (call == null || !cut(call)) {
        if (call != null) {
          running.addFirst(call);
        }
        return;
      }
      if (!call.isCut) {
        running.add(call);
      }
    }
  }

  /** Submits requests of the call up to its window; false if the port has no credit left. */
  private boolean cut(Call call) {
    while (call.underWay < WINDOW && !call.isCut) {
      long at = call.offset + call.cut;
      long left = call.length - call.cut;
      int length =
          switch (call.kind) {
            case READ, WRITE -> Chunks.firstData(at, left);
            case ZERO, TRIM, MAP -> Chunks.firstSpan(at, left);
            case FLUSH -> 0;
          };
      IoRequest request = port.take(call.kind, at, length);
      if (request == null) {
        return false;
      }
      if (call.kind == IoKind.WRITE && call.memory != null) {
        MemorySegment.copy(
            call.memory, call.cut, request.loan().segment(), request.dataAt(), length);
      }
      request.onCompletion(this, call, call.cut);
      call.cut += length;
      call.underWay++;
      call.isCut = call.cut == call.length || call.kind == IoKind.FLUSH;
      port.submit(request);
    }
    return true;
  }

  @Override
  public void completed(IoRequest request) {
    if (!(request.attachment() instanceof Call call)) {
      throw new IllegalStateException("request of no call");
    }
    if (request.error().isOk()) {
      if (request.kind() == IoKind.READ && call.memory != null) {
        MemorySegment.copy(
            request.loan().segment(),
            request.dataAt(),
            call.memory,
            request.tag(),
            request.length());
      }
    } else {
      call.error = request.error();
      call.isCut = true;
    }
    port.release(request);
    call.underWay--;
    if (call.isCut && call.underWay == 0) {
      Thread caller = call.caller;
      call.isDone = true;
      LockSupport.unpark(caller);
    }
    if (!running.isEmpty()) {
      // Not from inside the core's own loop over requests.
      if (isScheduled.compareAndSet(false, true)) {
        loop.execute(take);
      }
    }
  }

  /**
   * Wakes everybody who still waits; their calls fail. The volume is over: no request touches
   * memory any more.
   */
  public void close() {
    isClosed = true;
    for (Call call = incoming.poll(); call != null; call = incoming.poll()) {
      LockSupport.unpark(call.caller);
    }
    for (Call call : running) {
      LockSupport.unpark(call.caller);
    }
  }
}
