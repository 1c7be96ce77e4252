package io.longhorn.api.wire;

import org.jspecify.annotations.Nullable;

/**
 * What a frame asks for. Numbers are for ever. A reply has the same type and sequence with {@link
 * FrameHeader#FLAG_REPLY} set, and its status; a reply with an error has no payload, or one string
 * field that says more.
 */
public enum FrameType {
  /**
   * First on every connection: who is there, without effect. {@link Hello} answered by {@link
   * ReplicaInfo}.
   */
  HELLO(1),
  /**
   * Starts the owner's session (R1, R2, R8): {@link Promise} answered by {@link ReplicaInfo} as it
   * is after the promise is durable and the older session is ended and drained.
   */
  PROMISE(2),
  /**
   * Persists a membership record if it is newer (R3); answered when it is on disk. Payload: {@link
   * RecordCodec}.
   */
  RECORD(3),
  /**
   * Volume data, or one layer's own data if {@code layer} is not 0. Offset and length in whole
   * blocks. The reply carries CRCs and data.
   */
  READ(4),
  /**
   * Volume data with its CRCs, into the head, or into {@code layer} (repair and resync). Whole
   * blocks.
   */
  WRITE(5),
  /**
   * Blocks become zero, whole blocks, no payload. With {@link FrameHeader#FLAG_ALLOCATE} data is
   * allocated, not only marked.
   */
  ZERO(6),
  /** Blocks are no longer needed and read as zero from now on. Whole blocks. */
  TRIM(7),
  /** Everything answered before this was sent is on the disk when it is answered (I6). */
  FLUSH(8),
  /**
   * Per block of one layer (0 = visible): one byte {@link BlockState} and 16 bytes of hash. At most
   * {@link #MAX_HASH_BLOCKS} blocks.
   */
  BLOCK_HASHES(9),
  /**
   * The visible extents of a range: pairs of u32 length in blocks and u32 {@link BlockState}
   * number; may cover less than asked, never nothing.
   */
  BLOCK_MAP(10),
  /**
   * Seals the head under {@code operation}, a new head with a new layer id above it. {@link
   * SnapshotSpec}.
   */
  SNAPSHOT(11),
  /** The chain of layers and the metadata operations behind it. Answered by {@link LayerList}. */
  LAYERS(12),
  /**
   * The write-intent bitmap of the whole volume; the reply's payload has bit i of byte i/8 for
   * region i, from the region {@code offset}.
   */
  INTENT_READ(13),
  /** The bits of the payload, from region {@code offset}, are ORed into the bitmap, durably. */
  INTENT_MERGE(14),
  /**
   * Clears the set bits of the payload, from region {@code offset}, as section 3 allows (E5, E6):
   * index pages first.
   */
  INTENT_CLEAR(15),
  /**
   * The member is equal to the set now: the process instance that runs is what "continuous" will
   * refer to (E4). Durable.
   */
  MARK_EQUAL(16),
  /** The owner has stopped serving and will send nothing more: flush, write back, mark clean. */
  RELEASE(17),
  /** Answered at once: the link and the process live, and the session's generation still holds. */
  PING(18),
  /** Counters and state for people. Answered by numbered fields. */
  STATUS(19),
  /** Reserved: stop, finish what was sent, answer; the claim of section 9. */
  QUIESCE(20),
  /** Reserved: layer data in bulk, for the rebuild of an empty replica. */
  COPY(21),
  /**
   * The block range becomes absent in one layer again: resync of a block the source does not have.
   */
  ABSENT(22),
  /**
   * Sets the bitmap's {@code validSince} to the payload's stamp: from this record on the bits are
   * complete. Sent with the clearing that empties a complete set's history, and when a replica has
   * been made equal. Durable.
   */
  INTENT_VALID_SINCE(23),
  /**
   * Asks the cluster store for a volume's record, which it answers with {@link
   * VolumeRecordCodec.Stored}. {@link VolumeRecordCodec.Query}.
   */
  RECORD_GET(24),
  /**
   * Replaces a volume's record in the cluster store if its revision is the one expected, durably.
   * {@link VolumeRecordCodec.Change} answered by {@link VolumeRecordCodec.Stored}: the record and
   * the revision of this change, or with status CONFLICT what is there instead.
   */
  RECORD_SET(25),
  /**
   * To an instance manager: start a process of ours. The spec of the instance, answered by its
   * status, {@code starting}, at once; EXISTS while one of that name has not ended.
   */
  INSTANCE_START(32),
  /**
   * To an instance manager: end an instance cleanly. Its name and, if it has to be this run of it,
   * its uuid; answered by its status at once.
   */
  INSTANCE_STOP(33),
  /**
   * To an instance manager: the manager itself and every instance, when its revision is another
   * than the one the asker has seen, or when the asker's time is over.
   */
  INSTANCE_LIST(34),
  /** To an instance manager: a piece of the log of one instance. */
  INSTANCE_LOG(35),
  /** To an instance manager: drop an instance that has ended from the list. */
  INSTANCE_FORGET(36),
  /** Reserved: the next run of an instance takes over from the one that runs. */
  INSTANCE_REPLACE(37),
  /**
   * Asks an engine how it is: {@link EngineStatus.Query} answered by {@link EngineStatus}, at once
   * if it is another one than the asker has seen, otherwise when it changes or the wait is over.
   */
  ENGINE_STATUS(40),
  /** Takes a snapshot of an engine's volume: field 1, its name. Answered when it is taken. */
  ENGINE_SNAPSHOT(41),
  /**
   * Asks an engine for the chain of its volume. Answered by an in-sync member's {@link LayerList}.
   */
  ENGINE_SNAPSHOTS(42),
  /**
   * Compares what the in-sync members of an engine's volume have, while I/O goes on. Answered by
   * {@link EngineStatus.Check} when it is done; BUSY while another one runs.
   */
  ENGINE_CHECK(43),
  /** To the daemon: what a person wants of the cluster, one of a family of commands. */
  COMMAND(48),
  /** To the daemon: objects of one kind, a page at a time. */
  OBJECT_LIST(49),
  /** To the daemon: answered when an object has changed, or when the asker's time is over. */
  OBJECT_WATCH(50);

  /** Most blocks one {@link #BLOCK_HASHES} asks for: one index page. */
  public static final int MAX_HASH_BLOCKS = 512;

  /**
   * Bytes per block in the reply to {@link #BLOCK_HASHES}: state, then the first 16 bytes of
   * SHA-256.
   */
  public static final int HASH_ENTRY_BYTES = 17;

  private static final @Nullable FrameType[] BY_CODE;

  static {
    int largest = 0;
    for (FrameType type : values()) {
      largest = Math.max(largest, type.code);
    }
    BY_CODE = new @Nullable FrameType[largest + 1];
    for (FrameType type : values()) {
      BY_CODE[type.code] = type;
    }
  }

  private final int code;

  FrameType(int code) {
    this.code = code;
  }

  /** The number in the header, 1 to 255. */
  public int code() {
    return code;
  }

  /** The type of a number, or null for one that this build does not know. */
  public static @Nullable FrameType ofCode(int code) {
    return code >= 0 && code < BY_CODE.length ? BY_CODE[code] : null;
  }
}
