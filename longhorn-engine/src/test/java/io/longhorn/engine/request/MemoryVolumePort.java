package io.longhorn.engine.request;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.api.wire.BlockState;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/**
 * One client's port to a volume in memory, for tests of frontends: checks the contract of {@link
 * VolumePort} on every call, completes in any order that the contract allows (overlapping requests
 * in the order of submission), and fails what it is told to fail.
 */
public final class MemoryVolumePort implements VolumePort {
  /** The content that several ports share. */
  public static final class Disk {
    public final byte[] bytes;
    final BlockState[] states;

    public Disk(int sizeBytes) {
      bytes = new byte[sizeBytes];
      states = new BlockState[sizeBytes / Crc32c.BLOCK_BYTES];
      Arrays.fill(states, BlockState.ABSENT);
    }
  }

  /** What was asked, in order of submission. */
  public record Asked(IoKind kind, long offset, int length, boolean isFua, boolean isAllocating) {}

  private static final class Request extends IoRequest {
    boolean isSubmitted;
    boolean isCompleted;
    boolean isOut;

    void start(IoKind kind, long offset, int length, Loan loan) {
      begin(kind, offset, length, loan);
      isSubmitted = false;
      isCompleted = false;
      isOut = true;
    }

    void finish(IoError error) {
      complete(error);
    }

    void result(int bytes) {
      resultLength(bytes);
    }

    Loan give() {
      return end();
    }
  }

  private final Disk disk;
  private final int credits;
  private final RandomGenerator random;
  private final LoanPool pool = new LoanPool(256 << 20);
  private final List<Request> pending = new ArrayList<>();
  private final ArrayList<Request> free = new ArrayList<>();
  private final List<Asked> asked = new ArrayList<>();
  private Function<Asked, IoError> faults = _ -> IoError.OK;
  private Runnable afterSubmit = () -> {};
  private boolean hasFaults;
  private boolean isLogging = true;
  private boolean isImmediate;
  private boolean isClosed;
  private int mapBlocks = Integer.MAX_VALUE;
  private int taken;
  private int mostTaken;

  public MemoryVolumePort(Disk disk, int credits, RandomGenerator random) {
    this.disk = disk;
    this.credits = credits;
    this.random = random;
  }

  /** Completes within submit from now on. */
  public MemoryVolumePort immediate() {
    isImmediate = true;
    return this;
  }

  /** Told after each submission, to {@link #step} later. */
  public MemoryVolumePort onSubmit(Runnable told) {
    afterSubmit = told;
    return this;
  }

  /** Keeps no list of what was asked. */
  public MemoryVolumePort quiet() {
    isLogging = false;
    return this;
  }

  /** What fails, and how. */
  public void failing(Function<Asked, IoError> which) {
    faults = which;
    hasFaults = true;
  }

  /** Answers a MAP with at most so many blocks. */
  public void mapAtMost(int blocks) {
    mapBlocks = blocks;
  }

  public List<Asked> asked() {
    return asked;
  }

  public int mostTaken() {
    return mostTaken;
  }

  public int lentLoans() {
    return pool.lent();
  }

  /** Frees the loans' memory: nothing may be out any more. */
  public void freeMemory() {
    pool.close();
  }

  public boolean isClosed() {
    return isClosed;
  }

  @Override
  public long sizeBytes() {
    return disk.bytes.length;
  }

  @Override
  public IoRequest take(IoKind kind, long offset, int length) {
    check(kind, offset, length);
    if (isClosed) {
      throw new IllegalStateException("taken from a closed port");
    }
    if (taken == credits) {
      return null;
    }
    boolean hasData = kind == IoKind.READ || kind == IoKind.WRITE || kind == IoKind.MAP;
    Loan loan = null;
    if (hasData) {
      int bytes =
          kind == IoKind.MAP
              ? Crc32c.BLOCK_BYTES
              : (int) (Chunks.blockUp(offset + length) - Chunks.blockDown(offset));
      loan = pool.take(bytes);
    }
    Request request = free.isEmpty() ? new Request() : free.removeLast();
    request.start(kind, offset, length, loan);
    taken++;
    mostTaken = Math.max(mostTaken, taken);
    return request;
  }

