package io.longhorn.replica.store;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ProcessNonce;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.SnapshotSpec;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * An open replica directory: one copy of a volume. One owner thread calls everything. An operation
 * ends with {@link Completion#completed}, often before the call returns; nothing blocks the owner
 * thread except {@link #close} and, with buffered I/O, a write into the page cache.
 *
 * <p>Errors of requests are values. INVALID: a range that is not whole blocks, empty, outside the
 * volume or across the limit of its kind; NOT_FOUND: no such layer. ENOSPC for a write of data:
 * that request failed, its blocks are old or new, and the store goes on. After any other failed
 * write or fsync (EIO, or ENOSPC for metadata) the store has failed: that operation and all later
 * ones end with the error, and only opening the directory again helps; a failed fsync is never
 * repeated.
 *
 * <p>Every change of blocks first sets the write-intent bits of its regions, durably (section 3 of
 * the data path's design). Nothing here decides on generations per request: that gate is the
 * session's.
 */
public interface ReplicaStore extends AutoCloseable {
  /** The unit of everything: 4 KiB. */
  int BLOCK_BYTES = 4096;

  /** One index page describes this much: 2 MiB. */
  int SPAN_BYTES = 2 << 20;

  /** Longest read or write: 128 KiB; it does not cross a multiple of itself. */
  int MAX_TRANSFER_BYTES = 128 << 10;

  /** Most snapshots of a volume. */
  int MAX_SNAPSHOTS = 250;

  /** Most tasks the store has in its {@link DiskPool} beside one per {@link BlockRequest}. */
  int MAX_OWN_TASKS = 16;

  /** Identity of the volume. */
  VolumeId volume();

  /** Name of the volume when it was created. */
  VolumeName name();

  /** Identity of this copy. */
  ReplicaId replica();

  /** Size of the volume in bytes. */
  long sizeBytes();

  /** Who keeps the record: {@code replicas} or {@code store:<cluster id>}. */
  String authority();

  /** The process that has it open. */
  ProcessNonce process();

  /** Generation promised, 0 for none. As of the last change that is durable. */
  long promised();

  /** The engine instance of {@link #promised}; empty for none. */
  Optional<EngineId> promisedTo();

  /** Newest record. As of the last change that is durable. */
  MembershipRecord record();

  /** The generation whose owner released, if no later owner came that did not; else 0. */
  long releasedGeneration();

  /** Whether this process has run since the member was last equal to its set (E3). */
  boolean isContinuous();

  /** Since when the write-intent bits are complete. */
  RecordStamp validSince();

  /** Bytes of one region of the write-intent bitmap, a power of two. */
  long regionBytes();

  /** Regions of the volume, 1 to 524,288. */
  int regionCount();

  /** Newest metadata operation in the manifest, 0 for none. */
  long lastOperation();

  /** Layer id of the head. */
  int head();

  /** The chain, oldest first, the head last. */
  LayerList layers();

  /** Why the store has failed; OK while it works. */
  IoError failure();

  /** Numbers for status and tests. */
  Counters counters();

  /**
   * Promises a generation to one engine instance (R1): durable before it is completed. The same
   * promise again is OK. FENCED: lower than promised, or equal with another instance.
   */
  void promise(long generation, EngineId engine, Completion done);

  /**
   * Takes a newer record (R3): durable in both slots before it is completed. The record it has is
   * OK; STALE: an older one, or another one with the same stamp.
   */
  void record(MembershipRecord newer, Completion done);

  /**
   * The member is equal to its set now, and this process is what {@link #isContinuous} speaks of
   * (E4). Durable.
   */
  void markEqual(Completion done);

  /**
   * The owner of this generation stopped serving: flushes, writes the index back, records the
   * release and, unless an unclean stop is still being repaired, that the directory is clean.
   * FENCED: not the promised generation. No other operation is under way.
   */
  void release(long generation, Completion done);

  /**
   * Reads blocks and their CRCs, of the visible volume or of one layer alone (absent and zero
   * blocks: zeros and {@code Crc32c.ZERO_BLOCK}). CRCs are those that were stored, not computed
   * from what was read. At most {@link #MAX_TRANSFER_BYTES}, not across a multiple of it.
   */
  void read(BlockRequest request);

  /**
   * {@link #read}, if that completes before this returns. Otherwise false, and nothing of the
   * request was begun or is remembered (its memory has unspecified content): the caller gives it
   * memory that may stay in use, and calls {@link #read}. So a reply can be read straight into a
   * send buffer.
   */
  default boolean readNow(BlockRequest request) {
    return false;
  }

  /**
   * The id of the layer whose data the block at {@code offset} shows; 0 if it shows none, or if
   * that is not in memory: a block that has just been read is.
   */
  int layerShowing(long offset);

  /**
   * Writes blocks and their CRCs (which it trusts). At most {@link #MAX_TRANSFER_BYTES}, not across
   * a multiple of it.
   */
  void write(BlockRequest request);

  /**
   * {@link #write}, if that completes before this returns: with buffered I/O into dirty regions
   * whose index page is in memory, the usual case. Otherwise false, as with {@link #readNow}. So
   * data can be written straight from a receive buffer.
   */
  default boolean writeNow(BlockRequest request) {
    return false;
  }

  /**
   * Blocks read as zero from now on, whatever is below; their space is freed. Within one span of
   * {@link #SPAN_BYTES}. TRIM and ZERO are both this.
   */
  void zero(BlockRequest request);

  /** Writes zeros as data, so that space is used (NBD's NO_HOLE). Within one span. */
  void zeroAllocated(BlockRequest request);

  /** Blocks of the layer show the layer below again. Within one span. */
  void absent(BlockRequest request);

  /**
   * Everything that was completed before this call is on the disk when it is completed (I6).
   * Flushes that wait for the same disk share one.
   */
  void flush(Completion done);

  /**
   * Per block {@code FrameType.HASH_ENTRY_BYTES}: state, then the first 16 bytes of SHA-256 of the
   * block as read (zeros if absent or zero). {@code layer} 0 = visible. A block whose data does not
   * match its CRC has the complement of its hash, so that it equals no good one. Within one span.
   */
  void blockHashes(BlockRequest request);

  /**
   * The visible extents of a range that may be of any length: pairs of little-endian u32 length in
   * blocks and u32 state number; covers the beginning of the range, at least one block, until the
   * memory is full (a multiple of 8 from {@code dataAt} to the end of the memory is used) or the
   * end of the span is reached.
   */
  void blockMap(BlockRequest request);

  /**
   * Seals the head and begins a new one: everything completed before is on the disk and in the
   * snapshot. The same operation again is OK. STALE: an older operation number that is not the
   * newest; EXISTS: the newest number with other contents, a snapshot's name or a layer id used
   * before; LIMIT: {@link #MAX_SNAPSHOTS}. No change of blocks is under way.
   */
  void snapshot(long operation, SnapshotSpec spec, Completion done);

  /** Whether a write to the range needs no change of the bitmap. */
  boolean isIntentSet(long offset, long length);

  /**
   * Copies bits: bit i % 8 of byte i / 8 for region {@code firstRegion + i}; those beyond the
   * volume are 0. A bit is 1 from before the first write until what it stands for is on the disk.
   *
   * @param firstRegion a multiple of 8
   * @param regions a multiple of 8
   */
  void readIntent(int firstRegion, int regions, MemorySegment target, long at);

  /**
   * ORs bits into the bitmap, durably; the shape of {@link #readIntent}. Copied before it returns.
   */
  void mergeIntent(int firstRegion, int regions, MemorySegment bits, long at, Completion done);

  /**
   * Clears the bits that are set in {@code bits}: data and index pages of those regions are on the
   * disk first. A region that is written again meanwhile, or is being written, keeps or gets its
   * bit. Whether it may be cleared (E5, E6) is the engine's to know. Copied before it returns.
   */
  void clearIntent(int firstRegion, int regions, MemorySegment bits, long at, Completion done);

  /** Sets {@link #validSince}, durably. */
  void validSince(RecordStamp since, Completion done);

  /**
   * Flushes, writes back, marks clean, unlocks. Blocks. Only when {@link #isIdle}. Errors are
   * {@link io.longhorn.api.VolumeException}; it is closed and unlocked all the same.
   */
  @Override
  void close();

  /**
   * Whether the store has no task in its pool, of its own accord neither: only then may it be
   * closed.
   */
  boolean isIdle();

  /** Closes and unlocks as a killed process would: nothing is flushed. No task is under way. */
  void kill();

  /**
   * Numbers of an open store, since it was opened where they count events.
   *
   * @param syncs fdatasync calls of data, index and bitmap
   * @param intentCommits writes of the bitmap, however many requests shared them
   * @param dirtyRegions regions whose bit is set now
   * @param cachedPages index pages in memory now
   * @param pagesWritten index pages written back
   * @param indexLogBytes length of index.log now
   * @param spansToRepair spans whose checksums an unclean stop left to be recomputed
   */
  record Counters(
      long syncs,
      long intentCommits,
      int dirtyRegions,
      int cachedPages,
      long pagesWritten,
      long indexLogBytes,
      long spansToRepair) {}
}
