package io.longhorn.engine.replication;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.memory.LoanPool;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.request.IoKind;
import io.longhorn.engine.request.VolumePort;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Every request of one volume from submission to its answer. Loop thread only.
 *
 * <ul>
 *   <li>A write is answered when every member of the sets in force has acknowledged it (I1, R7); a
 *       member that did not has to leave the set, durably, first (I2). An acknowledgement over a
 *       link that broke is void (E2).
 *   <li>A read goes to one member that is linked and in the committed set (I7), is answered only
 *       while the read window holds (K3), waits for an overlapping write (K1), and makes an
 *       unreconciled range equal first (I4, E1).
 *   <li>What cannot go on is held; after {@code holdTicks} it fails with EIO.
 * </ul>
 *
 * <p>Takes its loans from a pool that never refuses: every port and every operation of the core's
 * own is bounded. It takes and gives back for as long as a port is used, also after {@link
 * #giveUp}.
 */
public final class ReplicationCore {
  /** Requests under way at most: the places in the table. */
  static final int MAX_REQUESTS = 1 << 14;

  /**
   * Client requests sent to members at a time; the rest wait in order. Below the credits of a link.
   */
  static final int MAX_STARTED = 512;

  /** Mismatches of one member after which its disk is given up. */
  static final int MAX_CHECKSUM_FAILURES = 64;

  private static final int INDEX_BITS = 14;
  private static final int STAMP_MASK = (1 << 30) - 1;

  private final long sizeBytes;
  private final Members members;
  private final Regions regions;
  private final LoanPool pool;
  private final long holdTicks;
  private final FrameDraft draft = new FrameDraft();
  private final Crc32c crc = new Crc32c();
  private final RangeLocks locks = new RangeLocks();

  private final @Nullable VolumeRequest[] table = new @Nullable VolumeRequest[MAX_REQUESTS];
  private final int[] freePlaces = new int[MAX_REQUESTS];
  private int free = MAX_REQUESTS;
  private int topPlace;
  private int nextStamp;
  private final ArrayDeque<ClientRequest> idle = new ArrayDeque<>();
  private final ArrayDeque<ClientRequest> backlog = new ArrayDeque<>();
  private List<VolumeRequest> parked = new ArrayList<>();
  private List<VolumeRequest> unparking = new ArrayList<>();
  private int started;
  private int ownOperations;

  private final @Nullable MemberLink[] links =
      new @Nullable MemberLink[MembershipRecord.MAX_REPLICAS];
  private final int[] outstanding = new int[MembershipRecord.MAX_REPLICAS];
  private final int[] checksumFailures = new int[MembershipRecord.MAX_REPLICAS];
  private int linked;
  private int required;
  private int readable;
  private int receiving;

  /** Those of whom {@link Members#memberFailed} was told: not a source any more. */
  private int failed;

  private int preferredSources;
  private int nextReader;

  private boolean isOpen;
  private boolean hasBeenOpen;
  private boolean isPaused;
  private @Nullable Runnable onDrained;
  private IoError givenUp = IoError.OK;
  private long tick;
  private boolean isGranting;

  /**
   * A core without members; it holds every request until {@link #open}.
   *
   * @param holdTicks calls of {@link #tick} after which held I/O fails; 0 for never
   * @param pool of the same thread, which the caller closes; without a limit that could be reached
   */
  public ReplicationCore(
      long sizeBytes, Members members, Regions regions, long holdTicks, LoanPool pool) {
    this.sizeBytes = sizeBytes;
    this.members = members;
    this.regions = regions;
    this.holdTicks = holdTicks;
    this.pool = pool;
    for (int i = 0; i < MAX_REQUESTS; i++) {
      freePlaces[i] = MAX_REQUESTS - 1 - i;
    }
  }

  // ---- clients --------------------------------------------------------------------------------

  /** Credits and a way in for one client. */
  public VolumePort openPort() {
    return new ClientPort(this);
  }

  /** Size of the volume. */
  public long sizeBytes() {
    return sizeBytes;
  }

  ClientRequest takeClientRequest() {
    ClientRequest request = idle.poll();
    return request == null ? new ClientRequest() : request;
  }

  void submit(ClientRequest request) {
    request.startTick = tick;
    request.isSubmitted = true;
    place(request);
    if (givenUp != IoError.OK) {
      request.abort(this, givenUp);
    } else if (!isOpen || isPaused || started >= MAX_STARTED) {
      backlog.add(request);
    } else {
      start(request);
      grant();
    }
  }

  private void start(ClientRequest request) {
    started++;
    request.isStarted = true;
    if (request.kind() == IoKind.FLUSH) {
      request.granted(this);
    } else {
      locks.acquire(request);
    }
  }

  private void startBacklog() {
    startMore();
    grant();
  }

  private void startMore() {
    while (isOpen && !isPaused && started < MAX_STARTED && !backlog.isEmpty()) {
      start(backlog.poll());
    }
  }

  private void grant() {
    if (isGranting) {
      return;
    }
    isGranting = true;
    for (VolumeRequest next = locks.nextGranted(); next != null; next = locks.nextGranted()) {
      if (!next.isOver()) {
        next.granted(this);
      } else if (next instanceof ClientRequest request) {
        request.settle(this);
      } else {
        locks.release(next);
        forget(next);
      }
      startMore();
    }
    isGranting = false;
  }

  /** Queues a request for its range again. */
  void lock(VolumeRequest request) {
    locks.acquire(request);
    grant();
  }

  void unlock(VolumeRequest request) {
    if (request.isLocked) {
      locks.release(request);
      grant();
    }
  }

  /**
   * A client's request was answered and no member owes an answer; the client may still hold its
   * data.
   */
  void settled(ClientRequest request) {
    displace(request);
    if (request.isStarted) {
      request.isStarted = false;
      started--;
      if (!backlog.isEmpty()) {
        startBacklog();
      }
    }
    drained();
  }

  /** A client's request is settled and released: it may be used again. */
  void recycle(ClientRequest request) {
    request.dropLoan();
    idle.push(request);
  }

  /**
   * An operation of the core's own is over; while it stands in the range locks it keeps its place.
   */
  void forget(VolumeRequest operation) {
    if (!operation.isQueued) {
      displace(operation);
      ownOperations--;
      drained();
    }
  }

  private void place(VolumeRequest request) {
    if (free == 0) {
      throw new IllegalStateException("more than " + MAX_REQUESTS + " requests under way");
    }
    int place = freePlaces[--free];
    topPlace = Math.max(topPlace, place + 1);
    request.index = place;
    nextStamp = (nextStamp + 1) & STAMP_MASK;
    request.stamp = nextStamp;
    table[place] = request;
  }

  private void displace(VolumeRequest request) {
    if (request.index >= 0) {
      table[request.index] = null;
      freePlaces[free++] = request.index;
      request.index = -1;
    }
  }

  // ---- operations of the core's own -----------------------------------------------------------

  /** Makes a range of at most one chunk equal on all members (E1), in the background. */
  public void equalize(long first, int span, RangeOpOwner owner) {
    begin(new EqualizeOp(first, span, false, false, owner));
  }

  /** Makes one layer of {@code target} equal to {@code source} over at most one chunk. */
  public void copy(int layer, int source, int target, long first, int span, RangeOpOwner owner) {
    begin(new CopyOp(layer, source, target, first, span, owner));
  }

  /** Compares what all readable members have in a range of at most one chunk. */
  public void compare(long first, int span, Comparison owner) {
    begin(new CompareOp(first, span, owner));
  }

  private void begin(VolumeRequest operation) {
    operation.startTick = tick;
    ownOperations++;
    place(operation);
    locks.acquire(operation);
    grant();
  }

  void equalizeForRead(ClientRequest reader) {
    begin(new EqualizeOp(reader.first, reader.span(), false, false, serve(reader)));
  }

  void mend(ClientRequest reader) {
    begin(new EqualizeOp(reader.first, reader.span(), true, false, serve(reader)));
  }

  private static RangeOpOwner serve(ClientRequest reader) {
    int stamp = reader.stamp;
    return (core, result, data) -> {
      if (reader.stamp != stamp || reader.isOver()) {
        return;
      }
      if (data != null) {
        MemorySegment.copy(data.segment(), 0, reader.loan().segment(), 0, reader.span());
      }
      reader.servedByRangeOp(core, result);
    };
  }

  void equalizeUnderLock(ClientRequest writer) {
    beginUnderLock(new EqualizeOp(writer.first, writer.span(), false, true, resume(writer)));
  }

  void mendUnderLock(ClientRequest writer) {
    beginUnderLock(new EqualizeOp(writer.first, writer.span(), true, true, resume(writer)));
  }

  private static RangeOpOwner resume(ClientRequest writer) {
    int stamp = writer.stamp;
    return (core, result, _) -> {
      if (writer.stamp == stamp && !writer.isOver()) {
        writer.rangeOpUnderLockEnded(core, result);
      }
    };
  }

  private void beginUnderLock(EqualizeOp operation) {
    operation.startTick = tick;
    ownOperations++;
    place(operation);
    operation.granted(this);
  }

  // ---- members --------------------------------------------------------------------------------

  /**
   * A session with the member began: frames may be sent to it, but it receives writes only when
   * {@link #sets} says so.
   */
  public void linked(int slot, MemberLink link) {
    links[slot] = link;
    linked |= 1 << slot;
    failed &= ~(1 << slot);
    outstanding[slot] = 0;
    checksumFailures[slot] = 0;
  }

  /**
   * The session is over; nothing of it will be answered and no loan of it is touched any more. Its
   * acknowledgements are void (E2).
   */
  public void linkLost(int slot) {
    int bit = 1 << slot;
    if ((linked & bit) == 0) {
      return;
    }
    linked &= ~bit;
    links[slot] = null;
    outstanding[slot] = 0;
    for (int i = 0; i < topPlace; i++) {
      VolumeRequest request = table[i];
      if (request != null) {
        request.linkLost(this, slot);
      }
    }
    unpark();
  }

  /**
   * The sets as membership has them now.
   *
   * @param newRequired members of all sets in force (R7)
   * @param newReadable members of the committed set (I7)
   * @param newReceiving others that are sent every write: returned ones, from before their resync
   *     begins
   */
  public void sets(int newRequired, int newReadable, int newReceiving) {
    required = newRequired;
    readable = newReadable;
    receiving = newReceiving;
    for (int i = 0; i < topPlace; i++) {
      VolumeRequest request = table[i];
      if (request != null) {
        request.membersChanged(this);
      }
    }
    unpark();
  }

  /**
   * Which members an equalize prefers as its source (E3): those that ran since the set was last
   * equal; 0 for no preference.
   */
  public void preferSources(int slots) {
    preferredSources = slots;
  }

  /**
   * The volume is open: requests start. Sets and links are as told before. After a second opening
   * under a higher generation, what is under way is sent anew.
   */
  public void open() {
    isOpen = true;
    boolean isAgain = hasBeenOpen;
    hasBeenOpen = true;
    if (isAgain) {
      for (int i = 0; i < topPlace; i++) {
        VolumeRequest request = table[i];
        if (request != null) {
          request.restart(this);
        }
      }
    }
    unpark();
    startBacklog();
  }

  /**
   * The generation was given up: nothing is sent or answered until {@link #open} is called again.
   */
  public void suspend() {
    isOpen = false;
  }

  boolean isOpen() {
    return isOpen;
  }

  /**
   * Nothing can be served any more: everything under way and everything to come fails with {@code
   * error}. Links are closed before.
   */
  public void giveUp(IoError error) {
    givenUp = error;
    parked.clear();
    backlog.clear();
    for (int i = 0; i < topPlace; i++) {
      VolumeRequest request = table[i];
      if (request != null) {
        request.isParked = false;
        request.abort(this, error);
      }
    }
    grant();
  }

  /**
   * Everything under way fails, although the volume goes on: it was served by somebody else in
   * between (K5).
   */
  public void abortUnderWay(IoError error) {
    for (int i = 0; i < topPlace; i++) {
      VolumeRequest request = table[i];
      if (request != null && !(request instanceof ClientRequest waiting && !waiting.isStarted)) {
        removeWaiting(request);
        request.abort(this, error);
      }
    }
    grant();
  }

  /**
   * A member answered a data frame. Data, if any, is in {@link #target}; {@code status} is CHECKSUM
   * if it did not match its CRCs.
   */
  public void answered(int slot, long sequence, IoError status, int payloadLength) {
    VolumeRequest request = find(sequence);
    if (outstanding[slot] > 0) {
      outstanding[slot]--;
    }
    if (request != null) {
      request.answered(this, slot, status, payloadLength);
    }
    grant();
  }

  /**
   * Where the data of an answer goes, from index 0; null if there is no request of that sequence or
   * it expects none.
   */
  public @Nullable Loan target(int slot, long sequence) {
    VolumeRequest request = find(sequence);
    return request == null ? null : request.target(slot);
  }

  /**
   * Bytes of data that a successful answer has to have; -1 for any number up to the target's
   * capacity.
   */
  public int expectedBytes(long sequence) {
    VolumeRequest request = find(sequence);
    return request == null ? 0 : request.expectedBytes();
  }

  private @Nullable VolumeRequest find(long sequence) {
    VolumeRequest request = table[(int) sequence & (MAX_REQUESTS - 1)];
    return request != null && request.stamp == (int) (sequence >>> INDEX_BITS) ? request : null;
  }

  // ---- time and quiet -------------------------------------------------------------------------

  /** Time passed: looks again at what waits, and fails what was held too long. */
  public void tick() {
    tick++;
    unpark();
    if (holdTicks == 0) {
      return;
    }
    for (int i = 0; i < topPlace; i++) {
      VolumeRequest request = table[i];
      if (request != null && !request.isOver() && tick - request.startTick > holdTicks) {
        removeWaiting(request);
        request.giveUp(this);
      }
    }
  }

  /**
   * Starts no more requests, and runs {@code drained} when none is under way. Requests that come
   * meanwhile wait in order.
   */
  public void pause(Runnable drained) {
    isPaused = true;
    onDrained = drained;
    drained();
  }

  /** Goes on after {@link #pause}. */
  public void resume() {
    isPaused = false;
    onDrained = null;
    startBacklog();
  }

  private void drained() {
    Runnable told = onDrained;
    if (told != null && isPaused && underWay() == 0) {
      onDrained = null;
      told.run();
    }
  }

  /**
   * Requests sent or waiting for a range, the core's own included; those that wait in the backlog
   * are not.
   */
  public int underWay() {
    return started + ownOperations;
  }

  /** Loans that are out; for tests and status. */
  public int lent() {
    return pool.lent();
  }

  private void removeWaiting(VolumeRequest request) {
    if (request.isParked) {
      request.isParked = false;
      parked.removeIf(waiting -> waiting.index == request.index);
    }
    if (request instanceof ClientRequest waiting && !waiting.isStarted) {
      backlog.removeIf(other -> other.index == waiting.index);
    }
  }

  /**
   * How many ticks ago the oldest unanswered frame of a member was sent; -1 if none is unanswered.
   *
   * @param sync of those that wait for a disk's cache to be emptied, or of the others
   */
  public long oldestTicks(int slot, boolean sync) {
    long oldest = -1;
    for (int i = 0; i < topPlace; i++) {
      VolumeRequest request = table[i];
      if (request != null && (request.pending & (1 << slot)) != 0 && request.isSync() == sync) {
        oldest = Math.max(oldest, tick - request.sentTick);
      }
    }
    return oldest;
  }

  // ---- what requests ask ----------------------------------------------------------------------

  long now() {
    return tick;
  }

  Members members() {
    return members;
  }

  Regions regions() {
    return regions;
  }

  int required() {
    return required;
  }

  int readable() {
    return readable & linked & ~failed;
  }

  /**
   * Members that are not in a set yet and whose answers are waited for: what a client has an answer
   * to must not be missing there when they join.
   */
  int receiving() {
    return receiving & linked & ~required;
  }

  int writable() {
    return (required | receiving) & linked;
  }

  Loan takeLoan(int bytes) {
    Loan loan = pool.take(bytes);
    if (loan == null) {
      throw new IllegalStateException("the pool of a volume has no limit of its own");
    }
    return loan;
  }

  FrameDraft draft(VolumeRequest request, FrameType type, int layer) {
    request.sentTick = tick;
    return draft.of(type, ((long) request.stamp << INDEX_BITS) | request.index, layer);
  }

  void send(int slot, FrameDraft frame) {
    MemberLink link = links[slot];
    if (link == null) {
      throw new IllegalStateException("frame for slot " + slot + " without a link");
    }
    outstanding[slot]++;
    link.send(frame);
  }

  void checksum(Loan loan, int length, int[] crcs) {
    checksum(loan, 0, length, crcs);
  }

  void checksum(Loan loan, int at, int length, int[] crcs) {
    for (int block = 0; block * Crc32c.BLOCK_BYTES < length; block++) {
      crcs[block] = crc.of(loan.buffer(), at + block * Crc32c.BLOCK_BYTES, Crc32c.BLOCK_BYTES);
    }
  }

  /**
   * A readable member for the next read: a local one, else the least loaded, the next in turn among
   * equals; -1 if there is none.
   */
  int pickReader(int except) {
    int candidates = readable() & ~except;
    int best = -1;
    int bestLoad = Integer.MAX_VALUE;
    nextReader++;
    for (int i = 0; i < MembershipRecord.MAX_REPLICAS; i++) {
      int slot = (i + nextReader) & (MembershipRecord.MAX_REPLICAS - 1);
      MemberLink link = links[slot];
      if ((candidates & (1 << slot)) == 0 || link == null) {
        continue;
      }
      int load = outstanding[slot] + (link.isLocal() ? 0 : MAX_STARTED);
      if (load < bestLoad) {
        best = slot;
        bestLoad = load;
      }
    }
    return best;
  }

  int preferredSource(int good) {
    int preferred = good & preferredSources;
    return Integer.numberOfTrailingZeros(preferred != 0 ? preferred : good);
  }

  void memberFailed(int slot, IoError error, String what) {
    failed |= 1 << slot;
    members.memberFailed(slot, error, what);
  }

  void checksumFailed(int slot) {
    if (++checksumFailures[slot] == MAX_CHECKSUM_FAILURES) {
      memberFailed(slot, IoError.CHECKSUM, MAX_CHECKSUM_FAILURES + " damaged blocks");
    }
  }

  /** Blocks that did not match their checksum on a member since its session began. */
  public int checksumFailures(int slot) {
    return checksumFailures[slot];
  }

  /** The request waits until members change or time passes. */
  void park(VolumeRequest request) {
    if (!request.isParked) {
      request.isParked = true;
      parked.add(request);
    }
  }

  private void unpark() {
    if (parked.isEmpty()) {
      return;
    }
    List<VolumeRequest> woken = parked;
    parked = unparking;
    unparking = woken;
    for (int i = 0; i < woken.size(); i++) {
      VolumeRequest request = woken.get(i);
      if (request.isParked) {
        request.isParked = false;
        request.unparked(this);
      }
    }
    woken.clear();
    grant();
  }
}
