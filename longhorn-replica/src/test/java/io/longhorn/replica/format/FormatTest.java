package io.longhorn.replica.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.VolumeName;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.replica.format.IndexLogFormat.Run;
import io.longhorn.replica.format.IntentFormat.Description;
import io.longhorn.replica.format.IntentFormat.Slot;
import io.longhorn.replica.format.SuperFormat.Super;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;
import java.util.UUID;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The files of a replica against golden dumps: bytes that some released version has written. A new
 * version of a format gets a new dump beside the old one, which goes on being read; {@code
 * -Dgoldens.write=DIR} writes those of this build.
 */
final class FormatTest {
  private static final ReplicaId R1 = ReplicaId.parse("a0000000-0000-0000-0000-000000000001");
  private static final ReplicaId R2 = ReplicaId.parse("00000000-0000-0000-0000-000000000002");
  private static final int LINE_BYTES = 32;

  private final RecordMemory memory = RecordMemory.over(Arena.ofAuto().allocate(8192, 4096));

  // Dumps: lines of 32 bytes, those that are all zeros left out.

  private String dump(int length) {
    StringBuilder out = new StringBuilder();
    for (int at = 0; at < length; at += LINE_BYTES) {
      int bytes = Math.min(LINE_BYTES, length - at);
      if (!memory.isZero(at, bytes)) {
        out.append(
            "%04x %s\n".formatted(at, HexFormat.of().formatHex(memory.takeBytes(at, bytes))));
      }
    }
    return out.toString();
  }

  private void expectGolden(String name, int length) throws IOException {
    String folder = System.getProperty("goldens.write");
    if (folder != null) {
      Files.writeString(Path.of(folder, name), dump(length));
    }
    assertThat(dump(length)).isEqualTo(golden(name));
  }

  private static String golden(String name) throws IOException {
    try (InputStream in = FormatTest.class.getResourceAsStream(name)) {
      assertThat(in).as(name).isNotNull();
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    }
  }

  private void load(String name, int length) throws IOException {
    memory.clear(0, length);
    for (String line : golden(name).lines().toList()) {
      memory.putBytes(
          Integer.parseInt(line.substring(0, 4), 16), HexFormat.of().parseHex(line.substring(5)));
    }
  }

  private void flip(int bit) {
    memory.putByte(bit / 8, memory.takeByte(bit / 8) ^ 1 << bit % 8);
  }

  private static void expect(IoError error, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(FormatException.class, e -> assertThat(e.error()).isEqualTo(error));
  }

  // super

  private static Super exampleSuper() {
    return new Super(
        0x0102030405060708L,
        true,
        VolumeId.parse("11111111-2222-3333-4444-555555555555"),
        new VolumeName("pvc-1"),
        R1,
        "store:cluster-1",
        41,
        EngineId.parse("e0000000-0000-0000-0000-00000000000e"),
        40,
        UUID.fromString("b0000000-0000-0000-0000-00000000000b"),
        UUID.fromString("c0000000-0000-0000-0000-00000000000c"),
        UUID.fromString("d0000000-0000-0000-0000-00000000000d"),
        MembershipRecord.ofNewVolume(List.of(R1, R2))
            .next(new RecordStamp(40, 17), new TreeSet<>(List.of(R1))));
  }

  @Test
  void aSuperIsWrittenAndReadAsItsVersionAlwaysWas() throws Exception {
    SuperFormat.write(memory, exampleSuper());
    expectGolden("super.v1.dump", SuperFormat.BYTES);
    load("super.v1.dump", SuperFormat.BYTES);
    assertThat(SuperFormat.read(memory)).isEqualTo(exampleSuper());
  }

  @Test
  void everyDamagedBitOfASuperIsFound() {
    SuperFormat.write(memory, exampleSuper());
    for (int bit = 0; bit < SuperFormat.BYTES * 8; bit++) {
      flip(bit);
      expect(IoError.CORRUPT, () -> SuperFormat.read(memory));
      flip(bit);
    }
  }

