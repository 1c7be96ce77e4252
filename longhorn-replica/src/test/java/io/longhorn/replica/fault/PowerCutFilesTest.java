package io.longhorn.replica.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.replica.file.DiskException;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileDirectory.Cache;
import io.longhorn.replica.file.PosixFiles;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PowerCutFilesTest {
  private static final int SECTORS = 64;
  private static final int SECTOR = 512;
  private static final int SEEDS = 50;

  @TempDir private Path home;

  private final Arena arena = Arena.ofConfined();
  private final MemorySegment memory = arena.allocate(SECTORS * SECTOR);
  private final PowerCutFiles files = new PowerCutFiles(new PosixFiles());
  private FileDirectory directory;
  private DiskFile file;

  @BeforeEach
  void open() throws DiskException {
    directory = files.open(home);
    file = directory.create("f", Cache.BUFFERED);
  }

  @AfterEach
  void close() {
    file.close();
    directory.close();
    files.close();
    arena.close();
  }

  private void reopen() throws DiskException {
    file.close();
    directory.close();
    directory = files.open(home);
    file = directory.open("f", Cache.BUFFERED);
  }

  private void write(int sector, int sectors, int version) {
    memory.fill((byte) version);
    assertThat(file.write(memory.address(), sectors * SECTOR, (long) sector * SECTOR))
        .isEqualTo(IoError.OK);
  }

  /** The version of a sector that holds one and nothing else. */
  private int version(int sector) {
    assertThat(file.read(memory.address(), SECTOR, (long) sector * SECTOR)).isEqualTo(IoError.OK);
    byte version = memory.get(ValueLayout.JAVA_BYTE, 0);
    for (int i = 0; i < SECTOR; i++) {
      assertThat(memory.get(ValueLayout.JAVA_BYTE, i)).as("byte %d", i).isEqualTo(version);
    }
    return version;
  }

  @Test
  void whatWasSyncedStaysAndTheRestIsKeptLostOrTornBySectors() throws DiskException {
    TreeSet<Integer> numbersKept = new TreeSet<>();
    for (int seed = 0; seed < SEEDS; seed++) {
      write(0, SECTORS, 1);
      assertThat(file.sync()).isEqualTo(IoError.OK);
      write(8, 16, 2);
      files.cut(new Random(seed));
      reopen();
      int kept = 0;
      for (int sector = 0; sector < SECTORS; sector++) {
        int version = version(sector);
        boolean isNew = version == 2;
        assertThat(isNew ? 2 : 1).as("seed %d, sector %d", seed, sector).isEqualTo(version);
        assertThat(isNew && (sector < 8 || sector >= 24)).as("sector %d", sector).isFalse();
        kept += isNew ? 1 : 0;
      }
      numbersKept.add(kept);
    }
    assertThat(numbersKept).contains(0, 16).hasSizeGreaterThan(4);
  }

  @Test
  void aSyncThroughAnotherHandleCountsForWhatWasWrittenBeforeIt() throws DiskException {
    for (int seed = 0; seed < SEEDS; seed++) {
      write(0, SECTORS, 1 + seed);
      file.close();
      file = directory.open("f", Cache.BUFFERED);
      assertThat(file.sync()).isEqualTo(IoError.OK);
      assertThat(files.cut(new Random(seed))).isZero();
      reopen();
      assertThat(version(SECTORS - 1)).isEqualTo(1 + seed);
    }
  }

  @Test
  void aHoleThatWasNotSyncedMayBeFullAgainAndWhatWasAppendedGone() throws DiskException {
    TreeSet<Integer> versions = new TreeSet<>();
    TreeSet<Long> sizes = new TreeSet<>();
    for (int seed = 0; seed < SEEDS; seed++) {
      assertThat(file.truncate((long) SECTORS / 2 * SECTOR)).isEqualTo(IoError.OK);
      write(0, SECTORS / 2, 1);
      assertThat(file.sync()).isEqualTo(IoError.OK);
      assertThat(file.punch(0, 4 * SECTOR)).isEqualTo(IoError.OK);
      write(SECTORS / 2, SECTORS / 2, 3);
      files.cut(new Random(seed));
      reopen();
      versions.add(version(0));
      sizes.add(file.sizeBytes());
      assertThat(version(SECTORS / 2 - 1)).isEqualTo(1);
    }
    assertThat(versions).containsExactly(0, 1);
    assertThat(sizes).containsExactly((long) SECTORS / 2 * SECTOR, (long) SECTORS * SECTOR);
  }

  @Test
  void whatWasOpenWhenThePowerWentIsDead() throws Exception {
    UUID boot = files.boot();
    write(0, 1, 1);
    files.cut(new Random(1));
    assertThat(files.boot()).isNotEqualTo(boot);
    assertThat(file.write(memory.address(), SECTOR, 0)).isEqualTo(IoError.EIO);
    assertThat(file.read(memory.address(), SECTOR, 0)).isEqualTo(IoError.EIO);
    assertThat(file.sync()).isEqualTo(IoError.EIO);
    assertThatThrownBy(() -> directory.open("f", Cache.BUFFERED))
        .isInstanceOf(DiskException.class)
        .hasMessageContaining("the power was cut");
    assertThat(Files.exists(home.resolve("f"))).isTrue();
  }

  @Test
  void aRenamedFileIsTornUnderItsNewName() throws DiskException {
    TreeSet<Integer> versions = new TreeSet<>();
    for (int seed = 0; seed < SEEDS; seed++) {
      DiskFile next = directory.create("next", Cache.BUFFERED);
      file.close();
      file = next;
      write(0, SECTORS, 1);
      assertThat(file.sync()).isEqualTo(IoError.OK);
      directory.rename("next", "f");
      write(0, 1, 2);
      files.cut(new Random(seed));
      reopen();
      versions.add(version(0));
      assertThat(version(1)).isEqualTo(1);
    }
    assertThat(versions).containsExactly(1, 2);
  }

  @Test
  void memoryForWhatIsUnsyncedIsBounded() throws DiskException {
    long length = UnsyncedFile.MAX_REMEMBERED_BYTES + (1 << 20);
    assertThat(file.truncate(length)).isEqualTo(IoError.OK);
    assertThat(file.sync()).isEqualTo(IoError.OK);
    for (long at = 0; at < length; at += memory.byteSize()) {
      memory.fill((byte) 7);
      assertThat(file.write(memory.address(), (int) memory.byteSize(), at)).isEqualTo(IoError.OK);
    }
    int lost = files.cut(new Random(3));
    assertThat(lost)
        .isPositive()
        .isLessThanOrEqualTo((int) (UnsyncedFile.MAX_REMEMBERED_BYTES / memory.byteSize()));
    reopen();
    assertThat(version(0)).as("written back long ago").isEqualTo(7);
  }
}
