package io.longhorn.replica.posix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.longhorn.api.IoError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileCallsTest {
  private static final int PAGE = 4096;

  @TempDir Path directory;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory = arena.allocate(4 * PAGE, PAGE);
  private Path file;
  private int fd;

  @BeforeEach
  void open() {
    file = directory.resolve("data");
    fd = FileCalls.open(file, FileCalls.O_RDWR | FileCalls.O_CREAT | FileCalls.O_EXCL, 0600);
    assertThat(fd).isPositive();
  }

  @AfterEach
  void close() {
    FileCalls.close(fd);
    arena.close();
  }

  @Test
  void whatIsWrittenAtAnOffsetIsReadThere() throws Exception {
    memory.fill((byte) 7);
    assertThat(FileCalls.pwrite(fd, memory.address(), PAGE, 3 * PAGE)).isEqualTo(PAGE);
    assertThat(FileCalls.size(fd)).isEqualTo(4 * PAGE).isEqualTo(Files.size(file));
    memory.fill((byte) 0);
    assertThat(FileCalls.pread(fd, memory.address(), PAGE, 3 * PAGE)).isEqualTo(PAGE);
    assertThat(memory.get(ValueLayout.JAVA_BYTE, PAGE - 1)).isEqualTo((byte) 7);
    assertThat(FileCalls.pread(fd, memory.address(), PAGE, 4 * PAGE)).isZero();
    assertThat(FileCalls.fdatasync(fd)).isZero();
    assertThat(FileCalls.fsync(fd)).isZero();
  }

  @Test
  void severalBuffersAreWrittenOneAfterTheOther() throws Exception {
    memory.asSlice(0, 3).copyFrom(MemorySegment.ofArray(new byte[] {1, 2, 3}));
    memory.asSlice(100, 2).copyFrom(MemorySegment.ofArray(new byte[] {4, 5}));
    long[] addresses = {memory.address(), memory.address() + 100};
    assertThat(FileCalls.pwritev2(fd, addresses, new long[] {3, 2}, 2, 1, FileCalls.RWF_DSYNC))
        .isEqualTo(5);
    assertThat(Files.readAllBytes(file)).containsExactly(0, 1, 2, 3, 4, 5);
    assertThatThrownBy(() -> FileCalls.pwritev2(fd, addresses, new long[] {3, 2}, 65, 0, 0))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aReadThatMayNotWaitReadsWhatIsInThePageCacheOrSaysWhyNot() {
    memory.fill((byte) 9);
    FileCalls.pwrite(fd, memory.address(), PAGE, 0);
    long got = FileCalls.preadv2(fd, memory.address(), PAGE, 0, FileCalls.RWF_NOWAIT);
    assertThat(got).isIn((long) PAGE, (long) -Errno.EAGAIN, (long) -Errno.EOPNOTSUPP);
    assertThat(FileCalls.preadv2(fd, memory.address(), PAGE, 0, 0)).isEqualTo(PAGE);
  }

  @Test
  void aPunchedRangeReadsAsZeroAndTheSizeStays() {
    memory.fill((byte) 9);
    FileCalls.pwrite(fd, memory.address(), 4 * PAGE, 0);
    int punch = FileCalls.FALLOC_FL_PUNCH_HOLE | FileCalls.FALLOC_FL_KEEP_SIZE;
    int got = FileCalls.fallocate(fd, punch, PAGE, PAGE);
    assumeThat(got).isNotEqualTo(-Errno.EOPNOTSUPP);
    assertThat(got).isZero();
    assertThat(FileCalls.size(fd)).isEqualTo(4 * PAGE);
    FileCalls.pread(fd, memory.address(), 4 * PAGE, 0);
    assertThat(memory.get(ValueLayout.JAVA_BYTE, PAGE)).isZero();
    assertThat(memory.get(ValueLayout.JAVA_BYTE, 2 * PAGE)).isEqualTo((byte) 9);
    assertThat(FileCalls.ftruncate(fd, PAGE)).isZero();
    assertThat(FileCalls.size(fd)).isEqualTo(PAGE);
  }

  @Test
  void aDirectFileTakesAlignedTransfersAndRefusesOthers() {
    int direct = FileCalls.open(file, FileCalls.O_RDWR | FileCalls.O_DIRECT, 0);
    assumeThat(direct).as("this file system has no O_DIRECT").isNotEqualTo(-Errno.EINVAL);
    assertThat(direct).isPositive();
    assertThat(FileCalls.pwrite(direct, memory.address(), PAGE, 0)).isEqualTo(PAGE);
    assertThat(FileCalls.pwrite(direct, memory.address() + 1, PAGE, 0))
        .isIn((long) -Errno.EINVAL, (long) PAGE);
    FileCalls.close(direct);
  }

  @Test
  void theLockOfAFileIsHeldByOneOpenFileUntilItIsClosed() {
    assertThat(FileCalls.lockExclusive(fd)).isZero();
    int second = FileCalls.open(file, FileCalls.O_RDWR, 0);
    assertThat(FileCalls.lockExclusive(second)).isEqualTo(-Errno.EAGAIN);
    FileCalls.close(fd);
    assertThat(FileCalls.lockExclusive(second)).isZero();
    fd = second;
  }

  @Test
  void aDirectoryCanBeSynced() {
    int dir = FileCalls.open(directory, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0);
    assertThat(dir).isPositive();
    assertThat(FileCalls.fsync(dir)).isZero();
    FileCalls.close(dir);
    assertThat(FileCalls.open(file, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0))
        .isEqualTo(-Errno.ENOTDIR);
  }

  @Test
  void errorsAreTheKernelsNumbersWithTheKernelsWords() {
    assertThat(FileCalls.open(directory.resolve("none"), FileCalls.O_RDONLY, 0))
        .isEqualTo(-Errno.ENOENT);
    assertThat(FileCalls.open(file, FileCalls.O_RDWR | FileCalls.O_CREAT | FileCalls.O_EXCL, 0))
        .isEqualTo(-Errno.EEXIST);
    int full = FileCalls.open(Path.of("/dev/full"), FileCalls.O_RDWR, 0);
    assertThat(FileCalls.pwrite(full, memory.address(), PAGE, 0)).isEqualTo(-Errno.ENOSPC);
    FileCalls.close(full);
    assertThat(Errno.describe(Errno.ENOSPC)).isEqualTo("No space left on device");
    assertThat(Errno.toIoError(Errno.ENOSPC)).isEqualTo(IoError.ENOSPC);
    assertThat(Errno.toIoError(Errno.EDQUOT)).isEqualTo(IoError.ENOSPC);
    assertThat(List.of(Errno.EIO, Errno.EINVAL, Errno.EROFS))
        .allMatch(errno -> Errno.toIoError(errno) == IoError.EIO);
  }

  @Test
  void theFileSystemSaysWhatItIs() {
    assertThat(FileCalls.fileSystemType(fd)).isPositive();
    Path memoryFileSystem = Path.of("/dev/shm");
    assumeThat(memoryFileSystem).isDirectory();
    int dir = FileCalls.open(memoryFileSystem, FileCalls.O_RDONLY, 0);
    assertThat(FileCalls.fileSystemType(dir)).isEqualTo(FileCalls.TMPFS_MAGIC);
    FileCalls.close(dir);
  }

  @Test
  void theCallsOfTheDataPathAllocateNothing() {
    long[] addresses = {memory.address(), memory.address() + PAGE};
    long[] lengths = {PAGE, PAGE};
    IntUnaryOperator calls =
        rounds -> {
          long done = 0;
          for (int i = 0; i < rounds; i++) {
            done += FileCalls.pwrite(fd, memory.address(), PAGE, 0);
            done += FileCalls.pread(fd, memory.address(), PAGE, 0);
            done += FileCalls.preadv2(fd, memory.address(), PAGE, 0, FileCalls.RWF_NOWAIT);
            done += FileCalls.pwritev2(fd, addresses, lengths, 2, 0, 0);
          }
          return (int) (done & 1);
        };
    assertThat(Allocation.perRound(calls)).isLessThan(Allocation.NOTHING);
  }
}
