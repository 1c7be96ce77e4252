package io.longhorn.replica.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FaultPlan;
import io.longhorn.replica.file.FaultPlan.Call;
import io.longhorn.replica.file.FaultPlan.Fault;
import io.longhorn.replica.file.FaultyFiles;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileDirectory.Cache;
import io.longhorn.replica.file.MemoryFiles;
import io.longhorn.replica.file.PosixFiles;
import io.longhorn.replica.format.ManifestFormat;
import io.longhorn.replica.format.ManifestRecord;
import io.longhorn.replica.format.RecordMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bad directories and bad days: one clear line each, and nothing that lies. */
class ReplicaDirectoryTest {
  private static final long SIZE = 4L << 20;

  private final MemoryFiles memory = new MemoryFiles();
  private final FaultyFiles files = new FaultyFiles(memory, FaultPlan.none());
  private final StoreFixture it = new StoreFixture(files, SIZE);

  private VolumeException refusal() {
    VolumeException refusal = catchThrowableOfType(VolumeException.class, it::open);
    assertThat(refusal).as("it was opened").isNotNull();
    assertThat(refusal.getMessage()).isNotBlank().doesNotContain("\n");
    return refusal;
  }

  private interface Damage {
    void to(FileDirectory directory) throws Exception;
  }

  private void damage(Damage damage) {
    try (FileDirectory directory = memory.open(StoreFixture.DIRECTORY)) {
      damage.to(directory);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static void overwrite(FileDirectory directory, String name, long offset, byte[] bytes)
      throws Exception {
    DiskFile file = directory.open(name, Cache.BUFFERED);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment native0 = arena.allocate(bytes.length);
      native0.copyFrom(MemorySegment.ofArray(bytes));
      assertThat(file.write(native0.address(), bytes.length, offset)).isEqualTo(IoError.OK);
    }
    file.close();
  }

  @Test
  void aMissingDirectoryIsNotFound() {
    assertThat(refusal().error()).isEqualTo(IoError.NOT_FOUND);
  }

  @Test
  void anEmptyOrForeignDirectoryIsNotAReplica() {
    memory.createDirectory(StoreFixture.DIRECTORY);
    assertThat(refusal().error()).isEqualTo(IoError.NOT_FOUND);
    damage(directory -> directory.create("photo.jpeg", Cache.BUFFERED).close());
    assertThat(refusal().error()).isEqualTo(IoError.NOT_FOUND);
    VolumeException refused = catchThrowableOfType(VolumeException.class, it::create);
    assertThat(refused.error()).isEqualTo(IoError.INVALID);
    assertThat(refused).hasMessageContaining("photo.jpeg");
  }

  /** Whoever asked for it may have died before it saw the answer; the next one asks again. */
  @Test
  void aReplicaThatIsThereAsItWasMadeIsMade() {
    it.create();
    files.plan((call, _, _) -> call == Call.WRITE ? Fault.EIO : Fault.NONE);
    it.create();
    files.plan(FaultPlan.none());
    it.open().store.kill();
    it.create().open().store.close();
    it.create().open();
    assertThat(it.version(5)).isZero();
    it.store.close();
  }

  @Test
  void aReplicaIsNotCreatedOverAnother() {
    it.create();
    ReplicaSpec own = StoreFixture.spec(SIZE);
    MembershipRecord alone = MembershipRecord.ofNewVolume(List.of(own.replica()));
    ReplicaSpec[] others = {
      StoreFixture.spec(SIZE + ReplicaStore.BLOCK_BYTES),
      new ReplicaSpec(
          new VolumeId(new UUID(1, 2)),
          own.name(),
          own.replica(),
          SIZE,
          own.authority(),
          own.record()),
      new ReplicaSpec(
          own.volume(), own.name(), StoreFixture.OTHER, SIZE, own.authority(), own.record()),
      new ReplicaSpec(own.volume(), own.name(), own.replica(), SIZE, "store:c", own.record()),
      new ReplicaSpec(own.volume(), own.name(), own.replica(), SIZE, own.authority(), alone)
    };
    for (ReplicaSpec other : others) {
      assertThat(refusalOf(other).error()).as("%s", other).isEqualTo(IoError.EXISTS);
    }
    it.create().open();
    assertThat(it.store.record()).isEqualTo(own.record());
    assertThat(refusalOf(own).error()).isEqualTo(IoError.BUSY);
  }

  @Test
  void aReplicaThatWasPromisedIsNotCreatedAgain() {
    it.create().open();
    it.promise(4, 1);
    assertThat(it.write(5, 1, 1)).isEqualTo(IoError.OK);
    it.store.kill();
    assertThat(refusalOf(StoreFixture.spec(SIZE)).error()).isEqualTo(IoError.EXISTS);
    it.open().store.close();
    assertThat(refusalOf(StoreFixture.spec(SIZE)).error()).isEqualTo(IoError.EXISTS);
    it.open();
    assertThat(it.store.promised()).isEqualTo(4);
    assertThat(it.version(5)).isEqualTo(1);
  }

  private VolumeException refusalOf(ReplicaSpec spec) {
    return catchThrowableOfType(
        VolumeException.class, () -> ReplicaDirectory.create(files, StoreFixture.DIRECTORY, spec));
  }

  @Test
  void aDirectoryIsOpenOnce() {
    it.create().open();
    StoreFixture second = new StoreFixture(files, SIZE);
    assertThat(catchThrowableOfType(VolumeException.class, second::open).error())
        .isEqualTo(IoError.BUSY);
    it.store.close();
    second.open();
    second.store.close();
  }

  @Test
  void anUnknownVersionIsRefused() throws Exception {
    it.create();
    damage(directory -> {
      for (String name : new String[] {"super.a", "super.b"}) {
        DiskFile file = directory.open(name, Cache.BUFFERED);
        try (Arena arena = Arena.ofConfined()) {
          RecordMemory slot = RecordMemory.over(arena.allocate(4096, 8));
          assertThat(file.read(slot.address(), 4096, 0)).isEqualTo(IoError.OK);
          slot.putInt(8, 2);
          slot.putInt(4092, slot.crc(0, 4092));
          assertThat(file.write(slot.address(), 4096, 0)).isEqualTo(IoError.OK);
        }
        file.close();
      }
    });
    assertThat(refusal().error()).isEqualTo(IoError.UNKNOWN_VERSION);
  }

  @ParameterizedTest
  @ValueSource(strings = {"L1.dat", "L1.idx"})
  void aLayerOfTheWrongSizeIsRefused(String name) {
    it.create();
    damage(directory -> {
      DiskFile file = directory.open(name, Cache.BUFFERED);
      assertThat(file.truncate(file.sizeBytes() - 4096)).isEqualTo(IoError.OK);
      file.close();
    });
    assertThat(refusal().error()).isEqualTo(IoError.WRONG_SIZE);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"super.a", "super.b", "manifest.log", "intent", "index.log", "L1.dat", "L1.idx"})
  void aMissingFileIsDamage(String name) {
    it.create();
    damage(directory -> directory.delete(name));
    assertThat(refusal().error()).isEqualTo(IoError.CORRUPT);
    assertThat(refusalOf(StoreFixture.spec(SIZE)).error()).isEqualTo(IoError.EXISTS);
  }