  private void check(IoKind kind, long offset, int length) {
    int unit =
        kind == IoKind.READ || kind == IoKind.WRITE ? IoRequest.CHUNK_BYTES : IoRequest.SPAN_BYTES;
    boolean isSound =
        kind == IoKind.FLUSH
            ? offset == 0 && length == 0
            : offset >= 0
                && length > 0
                && offset + length <= sizeBytes()
                && offset / unit == (offset + length - 1) / unit;
    if (unit == IoRequest.SPAN_BYTES) {
      isSound &= offset % Crc32c.BLOCK_BYTES == 0 && length % Crc32c.BLOCK_BYTES == 0;
    }
    if (!isSound) {
      throw new IllegalArgumentException(kind + " at " + offset + " of " + length + " bytes");
    }
  }

  @Override
  public void submit(IoRequest submitted) {
    Request request = (Request) submitted;
    if (!request.isOut || request.isSubmitted) {
      throw new IllegalStateException("submitted twice, or after its release");
    }
    request.isSubmitted = true;
    if (isLogging) {
      asked.add(askedOf(request));
    }
    if (isImmediate) {
      finish(request);
    } else {
      pending.add(request);
      afterSubmit.run();
    }
  }

  private static Asked askedOf(Request request) {
    return new Asked(
        request.kind(),
        request.offset(),
        request.length(),
        request.isFua(),
        request.isAllocating());
  }

  @Override
  public void release(IoRequest released) {
    Request request = (Request) released;
    if (!request.isOut) {
      throw new IllegalStateException("released twice");
    }
    if (request.isSubmitted && !request.isCompleted) {
      throw new IllegalStateException("released while under way");
    }
    request.isOut = false;
    Loan loan = request.give();
    if (loan != null) {
      loan.close();
    }
    taken--;
    free.add(request);
  }

  @Override
  public int taken() {
    return taken;
  }

  @Override
  public void close() {
    isClosed = true;
  }

  public boolean isIdle() {
    return pending.isEmpty();
  }

  /** Completes one request that may complete; false if there is none. */
  public boolean step() {
    if (pending.isEmpty()) {
      return false;
    }
    int chosen = random.nextInt(pending.size());
    for (int i = 0; i < chosen; i++) {
      if (mustPrecede(pending.get(i), pending.get(chosen))) {
        chosen = i;
      }
    }
    finish(pending.remove(chosen));
    return true;
  }

  public void drain() {
    while (step()) {
      // the next one
    }
  }

  private static boolean mustPrecede(Request earlier, Request later) {
    boolean isRead =
        (earlier.kind() == IoKind.READ || earlier.kind() == IoKind.MAP)
            && (later.kind() == IoKind.READ || later.kind() == IoKind.MAP);
    return !isRead
        && earlier.offset() < later.offset() + later.length()
        && later.offset() < earlier.offset() + earlier.length();
  }

  private void finish(Request request) {
    request.isCompleted = true;
    IoError error = hasFaults ? faults.apply(askedOf(request)) : IoError.OK;
    if (error.isOk()) {
      apply(request);
    }
    request.finish(error);
  }

  private void apply(Request request) {
    int from = (int) request.offset();
    int length = request.length();
    switch (request.kind()) {
      case READ -> request.loan().buffer().put(request.dataAt(), disk.bytes, from, length);
      case WRITE -> {
        request.loan().buffer().get(request.dataAt(), disk.bytes, from, length);
        mark(from, length, BlockState.DATA);
      }
      case ZERO -> {
        Arrays.fill(disk.bytes, from, from + length, (byte) 0);
        mark(from, length, request.isAllocating() ? BlockState.DATA : BlockState.ZERO);
      }
      case TRIM -> {
        Arrays.fill(disk.bytes, from, from + length, (byte) 0);
        mark(from, length, BlockState.ZERO);
      }
      case MAP -> map(request, from, length);
      case FLUSH -> {
        // Memory has nothing to flush.
      }
    }
  }

  private void mark(int from, int length, BlockState state) {
    int first = from / Crc32c.BLOCK_BYTES;
    Arrays.fill(disk.states, first, (from + length - 1) / Crc32c.BLOCK_BYTES + 1, state);
  }

  private void map(Request request, int from, int length) {
    ByteBuffer out = request.loan().buffer();
    int block = from / Crc32c.BLOCK_BYTES;
    int end = (int) Math.min(block + (long) mapBlocks, (from + length) / Crc32c.BLOCK_BYTES);
    int at = 0;
    while (block < end) {
      int run = block;
      while (run < end && disk.states[run] == disk.states[block]) {
        run++;
      }
      out.putInt(at, Integer.reverseBytes(run - block));
      out.putInt(at + 4, Integer.reverseBytes(disk.states[block].code()));
      at += 8;
      block = run;
    }
    request.result(at);
  }
}
