package io.longhorn.api.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.Seed;
import io.longhorn.api.membership.MembershipRecord;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The control messages against their golden files: bytes that some released version has sent. A new
 * field gets a new file beside the old one, which goes on being read; {@code -Dgoldens.write=DIR}
 * writes those of this build.
 */
final class ControlMessageTest {
  private static final int UNKNOWN_FIELD = 900;
  private static final int HEX_BYTES_PER_LINE = 32;

  /** One field as it stands in a payload, its value in hex. */
  private record Field(int number, String hex) {
    Field(int number, byte[] value) {
      this(number, HexFormat.of().formatHex(value));
    }

    byte[] value() {
      return HexFormat.of().parseHex(hex);
    }
  }

  private static byte[] golden(ControlMessage message) {
    try (InputStream in = ControlMessageTest.class.getResourceAsStream(message.fileName())) {
      assertThat(in).as(message.fileName()).isNotNull();
      String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
      return HexFormat.of().parseHex(text.replaceAll("\\s", ""));
    } catch (IOException e) {
      throw new AssertionError(message.fileName(), e);
    }
  }

  private static List<Field> fields(byte[] payload) {
    ByteBuffer in = ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    List<Field> fields = new ArrayList<>();
    while (in.hasRemaining()) {
      int number = Short.toUnsignedInt(in.getShort());
      byte[] value = new byte[in.getInt()];
      in.get(value);
      fields.add(new Field(number, value));
    }
    return fields;
  }

  private static byte[] payload(List<Field> fields) {
    FieldWriter out = new FieldWriter();
    fields.forEach(field -> out.bytes(field.number, field.value()));
    return out.toBytes();
  }

  /** The payload with one field replaced, wherever it stands. */
  private static byte[] with(byte[] payload, int number, byte[] value) {
    return payload(
        fields(payload).stream()
            .map(field -> field.number == number ? new Field(number, value) : field)
            .toList());
  }