  @ParameterizedTest
  @ValueSource(strings = {"manifest.log", "index.log"})
  void aDamagedBeginningIsDamage(String name) {
    it.create();
    memory.flipBit(StoreFixture.DIRECTORY, name, 9, 2);
    assertThat(refusal().error()).isEqualTo(IoError.CORRUPT);
  }

  @Test
  void anEmptyManifestOrLogOrBitmapIsDamage() {
    for (String name : new String[] {"manifest.log", "index.log", "intent", "super.a"}) {
      StoreFixture one = new StoreFixture(new MemoryFiles(), SIZE).create();
      try (FileDirectory directory = one.files.open(StoreFixture.DIRECTORY)) {
        DiskFile file = directory.open(name, Cache.BUFFERED);
        assertThat(file.truncate(0)).isEqualTo(IoError.OK);
        file.close();
      } catch (Exception e) {
        throw new AssertionError(e);
      }
      assertThat(catchThrowableOfType(VolumeException.class, one::open).error())
          .as(name)
          .isIn(IoError.CORRUPT, IoError.STALE);
    }
  }

  @Test
  void oneDamagedSuperIsStaleAfterACleanCloseAndNotAfterACrash() {
    it.create().open();
    it.promise(4, 1);
    it.write(5, 1, 1);
    it.store.kill();
    memory.flipBit(StoreFixture.DIRECTORY, "super.a", 100, 1);
    it.open();
    assertThat(it.store.promised()).isEqualTo(4);
    it.record(1, 7);
    assertThat(it.version(5)).as("repaired, so that it can be closed cleanly").isEqualTo(1);
    it.store.close();
    memory.flipBit(StoreFixture.DIRECTORY, "super.b", 100, 1);
    assertThat(refusal().error()).isEqualTo(IoError.STALE);
  }