  @Test
  void theLongestSuperFits() throws Exception {
    TreeSet<ReplicaId> many = new TreeSet<>();
    for (int i = 0; i < MembershipRecord.MAX_REPLICAS; i++) {
      many.add(new ReplicaId(new UUID(i, i)));
    }
    Super example = exampleSuper();
    Super longest =
        new Super(
            1,
            false,
            example.volume(),
            new VolumeName("v".repeat(VolumeName.MAX_LENGTH)),
            R1,
            "a".repeat(SuperFormat.MAX_AUTHORITY_BYTES),
            Long.MAX_VALUE,
            example.promisedTo(),
            0,
            new UUID(0, 0),
            new UUID(0, 0),
            new UUID(0, 0),
            MembershipRecord.ofNewVolume(List.copyOf(many))
                .next(
                    new RecordStamp(Long.MAX_VALUE, Long.MAX_VALUE),
                    new TreeSet<>(List.of(many.first()))));
    SuperFormat.write(memory, longest);
    assertThat(SuperFormat.read(memory)).isEqualTo(longest);
  }

  // manifest

  private static List<ManifestRecord> everyRecord() {
    return List.of(
        new ManifestRecord.Create(64L << 40, 1),
        new ManifestRecord.Seal(1, 2, "vor dem Umzug 🐂", 1_763_600_000_123L, true),
        new ManifestRecord.Delete(1),
        new ManifestRecord.Adopt(1, 2),
        new ManifestRecord.Revert(1, 3),
        new ManifestRecord.Expand(1L << 30, 4),
        new ManifestRecord.Branch(1, 5));
  }

  @Test
  void everyManifestRecordIsWrittenAndReadAsItsVersionAlwaysWas() throws Exception {
    List<ManifestRecord> records = everyRecord();
    int length = records.size() * ManifestFormat.RECORD_BYTES;
    for (int i = 0; i < records.size(); i++) {
      ManifestFormat.write(
          memory,
          i * ManifestFormat.RECORD_BYTES,
          new ManifestFormat.Entry(10L * i, i, records.get(i)));
    }
    expectGolden("manifest.v1.dump", length);
    load("manifest.v1.dump", length);
    for (int i = 0; i < records.size(); i++) {
      assertThat(ManifestFormat.isRecord(memory, i * ManifestFormat.RECORD_BYTES)).isTrue();
      assertThat(ManifestFormat.read(memory, i * ManifestFormat.RECORD_BYTES))
          .isEqualTo(new ManifestFormat.Entry(10L * i, i, records.get(i)));
    }
  }

  @Test
  void everyDamagedBitOfAManifestRecordIsFound() {
    ManifestFormat.write(memory, 0, new ManifestFormat.Entry(7, 1, everyRecord().get(1)));
    for (int bit = 0; bit < ManifestFormat.RECORD_BYTES * 8; bit++) {
      flip(bit);
      assertThat(ManifestFormat.isRecord(memory, 0)).as("bit %d", bit).isFalse();
      flip(bit);
    }
  }

  @Test
  void aManifestRecordOfALaterBuildIsKnownAsSuch() {
    ManifestFormat.write(memory, 0, new ManifestFormat.Entry(7, 1, everyRecord().get(2)));
    memory.putShort(6, 8);
    memory.putInt(508, memory.crc(0, 508));
    expect(IoError.UNSUPPORTED, () -> ManifestFormat.read(memory, 0));
  }

  // intent

