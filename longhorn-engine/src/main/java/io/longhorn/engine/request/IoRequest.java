package io.longhorn.engine.request;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import org.jspecify.annotations.Nullable;

/**
 * One request to a volume: the unit of locking, replication and answering. Pooled; the taker fills
 * it, {@linkplain VolumePort#submit submits} it, is told by {@link Completion}, and {@linkplain
 * VolumePort#release releases} it, which gives its loan back. Loop thread only.
 *
 * <p>A READ or WRITE lies inside one aligned chunk of {@link #CHUNK_BYTES}; its data stands in the
 * loan at {@link #dataAt}, so that block boundaries of the volume are block boundaries of the loan.
 * ZERO, TRIM and MAP cover whole blocks inside one aligned span of {@link #SPAN_BYTES}. Longer
 * commands are cut by the frontend ({@link Chunks}).
 */
public class IoRequest {
  /** Largest READ or WRITE, and the alignment it may not cross. */
  public static final int CHUNK_BYTES = 128 << 10;

  /** Largest ZERO, TRIM or MAP, and the alignment it may not cross: one index page of a replica. */
  public static final int SPAN_BYTES = 2 << 20;

  /** Who wants to know. */
  public interface Completion {
    /**
     * The request is done: {@link #error} says how. Called on the loop; may submit and release
     * requests.
     */
    void completed(IoRequest request);
  }

  private IoKind kind = IoKind.FLUSH;
  private long offset;
  private int length;
  private boolean isFua;
  private boolean isAllocating;
  private @Nullable Loan loan;
  private @Nullable Completion completion;
  private @Nullable Object attachment;
  private long tag;
  private IoError error = IoError.OK;
  private int resultLength;

  /** Only pools make requests. */
  protected IoRequest() {}

  /** Sets what is to be done. The port has checked the range when it gave the request out. */
  protected final void begin(IoKind kind, long offset, int length, @Nullable Loan loan) {
    this.kind = kind;
    this.offset = offset;
    this.length = length;
    this.loan = loan;
    isFua = false;
    isAllocating = false;
    completion = null;
    attachment = null;
    tag = 0;
    error = IoError.OK;
    resultLength = 0;
  }

  /** Drops every reference; returns the loan for giving it back. */
  protected final @Nullable Loan end() {
    Loan had = loan;
    loan = null;
    completion = null;
    attachment = null;
    return had;
  }

  /** What it does. */
  public final IoKind kind() {
    return kind;
  }

  /** First byte of the range. */
  public final long offset() {
    return offset;
  }

  /** Bytes of the range; 0 for FLUSH. */
  public final int length() {
    return length;
  }

  /** Whether it is to be durable before it completes (WRITE, ZERO, TRIM). */
  public final boolean isFua() {
    return isFua;
  }

  /** Whether ZERO has to allocate. */
  public final boolean isAllocating() {
    return isAllocating;
  }

  /** Sets both flags. */
  public final void flags(boolean fua, boolean allocating) {
    isFua = fua;
    isAllocating = allocating;
  }

  /** The data; only for READ, WRITE and MAP, until released. */
  public final Loan loan() {
    Loan current = loan;
    if (current == null) {
      throw new IllegalStateException("request without data: " + kind);
    }
    return current;
  }

  /** Where the byte at {@link #offset} stands in the loan. */
  public final int dataAt() {
    return (int) (offset & (Crc32c.BLOCK_BYTES - 1));
  }

  /** Who is told, with a number and an object of the taker's own. */
  public final void onCompletion(Completion told, @Nullable Object attached, long ownTag) {
    completion = told;
    attachment = attached;
    tag = ownTag;
  }

  /** The taker's object. */
  public final @Nullable Object attachment() {
    return attachment;
  }

  /** The taker's number. */
  public final long tag() {
    return tag;
  }

  /** How it ended; meaningful once completed. */
  public final IoError error() {
    return error;
  }

  /** Bytes of the result in the loan, for MAP. */
  public final int resultLength() {
    return resultLength;
  }

  /** Sets the length of the result. */
  protected final void resultLength(int bytes) {
    resultLength = bytes;
  }

  /** Ends it and tells the taker. */
  protected final void complete(IoError result) {
    error = result;
    Completion told = completion;
    if (told == null) {
      throw new IllegalStateException("request submitted without a completion");
    }
    told.completed(this);
  }
}
