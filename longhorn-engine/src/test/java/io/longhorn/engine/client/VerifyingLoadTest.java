package io.longhorn.engine.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.engine.client.MemoryDevice.Lie;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The load believes an honest device, whatever happens to it, and no other. */
@Timeout(120)
class VerifyingLoadTest {
  private static final int SIZE = 4 << 20;
  private static final int OPERATIONS = 3_000;

  private final long seed = Long.getLong("longhorn.seed", 20_261_120L);

  private VerifyingLoad load() {
    System.out.println("VerifyingLoadTest: -Dlonghorn.seed=" + seed);
    return new VerifyingLoad(seed, SIZE);
  }

  @Test
  void anHonestDeviceIsBelieved() {
    MemoryDevice device = new MemoryDevice(SIZE, Lie.NONE);
    VerifyingLoad load = load();
    LoadReport report = load.run(List.of(device, device), 4, OPERATIONS);
    assertThat(report.firstMismatch()).isEmpty();
    assertThat(report.errors()).isZero();
    assertThat(report.operations()).isGreaterThanOrEqualTo(OPERATIONS);
    assertThat(report.reads()).isGreaterThan(500);
    assertThat(report.writes()).isGreaterThan(500);
    assertThat(report.zeroes()).isGreaterThan(50);
    assertThat(report.trims()).isGreaterThan(50);
    assertThat(report.flushes()).isGreaterThan(50);
    assertThat(load.verifyAll(device).isClean()).isTrue();
  }

  @Test
  void errorsLeaveOldOrNew() {
    MemoryDevice device = new MemoryDevice(SIZE, Lie.NONE);
    device.failEvery(7);
    VerifyingLoad load = load();
    LoadReport report = load.run(List.of(device), 6, OPERATIONS);
    assertThat(report.firstMismatch()).isEmpty();
    assertThat(report.errors()).isGreaterThan(100);
    assertThat(report.firstError()).contains("told to fail");
  }

  @Test
  void anHonestDeviceIsBelievedAcrossCrashesAndLossOfPower() {
    for (boolean losesPower : new boolean[] {false, true}) {
      MemoryDevice device = new MemoryDevice(SIZE, Lie.NONE);
      VerifyingLoad load = load();
      for (int i = 0; i < 20; i++) {
        device.disconnectAfter(300);
        LoadReport report = load.run(List.of(device), 6, Long.MAX_VALUE);
        assertThat(report.firstMismatch()).isEmpty();
        assertThat(report.errors()).isEqualTo(6);
        device.reconnect();
        if (losesPower) {
          device.losePower();
        }
        load.crashed(losesPower);
        assertThat(load.verifyAll(device).firstMismatch()).isEmpty();
        assertThat(load.verifyAll(device).firstMismatch()).isEmpty();
      }
    }
  }

  @Test
  void aLossOfPowerThatWasNotAnnouncedIsNoticed() {
    MemoryDevice device = new MemoryDevice(SIZE, Lie.NONE);
    VerifyingLoad load = load();
    boolean isNoticed = false;
    // A run that happens to end with a flush has nothing to lose; hence more than one.
    for (int i = 0; i < 30 && !isNoticed; i++) {
      assertThat(load.run(List.of(device), 2, 300).isClean()).isTrue();
      device.losePower();
      load.crashed(false);
      isNoticed = !load.verifyAll(device).isClean();
    }
    assertThat(isNoticed).isTrue();
  }

  @ParameterizedTest
  @EnumSource(
      value = Lie.class,
      names = {"NONE", "LIES_ABOUT_FLUSH", "LIES_ABOUT_FUA", "DISAGREES"},
      mode = EnumSource.Mode.EXCLUDE)
  void aLyingDeviceIsNoticedWhileItRuns(Lie lie) {
    MemoryDevice device = new MemoryDevice(SIZE, lie);
    VerifyingLoad load = load();
    LoadReport report = load.run(List.of(device), 4, 50_000);
    assertThat(report.firstMismatch()).as(lie.toString()).isPresent();
    assertThat(report.firstMismatch().get()).contains("at offset ").contains("seed " + seed);
  }

  @ParameterizedTest
  @EnumSource(
      value = Lie.class,
      names = {"LIES_ABOUT_FLUSH", "LIES_ABOUT_FUA"})
  void aDeviceThatLiesAboutDurabilityIsNoticedAfterALossOfPower(Lie lie) {
    MemoryDevice device = new MemoryDevice(SIZE, lie);
    VerifyingLoad load = load();
    boolean isNoticed = false;
    for (int i = 0; i < 30 && !isNoticed; i++) {
      assertThat(load.run(List.of(device), 4, 200).isClean()).isTrue();
      device.losePower();
      load.crashed(true);
      isNoticed = !load.verifyAll(device).isClean();
    }
    assertThat(isNoticed).isTrue();
  }

  @Test
  void twoReadsThatDisagreeAreNoticed() {
    boolean isNoticed = false;
    // They disagree about what was lost, and a run that ends with a flush has nothing to lose.
    for (int i = 0; i < 30 && !isNoticed; i++) {
      MemoryDevice device = new MemoryDevice(SIZE, Lie.DISAGREES);
      VerifyingLoad load = new VerifyingLoad(seed + i, SIZE);
      assertThat(load.run(List.of(device), 2, 200).isClean()).isTrue();
      device.losePower();
      load.crashed(true);
      assertThat(load.verifyAll(device).isClean()).isTrue();
      isNoticed = !load.verifyAll(device).isClean();
    }
    assertThat(isNoticed).isTrue();
  }

  @Test
  void contentNamesItsSectorAndVersion() {
    var memory = java.lang.foreign.MemorySegment.ofArray(new byte[1024]);
    assertThat(SectorContent.versionAt(memory, 512, 1, 7)).isEqualTo(SectorContent.ZEROS);
    SectorContent.fill(memory, 512, 1, 7, 99);
    assertThat(SectorContent.versionAt(memory, 512, 1, 7)).isEqualTo(99);
    assertThat(SectorContent.versionAt(memory, 512, 1, 8)).isEqualTo(SectorContent.GARBAGE);
    assertThat(SectorContent.versionAt(memory, 512, 2, 7)).isEqualTo(SectorContent.GARBAGE);
    assertThat(SectorContent.describe(memory, 512, 1)).contains("version 99 of sector 7");
    byte[] bytes = (byte[]) memory.heapBase().orElseThrow();
    bytes[1023] ^= 1;
    assertThat(SectorContent.versionAt(memory, 512, 1, 7)).isEqualTo(SectorContent.GARBAGE);
  }
}
