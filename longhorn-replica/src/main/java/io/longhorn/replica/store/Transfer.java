package io.longhorn.replica.store;

import static io.longhorn.replica.file.NativeMemory.EVERYTHING;

import io.longhorn.api.IoError;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.memory.Loan;
import io.longhorn.api.wire.FrameType;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.index.LayerTable.Layer;
import io.longhorn.replica.index.PageCache;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Blocks on their way between memory and files: a plan of runs, made on the owner thread, and the
 * system calls for it. Reused.
 */
final class Transfer implements DiskTask {
  /** What is done with the blocks. */
  enum Kind {
    /** Read into memory. */
    READ,
    /** Written from memory. */
    WRITE,
    /** Read and hashed. */
    HASH
  }

  private static final int BLOCK = ReplicaStore.BLOCK_BYTES;
  private static final int MAX_BLOCKS = ReplicaStore.MAX_TRANSFER_BYTES / BLOCK;
  private static final int HASH_BYTES = FrameType.HASH_ENTRY_BYTES - 1;
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** A piece of zeros, aligned. */
  static final MemorySegment ZEROS =
      Arena.global().allocate(ReplicaStore.MAX_TRANSFER_BYTES, BLOCK);

  private final DirectoryStore store;
  private final @Nullable DiskFile[] files = new @Nullable DiskFile[MAX_BLOCKS];
  private final int[] runBlocks = new int[MAX_BLOCKS];
  private int runs;
  private long offset;

  /** For hashes: what the index says of each block. */
  final byte[] states = new byte[MAX_BLOCKS];

  final MemorySegment crcs;

  private Kind kind = Kind.READ;
  private @Nullable BlockRequest request;
  private @Nullable Loan staging;
  private @Nullable MessageDigest digest;
  private final byte[] hash = new byte[32];
  private final Crc32c crc = new Crc32c();
  @Nullable Layer layer;
  int frame = PageCache.NONE;
  IoError outcome = IoError.OK;

  Transfer(DirectoryStore store, Arena arena) {
    this.store = store;
    this.crcs = arena.allocate(4L * MAX_BLOCKS, 8);
  }

  /** Begins a plan at an offset. */
  void begin(long at) {
    runs = 0;
    offset = at;
  }

  /** Adds blocks of a file, or zeros for null; adjacent ones of one file become one run. */
  void add(@Nullable DiskFile file, int blocks) {
    if (runs > 0 && Objects.equals(files[runs - 1], file)) {
      runBlocks[runs - 1] += blocks;
    } else {
      files[runs] = file;
      runBlocks[runs++] = blocks;
    }
  }

  /**
   * Reads what needs no waiting.
   *
   * @return OK, EIO, or BUSY if something would wait
   */
  IoError readNow(MemorySegment target, long at) {
    long from = offset;
    long to = at;
    for (int i = 0; i < runs; i++) {
      int length = runBlocks[i] * BLOCK;
      DiskFile file = files[i];
      if (file == null) {
        MemorySegment.copy(ZEROS, 0, target, to, length);
      } else {
        IoError error = file.readNow(target.address() + to, length, from);
        if (!error.isOk()) {
          return error;
        }
      }
      from += length;
      to += length;
    }
    return IoError.OK;
  }

  /** Makes it a task of a request. */
  void of(Kind what, BlockRequest whose, @Nullable Loan memory) {
    kind = what;
    request = whose;
    staging = memory;
    outcome = IoError.OK;
  }

  BlockRequest request() {
    BlockRequest mine = request;
    if (mine == null) {
      throw new IllegalStateException("transfer without a request");
    }
    return mine;
  }

  Kind kind() {
    return kind;
  }

  /** Gives back what it held. */
  void end() {
    Loan loan = staging;
    if (loan != null) {
      loan.close();
    }
    staging = null;
    request = null;
    layer = null;
    frame = PageCache.NONE;
    for (int i = 0; i < runs; i++) {
      files[i] = null;
    }
    runs = 0;
  }

  @Override
  public void perform() {
    BlockRequest mine = request();
    outcome =
        switch (kind) {
          case READ -> read(mine);
          case WRITE -> write(mine);
          case HASH -> hash(mine);
        };
  }

  private IoError read(BlockRequest mine) {
    Loan loan = staging;
    if (loan == null) {
      return readRuns(mine.data.address() + mine.dataAt);
    }
    IoError error = readRuns(loan.address());
    if (error.isOk()) {
      MemorySegment.copy(loan.segment(), 0, mine.data, mine.dataAt, mine.length);
    }
    return error;
  }

  private IoError readRuns(long address) {
    long from = offset;
    long to = address;
    for (int i = 0; i < runs; i++) {
      int length = runBlocks[i] * BLOCK;
      DiskFile file = files[i];
      if (file == null) {
        MemorySegment.copy(ZEROS, 0, EVERYTHING, to, length);
      } else {
        IoError error = file.read(to, length, from);
        if (!error.isOk()) {
          return error;
        }
      }
      from += length;
      to += length;
    }
    return IoError.OK;
  }

  private IoError write(BlockRequest mine) {
    Layer target = layer;
    if (target == null) {
      throw new IllegalStateException("write without a layer");
    }
    Loan loan = staging;
    if (loan == null) {
      return target.data().write(mine.data.address() + mine.dataAt, mine.length, mine.offset);
    }
    MemorySegment.copy(mine.data, mine.dataAt, loan.segment(), 0, mine.length);
    return target.data().write(loan.address(), mine.length, mine.offset);
  }

  private IoError hash(BlockRequest mine) {
    Loan loan = staging;
    if (loan == null) {
      throw new IllegalStateException("hash without memory");
    }
    IoError error = readRuns(loan.address());
    if (!error.isOk()) {
      return error;
    }
    int blocks = 0;
    for (int i = 0; i < runs; i++) {
      blocks += runBlocks[i];
    }
    long out = mine.dataAt + (offset - mine.offset) / BLOCK * FrameType.HASH_ENTRY_BYTES;
    for (int block = 0; block < blocks; block++) {
      mine.data.set(ValueLayout.JAVA_BYTE, out, states[block]);
      hashBlock(loan, block);
      MemorySegment.copy(hash, 0, mine.data, ValueLayout.JAVA_BYTE, out + 1, HASH_BYTES);
      out += FrameType.HASH_ENTRY_BYTES;
    }
    return IoError.OK;
  }

  private void hashBlock(Loan loan, int block) {
    try {
      MessageDigest sha = digest;
      if (sha == null) {
        sha = MessageDigest.getInstance("SHA-256");
        digest = sha;
      }
      boolean isGood = crc.of(loan.buffer(), block * BLOCK, BLOCK) == crcs.get(U32, 4L * block);
      loan.buffer().limit(block * BLOCK + BLOCK).position(block * BLOCK);
      sha.update(loan.buffer());
      sha.digest(hash, 0, hash.length);
      for (int i = 0; i < HASH_BYTES && !isGood; i++) {
        hash[i] = (byte) ~hash[i];
      }
    } catch (NoSuchAlgorithmException | java.security.DigestException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  @Override
  public void finish() {
    store.transferred(this);
  }
}
