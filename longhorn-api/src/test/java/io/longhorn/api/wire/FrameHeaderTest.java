package io.longhorn.api.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.Seed;
import io.longhorn.api.memory.Crc32c;
import io.longhorn.api.wire.FrameHeader.Check;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class FrameHeaderTest {
  /** The bytes of a header are a promise to every released version. */
  private static final String GOLDEN =
      "484c01050a000400" // magic, version, WRITE, FUA and 8, status 4
          + "0807060504030201" // generation
          + "1817161514131211" // sequence
          + "0000020000000000" // offset 131,072
          + "0020000000200000" // length 8,192, payload 8,192
          + "0200000007000000" // 2 CRCs, layer 7
          + "2827262524232221" // operation
          + "efbeadde" // CRC of a control payload
          + "3c4fa208"; // CRC of everything before

  private final MemorySegment memory = Arena.ofAuto().allocate(1024, 64);
  private final ByteBuffer view = memory.asByteBuffer();
  private final Crc32c crc = new Crc32c();

  private void writeGolden(long at) {
    FrameHeader.write(
        memory,
        at,
        FrameType.WRITE,
        FrameHeader.FLAG_FUA | 8,
        0x0102030405060708L,
        0x1112131415161718L);
    FrameHeader.status(memory, at, IoError.STALE.code());
    FrameHeader.range(memory, at, 131_072, 8192);
    FrameHeader.payload(memory, at, 2, 8192);
    FrameHeader.layer(memory, at, 7);
    FrameHeader.operation(memory, at, 0x2122232425262728L);
    FrameHeader.controlCrc(memory, at, 0xDEADBEEF);
    FrameHeader.seal(memory, view, at, crc);
  }

  private Check check(long at) {
    return FrameHeader.check(memory, view, at, crc);
  }

  private String hex(int length) {
    return HexFormat.of().formatHex(memory.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE));
  }

  @Test
  void theBytesOfAHeaderAreForEver() {
    writeGolden(0);
    assertThat(hex(64)).isEqualTo(GOLDEN);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 61, 64, 960})
  void everythingWrittenIsReadBackWhereverTheHeaderStands(long at) {
    memory.fill((byte) 0x55);
    writeGolden(at);
    assertThat(check(at)).isEqualTo(Check.OK);
    assertThat(FrameHeader.version(memory, at)).isEqualTo(1);
    assertThat(FrameHeader.typeCode(memory, at)).isEqualTo(FrameType.WRITE.code());
    assertThat(FrameHeader.flags(memory, at)).isEqualTo(FrameHeader.FLAG_FUA | 8);
    assertThat(FrameHeader.status(memory, at)).isEqualTo(IoError.STALE.code());
    assertThat(FrameHeader.generation(memory, at)).isEqualTo(0x0102030405060708L);
    assertThat(FrameHeader.sequence(memory, at)).isEqualTo(0x1112131415161718L);
    assertThat(FrameHeader.offset(memory, at)).isEqualTo(131_072);
    assertThat(FrameHeader.length(memory, at)).isEqualTo(8192);
    assertThat(FrameHeader.payloadLength(memory, at)).isEqualTo(8192);
    assertThat(FrameHeader.crcCount(memory, at)).isEqualTo(2);
    assertThat(FrameHeader.layer(memory, at)).isEqualTo(7);
    assertThat(FrameHeader.operation(memory, at)).isEqualTo(0x2122232425262728L);
    assertThat(FrameHeader.controlCrc(memory, at)).isEqualTo(0xDEADBEEF);
    assertThat(FrameHeader.frameBytes(memory, at)).isEqualTo(64 + 2 * 4 + 8192);
  }

  @Test
  void writingAgainLeavesNothingOfTheFrameBefore() {
    writeGolden(0);
    FrameHeader.write(memory, 0, FrameType.PING, 0, 0, 0);
    assertThat(hex(64)).isEqualTo("484c0112" + "00".repeat(60));
  }

  @Test
  void theCrcsOfBlocksStandBehindTheHeader() {
    FrameHeader.blockCrc(memory, 64, 0, 0x11223344);
    FrameHeader.blockCrc(memory, 64, 31, 0xF0000001);
    assertThat(FrameHeader.blockCrc(memory, 64, 0)).isEqualTo(0x11223344);
    assertThat(FrameHeader.blockCrc(memory, 64, 31)).isEqualTo(0xF0000001);
    assertThat(memory.get(ValueLayout.JAVA_BYTE, 128)).isEqualTo((byte) 0x44);
    assertThat(memory.get(ValueLayout.JAVA_BYTE, 128 + 127)).isEqualTo((byte) 0xF0);
  }

  @Test
  void everyDamagedBitIsFound() {
    writeGolden(0);
    for (int bit = 0; bit < FrameHeader.BYTES * 8; bit++) {
      flip(bit);
      assertThat(check(0)).as("bit %d", bit).isEqualTo(Check.BAD);
      flip(bit);
    }
    assertThat(check(0)).isEqualTo(Check.OK);
  }

  private void flip(int bit) {
    byte had = memory.get(ValueLayout.JAVA_BYTE, bit / 8);
    memory.set(ValueLayout.JAVA_BYTE, bit / 8, (byte) (had ^ 1 << bit % 8));
  }

  @Test
  void everyDamagedByteIsFound() {
    writeGolden(0);
    for (int at = 0; at < FrameHeader.BYTES; at++) {
      byte had = memory.get(ValueLayout.JAVA_BYTE, at);
      for (int value = 0; value < 256; value++) {
        memory.set(ValueLayout.JAVA_BYTE, at, (byte) value);
        assertThat(check(0) == Check.OK)
            .as("byte %d is %d", at, value)
            .isEqualTo(had == (byte) value);
      }
      memory.set(ValueLayout.JAVA_BYTE, at, had);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0,           0,      OK",
    "32,          131072, OK",
    "0,           131072, OK",
    "33,          131072, BAD",
    "32,          131073, BAD",
    "-1,          0,      BAD",
    "0,           -1,     BAD",
    "-2147483648, 0,      BAD",
    "0, -2147483648,      BAD",
    "1073741824,  0,      BAD",
  })
  void lengthsBeyondTheLimitAreNeverBelieved(int crcCount, int payloadLength, Check expected) {
    FrameHeader.write(memory, 0, FrameType.READ, 0, 1, 1);
    FrameHeader.payload(memory, 0, crcCount, payloadLength);
    FrameHeader.seal(memory, view, 0, crc);
    assertThat(check(0)).isEqualTo(expected);
    if (expected == Check.OK) {
      assertThat(FrameHeader.frameBytes(memory, 0)).isBetween(64, FrameHeader.MAX_FRAME_BYTES);
    }
  }

  @Test
  void theLimitsAreForEver() {
    assertThat(FrameHeader.BYTES).isEqualTo(64);
    assertThat(FrameHeader.MAX_PAYLOAD_BYTES).isEqualTo(131_072);
    assertThat(FrameHeader.MAX_CRCS).isEqualTo(32);
    assertThat(FrameHeader.MAX_FRAME_BYTES).isEqualTo(64 + 128 + 131_072);
  }

  @ParameterizedTest
  @ValueSource(bytes = {0, 2, -1})
  void aFrameOfAnotherVersionIsToldFromADamagedOne(byte version) {
    writeGolden(0);
    memory.set(ValueLayout.JAVA_BYTE, 2, version);
    assertThat(check(0)).isEqualTo(Check.BAD);
    FrameHeader.seal(memory, view, 0, crc);
    assertThat(check(0)).isEqualTo(Check.UNKNOWN_VERSION);
    assertThat(FrameHeader.version(memory, 0)).isEqualTo(Byte.toUnsignedInt(version));
  }

  @Test
  void arbitraryBytesAreNoHeaderAndNoAccident() {
    RandomGenerator random = Seed.random("FrameHeaderTest");
    byte[] bytes = new byte[FrameHeader.BYTES];
    Set<Check> seen = EnumSet.noneOf(Check.class);
    for (int i = 0; i < 10_000; i++) {
      random.nextBytes(bytes);
      MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
      assertThat(check(0)).isEqualTo(Check.BAD);
      // The same with a right magic and CRC: only the limits are left to refuse it.
      view.putShort(0, (short) 0x484C).put(2, (byte) random.nextInt(1, 3));
      FrameHeader.payload(memory, 0, random.nextInt(-40, 40), random.nextInt(-200_000, 200_000));
      FrameHeader.seal(memory, view, 0, crc);
      Check check = check(0);
      seen.add(check);
      if (check == Check.OK) {
        assertThat(FrameHeader.frameBytes(memory, 0)).isBetween(64, FrameHeader.MAX_FRAME_BYTES);
      }
    }
    assertThat(seen).containsExactlyInAnyOrder(Check.values());
  }

  @ParameterizedTest
  @CsvSource({
    "1,HELLO",
    "2,PROMISE",
    "3,RECORD",
    "4,READ",
    "5,WRITE",
    "6,ZERO",
    "7,TRIM",
    "8,FLUSH",
    "9,BLOCK_HASHES",
    "10,BLOCK_MAP",
    "11,SNAPSHOT",
    "12,LAYERS",
    "13,INTENT_READ",
    "14,INTENT_MERGE",
    "15,INTENT_CLEAR",
    "16,MARK_EQUAL",
    "17,RELEASE",
    "18,PING",
    "19,STATUS",
    "20,QUIESCE",
    "21,COPY",
    "22,ABSENT",
    "23,INTENT_VALID_SINCE",
    "24,RECORD_GET",
    "25,RECORD_SET",
    "32,INSTANCE_START",
    "33,INSTANCE_STOP",
    "34,INSTANCE_LIST",
    "35,INSTANCE_LOG",
    "36,INSTANCE_FORGET",
    "37,INSTANCE_REPLACE",
    "40,ENGINE_STATUS",
    "41,ENGINE_SNAPSHOT",
    "42,ENGINE_SNAPSHOTS",
    "43,ENGINE_CHECK",
    "48,COMMAND",
    "49,OBJECT_LIST",
    "50,OBJECT_WATCH",
  })
  void typesAreForEver(int code, FrameType type) {
    assertThat(type.code()).isEqualTo(code);
    assertThat(FrameType.ofCode(code)).isEqualTo(type);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 31, 200, 255, 256, -1, Integer.MIN_VALUE, Integer.MAX_VALUE})
  void aTypeOfANewerPeerIsNone(int code) {
    assertThat(FrameType.ofCode(code)).isNull();
  }

  @Test
  void theTableOfTypesIsComplete() {
    assertThat(FrameType.values()).hasSize(38);
  }

  @ParameterizedTest
  @CsvSource({"0,ABSENT", "1,DATA", "2,ZERO"})
  void blockStatesAreForEver(int code, BlockState state) {
    assertThat(state.code()).isEqualTo(code);
    assertThat(BlockState.ofCode(code)).isEqualTo(state);
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 3, 255})
  void aStateThatIsNoneIsRefused(int code) {
    assertThatThrownBy(() -> BlockState.ofCode(code)).isInstanceOf(IllegalArgumentException.class);
  }
}