  @Test
  void anOldCopyOfASuperIsStale() {
    it.create().open();
    byte[][] old = new byte[1][];
    damage(directory -> old[0] = contents(directory, "super.a"));
    it.promise(4, 1);
    it.promise(5, 1);
    it.write(5, 1, 1);
    it.store.close();
    damage(directory -> overwrite(directory, "super.a", 0, old[0]));
    assertThat(refusal().error()).isEqualTo(IoError.STALE);
  }

  private static byte[] contents(FileDirectory directory, String name) throws Exception {
    DiskFile file = directory.open(name, Cache.BUFFERED);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(file.sizeBytes());
      assertThat(file.read(bytes.address(), (int) file.sizeBytes(), 0)).isEqualTo(IoError.OK);
      return bytes.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    } finally {
      file.close();
    }
  }

  @Test
  void arbitraryBytesInAnyFileAreRefusedOrRepairedAndNeverHang() {
    long seed = 42;
    java.util.Random random = new java.util.Random(seed);
    String[] names = {"super.a", "super.b", "manifest.log", "intent", "index.log", "L1.idx"};
    for (int round = 0; round < 600; round++) {
      StoreFixture one = new StoreFixture(new MemoryFiles(), SIZE).create().open();
      one.write(5, 3, 1);
      one.flush();
      one.store.kill();
      String name = names[random.nextInt(names.length)];
      try (FileDirectory directory = one.files.open(StoreFixture.DIRECTORY)) {
        byte[] noise = new byte[1 + random.nextInt(600)];
        random.nextBytes(noise);
        overwrite(directory, name, random.nextInt(700), noise);
      } catch (Exception e) {
        throw new AssertionError(e);
      }
      try {
        one.open();
        StoreFixture.Request read = one.ranged(0, 5, 1);
        one.store.read(read);
        assertThat(one.ended(read)).isIn(IoError.OK, IoError.CORRUPT, IoError.UNKNOWN_VERSION);
        one.store.kill();
      } catch (VolumeException e) {
        assertThat(e.error())
            .as("seed %d, round %d, %s: %s", seed, round, name, e.getMessage())
            .isIn(IoError.CORRUPT, IoError.STALE, IoError.UNKNOWN_VERSION, IoError.UNSUPPORTED);
      }
    }
  }

  @Test
  void aManifestOfANewerBuildIsRefusedByName() {
    it.create();
    ManifestRecord[] later = {
      new ManifestRecord.Delete(1),
      new ManifestRecord.Adopt(1, 2),
      new ManifestRecord.Revert(1, 9),
      new ManifestRecord.Expand(8L << 20, 2),
      new ManifestRecord.Branch(1, 9)
    };
    for (ManifestRecord record : later) {
      damage(directory -> {
        DiskFile file = directory.open("manifest.log", Cache.BUFFERED);
        try (Arena arena = Arena.ofConfined()) {
          RecordMemory bytes = RecordMemory.over(arena.allocate(512, 8));
          ManifestFormat.write(bytes, 0, new ManifestFormat.Entry(1, 1, record));
          assertThat(file.write(bytes.address(), 512, 512)).isEqualTo(IoError.OK);
        }
        file.close();
      });
      assertThat(refusal().error()).isEqualTo(IoError.UNSUPPORTED);
    }
  }

  @Test
  void creationRefusesWhatItCannotWrite() {
    files.plan((call, _, _) -> call == Call.WRITE ? Fault.ENOSPC : Fault.NONE);
    assertThat(catchThrowableOfType(VolumeException.class, it::create).error())
        .isEqualTo(IoError.ENOSPC);
  }

  @Test
  void aFullDiskFailsTheWriteAndTheStoreGoesOn() {
    it.create().open();
    it.write(5, 2, 1);
    // The first two blocks have their space already, the other two get none.
    int[] writes = new int[1];
    files.plan((call, name, _) -> {
      if (call != Call.WRITE || !name.equals("L1.dat")) {
        return Fault.NONE;
      }
      writes[0]++;
      return writes[0] == 2 || writes[0] == 3 ? Fault.NONE : Fault.ENOSPC;
    });
    assertThat(it.write(5, 4, 2)).isEqualTo(IoError.ENOSPC);
    files.plan(FaultPlan.none());
    assertThat(it.store.failure()).isEqualTo(IoError.OK);
    assertThat(it.version(5)).as("new, and so is its checksum").isEqualTo(2);
    assertThat(it.version(6)).isEqualTo(2);
    assertThat(it.version(7)).as("as it was").isZero();
    assertThat(it.flush()).isEqualTo(IoError.OK);
    assertThat(it.write(5, 4, 3)).isEqualTo(IoError.OK);
    assertThat(it.version(8)).isEqualTo(3);
  }

  @Test
  void aFailedWriteFailsTheStoreUntilItIsOpenedAgain() {
    it.create().open();
    it.write(5, 1, 1);
    it.flush();
    IoError error = IoError.EIO;
    files.plan(
        (call, name, _) -> name.equals("L1.dat") && call == Call.WRITE ? Fault.EIO : Fault.NONE);
    assertThat(it.write(5, 1, 2)).isEqualTo(error);
    files.plan(FaultPlan.none());
    assertThat(it.store.failure()).isEqualTo(error);
    assertThat(it.write(6, 1, 2)).isEqualTo(error);
    assertThat(it.flush()).isEqualTo(error);
    assertThat(it.zero(6, 1)).isEqualTo(error);
    assertThat(it.promise(9, 1)).isEqualTo(error);
    assertThat(it.snapshot(1, "s", 2)).isEqualTo(error);
    assertThat(it.clearAll()).isEqualTo(error);
    StoreFixture.Request read = it.ranged(0, 5, 1);
    it.store.read(read);
    assertThat(it.ended(read)).isEqualTo(error);
    it.store.close();
    it.open();
    assertThat(it.version(5)).isEqualTo(1);
    assertThat(it.store.counters().spansToRepair()).as("was not closed cleanly").isZero();
  }

  @Test
  void aFailedFsyncIsNeverRepeated() {
    it.create().open();
    it.write(5, 1, 1);
    int[] syncs = new int[1];
    files.plan((call, _, _) -> {
      if (call != Call.SYNC) {
        return Fault.NONE;
      }
      syncs[0]++;
      return Fault.EIO;
    });
    assertThat(it.flush()).isEqualTo(IoError.EIO);
    assertThat(it.flush()).isEqualTo(IoError.EIO);
    it.store.close();
    assertThat(syncs[0]).isEqualTo(1);
  }

  @Test
  void aFailedReadFailsOnlyTheRead() {
    it.create().open();
    it.write(5, 1, 1);
    assertThat(it.version(5)).isEqualTo(1);
    files.plan((call, _, _) -> call == Call.READ ? Fault.EIO : Fault.NONE);
    StoreFixture.Request read = it.ranged(0, 5, 1);
    it.store.read(read);
    assertThat(it.ended(read)).isEqualTo(IoError.EIO);
    files.plan(FaultPlan.none());
    assertThat(it.store.failure()).isEqualTo(IoError.OK);
    assertThat(it.version(5)).isEqualTo(1);
  }

  @ParameterizedTest
  @EnumSource(IoMode.class)
  void itWorksOnTheFilesOfLinux(IoMode mode, @TempDir Path directory) throws Exception {
    StoreFixture real =
        new StoreFixture(new PosixFiles(), directory.resolve("a").resolve("replica"), SIZE);
    real.mode = mode;
    real.create();
    try {
      real.open();
    } catch (VolumeException e) {
      assertThat(e.error()).as("no O_DIRECT here").isEqualTo(IoError.UNSUPPORTED);
      assertThat(mode).isEqualTo(IoMode.DIRECT);
      return;
    }
    assertThat(
            catchThrowableOfType(
                    VolumeException.class,
                    () ->
                        ReplicaDirectory.open(
                            new PosixFiles(),
                            real.directory,
                            new StoreOptions(mode, real.store.process()),
                            DiskPool.inline()))
                .error())
        .as("opened twice in one process")
        .isEqualTo(IoError.BUSY);
    real.write(5, 3, 1);
    real.zero(6, 1);
    real.flush();
    real.snapshot(1, "one", 2);
    real.write(5, 1, 2);
    real.killAndOpen();
    assertThat(real.version(5)).isEqualTo(2);
    assertThat(real.version(6)).isZero();
    assertThat(real.version(7)).isEqualTo(1);
    real.reopen();
    assertThat(real.version(5)).isEqualTo(2);
    assertThat(real.version(1, 5)).isEqualTo(1);
    real.store.close();
    assertThat(Files.size(real.directory.resolve("L2.dat"))).isEqualTo(SIZE);
  }
}