  @Test
  void theBitmapIsWrittenAndReadAsItsVersionAlwaysWas() throws Exception {
    Description description = new Description(new RecordStamp(3, 9), 128 << 10, 40_000);
    long[] bits = new long[40_000 / 64];
    bits[0] = 0x8000_0000_0000_0005L;
    bits[503] = 0x0123_4567_89AB_CDEFL;
    IntentFormat.write(memory, 0, 5, description);
    IntentFormat.write(memory, IntentFormat.PAGE_BYTES, 2, 6, bits);
    expectGolden("intent.v1.dump", 2 * IntentFormat.PAGE_BYTES);
    load("intent.v1.dump", 2 * IntentFormat.PAGE_BYTES);
    assertThat(IntentFormat.check(memory, 0, 0)).isEqualTo(Slot.VALID);
    assertThat(IntentFormat.sequence(memory, 0)).isEqualTo(5);
    assertThat(IntentFormat.readDescription(memory, 0)).isEqualTo(description);
    assertThat(IntentFormat.check(memory, IntentFormat.PAGE_BYTES, 2)).isEqualTo(Slot.VALID);
    long[] read = new long[bits.length];
    IntentFormat.readBits(memory, IntentFormat.PAGE_BYTES, 2, read);
    assertThat(read[503]).isEqualTo(bits[503]);
    assertThat(read[0]).isZero();
  }

  @Test
  void everyDamagedBitOfABitmapPageIsFound() {
    long[] bits = {-1, 0, 5};
    IntentFormat.write(memory, 0, 1, 7, bits);
    for (int bit = 0; bit < IntentFormat.PAGE_BYTES * 8; bit++) {
      flip(bit);
      assertThat(IntentFormat.check(memory, 0, 1)).as("bit %d", bit).isEqualTo(Slot.BAD);
      flip(bit);
    }
    assertThat(IntentFormat.check(memory, 0, 2)).isEqualTo(Slot.BAD);
    memory.clear(0, IntentFormat.PAGE_BYTES);
    assertThat(IntentFormat.check(memory, 0, 1)).isEqualTo(Slot.EMPTY);
  }

  @ParameterizedTest
  @CsvSource({
    "4096, 65536, 1",
    "65536, 65536, 1",
    "65537, 65536, 2",
    "34359738368, 65536, 524288",
    "34359738369, 131072, 262145",
    "70368744177664, 134217728, 524288",
  })
  void regionsArePowersOfTwoAndNeverTooMany(long sizeBytes, long regionBytes, int regions) {
    assertThat(IntentFormat.regionBytes(sizeBytes)).isEqualTo(regionBytes);
    assertThat(IntentFormat.regions(sizeBytes)).isEqualTo(regions);
    assertThat(IntentFormat.pages(regions)).isLessThanOrEqualTo(IntentFormat.MAX_PAGES);
  }

  // index

  @Test
  void anIndexPageIsWrittenAndReadAsItsVersionAlwaysWas() throws Exception {
    memory.clear(0, IndexPageFormat.BYTES);
    memory.putByte(IndexPageFormat.STATES_AT, 1);
    memory.putByte(IndexPageFormat.STATES_AT + 511, 2);
    memory.putInt(IndexPageFormat.CRCS_AT, 0xDEADBEEF);
    IndexPageFormat.seal(memory, 0, 3, 77, 0x0102030405060708L);
    expectGolden("index-page.v1.dump", IndexPageFormat.BYTES);
    load("index-page.v1.dump", IndexPageFormat.BYTES);
    IndexPageFormat.check(memory, 0, 3, 77);
    assertThat(IndexPageFormat.lsn(memory, 0)).isEqualTo(0x0102030405060708L);
    assertThat(IndexPageFormat.key(memory, 0)).isEqualTo(new IndexPageFormat.Key(3, 77));
    expect(IoError.CORRUPT, () -> IndexPageFormat.check(memory, 0, 3, 78));
    expect(IoError.CORRUPT, () -> IndexPageFormat.check(memory, 0, 4, 77));
  }

  @Test
  void everyDamagedBitOfAnIndexPageIsFound() {
    memory.clear(0, IndexPageFormat.BYTES);
    IndexPageFormat.seal(memory, 0, 3, 77, 9);
    for (int bit = 0; bit < IndexPageFormat.BYTES * 8; bit++) {
      flip(bit);
      expect(IoError.CORRUPT, () -> IndexPageFormat.check(memory, 0, 3, 77));
      flip(bit);
    }
  }