  private static byte[] number(long value) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
  }

  @ParameterizedTest
  @EnumSource
  void thisBuildWritesWhatItsVersionHasAlwaysWritten(ControlMessage message) throws IOException {
    String folder = System.getProperty("goldens.write");
    if (folder != null) {
      String hex = HexFormat.of().formatHex(ControlMessage.bytesOf(message.value()));
      Files.writeString(
          Path.of(folder, message.fileName()),
          hex.replaceAll("(.{" + 2 * HEX_BYTES_PER_LINE + "})", "$1\n").strip() + "\n");
    }
    assertThat(ControlMessage.bytesOf(message.value())).isEqualTo(golden(message));
  }

  @ParameterizedTest
  @EnumSource
  void theGoldenBytesAreTheValue(ControlMessage message) {
    assertThat(message.read(golden(message))).isEqualTo(message.value());
  }

  @ParameterizedTest
  @EnumSource
  void whatANewerPeerAddsIsSkipped(ControlMessage message) {
    List<Field> more = new ArrayList<>(fields(golden(message)));
    more.addFirst(new Field(UNKNOWN_FIELD, new byte[] {1, 2, 3}));
    more.add(new Field(UNKNOWN_FIELD + 1, new byte[0]));
    more.add(new Field(UNKNOWN_FIELD + 1, new byte[100]));
    assertThat(message.read(payload(more))).isEqualTo(message.value());
  }

  /** Nested: a record inside replica info, one that left inside a record, a layer inside a list. */
  @ParameterizedTest
  @CsvSource({
    "REPLICA_INFO,7",
    "RECORD,4",
    "LAYER_LIST,1",
    "VOLUME_RECORD,1",
    "RECORD_CHANGE,3",
    "RECORD_STORED,2",
    "ENGINE_STATUS,10",
    "ENGINE_STATUS,12"
  })
  void whatANewerPeerAddsToANestedRecordIsSkipped(ControlMessage message, int nested) {
    List<Field> more = new ArrayList<>();
    for (Field field : fields(golden(message))) {
      if (field.number == nested) {
        List<Field> inner = new ArrayList<>(fields(field.value()));
        inner.add(new Field(UNKNOWN_FIELD, new byte[] {9}));
        more.add(new Field(nested, payload(inner)));
      } else {
        more.add(field);
      }
    }
    assertThat(message.read(payload(more))).isEqualTo(message.value());
  }

  @ParameterizedTest
  @EnumSource
  void fieldsMayComeInAnyOrder(ControlMessage message) {
    List<Field> fields = new ArrayList<>(fields(golden(message)));
    // Repeated fields keep their order among themselves.
    fields.sort((a, b) -> Integer.compare(b.number, a.number));
    assertThat(message.read(payload(fields))).isEqualTo(message.value());
  }

  @ParameterizedTest
  @EnumSource
  void whatAnOlderPeerDoesNotSendHasItsDefaultAndTheRestIsAskedFor(ControlMessage message) {
    List<Field> all = fields(golden(message));
    for (int number : all.stream().map(Field::number).collect(Collectors.toSet())) {
      byte[] without = payload(all.stream().filter(field -> field.number != number).toList());
      if (message.isOptional(number)) {
        assertThat(message.read(without)).as("without field %d", number).isNotNull();
      } else {
        assertThatThrownBy(() -> message.read(without))
            .as("without field %d", number)
            .isInstanceOf(WireFormatException.class);
      }
    }
  }

  @Test
  void defaultsAreThoseThatAreDocumented() {
    assertThat(((Hello) ControlMessage.HELLO.read(without(ControlMessage.HELLO, 8))).features())
        .isZero();
    assertThat(
            ((MembershipRecord) ControlMessage.RECORD.read(without(ControlMessage.RECORD, 4)))
                .leftAt())
        .isEmpty();
    assertThat(
            ((ReplicaInfo)
                    ControlMessage.REPLICA_INFO.read(without(ControlMessage.REPLICA_INFO, 10)))
                .isContinuous())
        .isFalse();
    assertThat(
            ((SnapshotSpec)
                    ControlMessage.SNAPSHOT_SPEC.read(without(ControlMessage.SNAPSHOT_SPEC, 4)))
                .isUserCreated())
        .isFalse();
  }

  private static byte[] without(ControlMessage message, int number) {
    return payload(
        fields(golden(message)).stream().filter(field -> field.number != number).toList());
  }

  @ParameterizedTest
  @CsvSource({
    "HELLO, 1, 0", // lowest version
    "HELLO, 1, 4", // above the highest
    "HELLO, 1, 4294967297", // 1, if it were cut to an int
    "HELLO, 2, 256",
    "HELLO, 2, -1",
    "HELLO, 3, 0", // role
    "HELLO, 3, 5",
    "HELLO, 3, 4294967297", // OWNER, if it were cut to an int
    "PROMISE, 1, 0",
    "PROMISE, 1, -1",
    "RECORD, 1, -1",
    "RECORD, 1, 2", // older than what it says has left
    "RECORD, 2, -1",
    "STAMP, 1, -1",
    "STAMP, 2, -1",
    "REPLICA_INFO, 1, 0", // protocol
    "REPLICA_INFO, 1, 4294967297",
    "REPLICA_INFO, 4, 0", // size
    "REPLICA_INFO, 4, -4096",
    "REPLICA_INFO, 4, 4097",
    "REPLICA_INFO, 6, -1", // promised
    "REPLICA_INFO, 6, 39", // less than released
    "REPLICA_INFO, 8, -1", // released
    "REPLICA_INFO, 8, 42",
    "REPLICA_INFO, 11, -1", // valid since
    "REPLICA_INFO, 13, 0", // region size
    "REPLICA_INFO, 13, -9223372036854775808",
    "REPLICA_INFO, 13, 2048",
    "REPLICA_INFO, 13, 134217727",
    "REPLICA_INFO, 13, 67108864", // more regions than a bitmap has
    "REPLICA_INFO, 14, -1", // operation
    "REPLICA_INFO, 15, 0", // head
    "REPLICA_INFO, 15, 4294967309",
    "REPLICA_INFO, 16, 0", // credits
    "REPLICA_INFO, 16, -1",
    "REPLICA_INFO, 16, 4294967552",
    "SNAPSHOT_SPEC, 2, 0", // head
    "SNAPSHOT_SPEC, 2, 4294967310",
    "SNAPSHOT_SPEC, 3, -1",
    "VOLUME_RECORD, 2, 39", // below the membership's generation
    "VOLUME_RECORD, 2, -1",
    "VOLUME_RECORD, 5, 3", // phase
    "VOLUME_RECORD, 5, 4294967296", // NONE, if it were cut to an int
    "RECORD_STORED, 1, 0", // a record without a revision
    "ENGINE_QUERY, 2, -1", // wait
    "ENGINE_QUERY, 2, 10001",
    "ENGINE_QUERY, 2, 4294967296",
    "ENGINE_STATUS, 9, 4294967296", // regions
    "ENGINE_CHECK, 1, 4294967297", // copies
  })
  void aNumberThatCannotBeIsRefused(ControlMessage message, int field, long value) {
    assertThatThrownBy(() -> message.read(with(golden(message), field, number(value))))
        .isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 0", // id
    "1, 4294967297",
    "1, -1",
    "2, -1", // parent
    "2, 7", // the layer itself
    "3, -1", // sealed by
    "5, -1", // created
    "1, 4", // the id of another one
  })
  void aLayerThatCannotBeIsRefused(int field, long value) {
    List<Field> layers = new ArrayList<>(fields(golden(ControlMessage.LAYER_LIST)));
    layers.add(new Field(1, with(layers.removeLast().value(), field, number(value))));
    assertThatThrownBy(() -> LayerList.read(new FieldReader(payload(layers))))
        .isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "Replicas", "store:", "replicas ", "store:a/b"})
  void anAuthorityThatCannotBeIsRefused(String authority) {
    byte[] text = authority.getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(
            () -> Hello.read(new FieldReader(with(golden(ControlMessage.HELLO), 4, text))))
        .isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() ->
            ReplicaInfo.read(new FieldReader(with(golden(ControlMessage.REPLICA_INFO), 5, text))))
        .isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a\nb",
        "a\u0000b",
        "a\u0085b",
        "0123456789012345678901234567890123456789012345678901234567890123"
      })
  void aSnapshotNameThatCannotBeIsRefused(String name) {
    assertThat(SnapshotSpec.isName(name)).isFalse();
    byte[] text = name.getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(() ->
            SnapshotSpec.read(new FieldReader(with(golden(ControlMessage.SNAPSHOT_SPEC), 1, text))))
        .isInstanceOf(WireFormatException.class);
  }

  @Test
  void aSnapshotNameIsWhatUtf8CanSay() {
    assertThat(SnapshotSpec.isName("a \ud83d\udc02")).isTrue();
    assertThat(SnapshotSpec.isName("a \ud83d")).isFalse();
  }

  @Test
  void aRecordThatNamesAReplicaTwiceIsRefused() {
    List<Field> fields = fields(golden(ControlMessage.RECORD));
    for (Field field : fields) {
      if (field.number == 3 || field.number == 4) {
        List<Field> twice = new ArrayList<>(fields);
        twice.add(field);
        assertThatThrownBy(() -> RecordCodec.read(new FieldReader(payload(twice))))
            .as("field %d", field.number)
            .isInstanceOf(WireFormatException.class)
            .hasMessageContaining("twice");
      }
    }
  }

  @Test
  void whatDoesNotExistHasNoRevisionAndNothingElseHasNone() {
    VolumeRecordCodec.Stored nothing =
        new VolumeRecordCodec.Stored(VolumeRecordCodec.NO_REVISION, Optional.empty());
    assertThat(VolumeRecordCodec.Stored.read(new FieldReader(nothing.write().toBytes())))
        .isEqualTo(nothing);
    assertThatThrownBy(() ->
            VolumeRecordCodec.Stored.read(
                new FieldReader(without(ControlMessage.RECORD_STORED, 2))))
        .isInstanceOf(WireFormatException.class);
  }

  @Test
  void aVolumeRecordWithTooManyClaimantsOrOneTwiceIsRefused() {
    List<Field> fields = new ArrayList<>(fields(golden(ControlMessage.VOLUME_RECORD)));
    Field claimant = fields.stream().filter(field -> field.number == 4).findFirst().orElseThrow();
    fields.add(new Field(4, new byte[16]));
    assertThatThrownBy(() -> ControlMessage.VOLUME_RECORD.read(payload(fields)))
        .isInstanceOf(WireFormatException.class)
        .hasMessageContaining("claimants");
    fields.removeIf(field -> field.number == 4);
    fields.add(claimant);
    fields.add(claimant);
    assertThatThrownBy(() -> ControlMessage.VOLUME_RECORD.read(payload(fields)))
        .isInstanceOf(WireFormatException.class)
        .hasMessageContaining("twice");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 7, 9, 1000, 5000})
  void aRecordOfNoOrTooManyReplicasIsRefusedInOneLine(int members) {
    List<Field> fields = new ArrayList<>(fields(golden(ControlMessage.RECORD)));
    fields.removeIf(field -> field.number == 3);
    for (int i = 0; i < members; i++) {
      fields.add(new Field(3, ByteBuffer.allocate(16).putInt(i).array()));
    }
    assertThatThrownBy(() -> RecordCodec.read(new FieldReader(payload(fields))))
        .isInstanceOf(WireFormatException.class)
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(300));
  }

  /** 250 snapshots and the head, with the longest names UTF-8 makes of 63 characters. */
  @Test
  void theLongestChainFitsIntoOneFrame() {
    List<LayerList.Layer> layers = new ArrayList<>();
    for (int i = 1; i <= 251; i++) {
      layers.add(new LayerList.Layer(i, i - 1, i, "\u20ac".repeat(63), i, true));
    }
    LayerList chain = new LayerList(layers);
    assertThat(LayerList.read(new FieldReader(chain.write().toBytes()))).isEqualTo(chain);
  }

  @Test
  void aChainHasAHead() {
    assertThatThrownBy(() -> LayerList.read(new FieldReader(new byte[0])))
        .isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @EnumSource
  void tenThousandDamagedPayloadsGiveAMessageOrTheOneException(ControlMessage message) {
    RandomGenerator random = Seed.random("ControlMessageTest " + message);
    byte[] good = golden(message);
    int read = 0;
    int refused = 0;
    for (int i = 0; i < 10_000; i++) {
      byte[] payload = Damage.of(good, random);
      try {
        Object value = message.read(payload);
        read++;
        assertThat(message.read(ControlMessage.bytesOf(value))).isEqualTo(value);
      } catch (WireFormatException e) {
        refused++;
      }
    }
    assertThat(read).isPositive();
    assertThat(refused).isGreaterThan(1000);
  }
}
