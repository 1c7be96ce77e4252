package io.longhorn.api.block;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/**
 * A device of a fixed number of bytes, readable and writable at any offset. Calls block until they
 * are done and may come from any thread, several at once; overlapping writes are applied in one
 * order everywhere. Blocks of 4 KiB at 4 KiB offsets are fastest; anything else is read, merged and
 * written under a lock of the block.
 *
 * <p>A write that returned is on every in-sync copy; it survives the loss of power once {@link
 * #flush} returned after it. Errors are {@link io.longhorn.api.VolumeException}; after an error the
 * range of the failed call has unspecified content, old or new block by block.
 */
public interface BlockDevice extends AutoCloseable {
  /** Size in bytes. */
  long sizeBytes();

  /**
   * Fills {@code target} from the device.
   *
   * @param offset 0 to size - target.byteSize()
   * @param target heap or native, borrowed until the call returns
   */
  void read(long offset, MemorySegment target);

  /**
   * Writes all of {@code source}.
   *
   * @param offset 0 to size - source.byteSize()
   * @param source heap or native, borrowed until the call returns
   */
  void write(long offset, MemorySegment source);

  /**
   * Everything that was written before this call is on the disks of all in-sync copies when it
   * returns.
   */
  void flush();

  /**
   * The range's content is no longer needed: it reads as zeros or as before where blocks are
   * covered in part, and zeros where whole.
   */
  void trim(long offset, long length);

  /** The range reads as zeros, to the byte. Stores no data. */
  void zero(long offset, long length);

  /**
   * {@link #read(long, MemorySegment)} into a buffer from its position to its limit; the position
   * advances to the limit.
   */
  default void read(long offset, ByteBuffer target) {
    read(offset, MemorySegment.ofBuffer(target));
    target.position(target.limit());
  }

  /**
   * {@link #write(long, MemorySegment)} of a buffer from its position to its limit; the position
   * advances to the limit.
   */
  default void write(long offset, ByteBuffer source) {
    write(offset, MemorySegment.ofBuffer(source));
    source.position(source.limit());
  }

  /** Lets go of the device. Does not flush. */
  @Override
  void close();
}