  @Test
  void theIndexLogIsWrittenAndReadAsItsVersionAlwaysWas() throws Exception {
    Run first = new Run((1L << 40) + 5, 512, 1);
    Run second = new Run(0, 1, 2);
    int record = IndexLogFormat.HEAD_BYTES;
    IndexLogFormat.writeHead(memory, R1, 1000);
    IndexLogFormat.begin(memory, record, 1001, IndexLogFormat.CHANGES);
    IndexLogFormat.putChange(memory, record, 0, 7, first);
    IndexLogFormat.putChange(memory, record, 1, 8, second);
    int length = IndexLogFormat.seal(memory, record, 2, 2 * IndexLogFormat.CHANGE_BYTES);
    expectGolden("index-log.v1.dump", record + length);
    load("index-log.v1.dump", record + length);
    assertThat(IndexLogFormat.readHead(memory, R1)).isEqualTo(1000);
    assertThat(IndexLogFormat.check(memory, record, record + length, 1001)).isEqualTo(length);
    assertThat(IndexLogFormat.type(memory, record)).isEqualTo(IndexLogFormat.CHANGES);
    assertThat(IndexLogFormat.count(memory, record)).isEqualTo(2);
    assertThat(IndexLogFormat.changeLayer(memory, record, 0)).isEqualTo(7);
    assertThat(IndexLogFormat.change(memory, record, 0)).isEqualTo(first);
    assertThat(IndexLogFormat.change(memory, record, 1)).isEqualTo(second);
    expect(IoError.CORRUPT, () -> IndexLogFormat.readHead(memory, R2));
  }

  @Test
  void theLogEndsWhereARecordIsDamagedCutOffOrOutOfOrder() {
    IndexLogFormat.begin(memory, 0, 1001, IndexLogFormat.CHANGES);
    IndexLogFormat.putChange(memory, 0, 0, 7, new Run(5, 3, 1));
    int length = IndexLogFormat.seal(memory, 0, 1, IndexLogFormat.CHANGE_BYTES);
    assertThat(IndexLogFormat.check(memory, 0, length, 1001)).isEqualTo(length);
    assertThat(IndexLogFormat.check(memory, 0, length, 1002)).isZero();
    for (int end = 0; end < length; end++) {
      assertThat(IndexLogFormat.check(memory, 0, end, 1001)).isZero();
    }
    for (int bit = 0; bit < length * 8; bit++) {
      flip(bit);
      assertThat(IndexLogFormat.check(memory, 0, 8192, 1001)).as("bit %d", bit).isZero();
      flip(bit);
    }
  }

  // versions

  @Test
  void aVersionOfALaterBuildIsToldFromDamage() {
    SuperFormat.write(memory, exampleSuper());
    memory.putInt(8, 2);
    memory.putInt(4092, memory.crc(0, 4092));
    expect(IoError.UNKNOWN_VERSION, () -> SuperFormat.read(memory));

    ManifestFormat.write(memory, 0, new ManifestFormat.Entry(7, 1, everyRecord().get(1)));
    memory.putShort(4, 2);
    memory.putInt(508, memory.crc(0, 508));
    assertThat(ManifestFormat.isRecord(memory, 0)).isTrue();
    expect(IoError.UNKNOWN_VERSION, () -> ManifestFormat.read(memory, 0));

    memory.clear(0, IndexPageFormat.BYTES);
    IndexPageFormat.seal(memory, 0, 3, 77, 9);
    memory.putShort(4, 2);
    memory.putInt(4092, memory.crc(0, 4092));
    expect(IoError.UNKNOWN_VERSION, () -> IndexPageFormat.check(memory, 0, 3, 77));

    IndexLogFormat.writeHead(memory, R1, 1);
    memory.putShort(4, 2);
    memory.putInt(508, memory.crc(0, 508));
    expect(IoError.UNKNOWN_VERSION, () -> IndexLogFormat.readHead(memory, R1));
  }
}
