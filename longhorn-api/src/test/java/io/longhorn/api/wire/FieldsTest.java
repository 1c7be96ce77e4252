package io.longhorn.api.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.Seed;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class FieldsTest {
  private static final UUID ID = UUID.fromString("0f8fad5b-d9cb-469f-a165-70867728950e");

  private static FieldWriter everyKind() {
    return new FieldWriter()
        .number(1, -2)
        .bool(2, true)
        .text(3, "zwölf 🐂")
        .uuid(4, ID)
        .nested(5, new FieldWriter().number(1, 7).text(2, ""))
        .bytes(6, new byte[] {1, 2, 3})
        .uuid(7, ID)
        .uuid(7, new UUID(0, 1))
        .nested(8, new FieldWriter().number(1, 1))
        .nested(8, new FieldWriter())
        .number(65_535, Long.MIN_VALUE);
  }

  private static byte[] hex(String text) {
    return HexFormat.of().parseHex(text.replace(" ", ""));
  }

  @Test
  void everyKindIsReadBack() {
    FieldReader in = new FieldReader(everyKind().toBytes());
    assertThat(in.number(1)).isEqualTo(-2);
    assertThat(in.intNumber(1)).isEqualTo(-2);
    assertThat(in.bool(2)).isTrue();
    assertThat(in.text(3)).isEqualTo("zwölf 🐂");
    assertThat(in.optionalText(3)).contains("zwölf 🐂");
    assertThat(in.uuid(4)).isEqualTo(ID);
    assertThat(in.nested(5).number(1)).isEqualTo(7);
    assertThat(in.nested(5).text(2)).isEmpty();
    assertThat(in.bytes(6)).containsExactly(1, 2, 3);
    assertThat(in.allUuids(7)).containsExactly(ID, new UUID(0, 1));
    assertThat(in.allNested(8)).hasSize(2);
    assertThat(in.count(8)).isEqualTo(2);
    assertThat(in.number(65_535)).isEqualTo(Long.MIN_VALUE);
  }

  @Test
  void theBytesOfFieldsAreForEver() {
    byte[] payload =
        new FieldWriter()
            .number(1, 0x0102)
            .text(258, "ä")
            .uuid(3, ID)
            .nested(4, new FieldWriter().bool(5, true))
            .toBytes();
    assertThat(payload)
        .isEqualTo(
            hex(
                "0100 08000000 0201000000000000"
                    + "0201 02000000 c3a4"
                    + "0300 10000000 0f8fad5bd9cb469fa16570867728950e"
                    + "0400 0e000000 0500 08000000 0100000000000000"));
  }

  @Test
  void whatAnOlderPeerDoesNotSendHasItsDefault() {
    FieldReader in = new FieldReader(new byte[0]);
    assertThat(in.has(1)).isFalse();
    assertThat(in.number(1, 42)).isEqualTo(42);
    assertThat(in.bool(1)).isFalse();
    assertThat(in.optionalText(1)).isEmpty();
    assertThat(in.allNested(1)).isEmpty();
    assertThat(in.allUuids(1)).isEmpty();
    assertThat(in.count(1)).isZero();
  }

  @Test
  void whatHasToBeThereAndIsNotIsRefused() {
    FieldReader in = new FieldReader(new byte[0]);
    List<Runnable> asked =
        List.of(
            () -> in.number(1),
            () -> in.intNumber(1),
            () -> in.text(1),
            () -> in.uuid(1),
            () -> in.nested(1),
            () -> in.bytes(1));
    assertThat(asked)
        .allSatisfy(ask ->
            assertThatThrownBy(ask::run)
                .isInstanceOf(WireFormatException.class)
                .hasMessageContaining("field 1 is there 0 times"));
  }

  @Test
  void whatIsThereTwiceWhereOnceIsMeantIsRefused() {
    FieldReader in = new FieldReader(new FieldWriter().number(1, 1).number(1, 1).toBytes());
    assertThatThrownBy(() -> in.number(1)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.number(1, 0)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.bool(1)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.optionalText(1)).isInstanceOf(WireFormatException.class);
  }

  @Test
  void aFieldOfAnotherKindIsRefused() {
    FieldReader in =
        new FieldReader(
            new FieldWriter()
                .bytes(1, new byte[7])
                .bytes(2, new byte[15])
                .bytes(3, new byte[] {(byte) 0xC3, 0x28})
                .bytes(4, new byte[] {1})
                .number(5, 1L + Integer.MAX_VALUE)
                .toBytes());
    assertThatThrownBy(() -> in.number(1)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.bool(1)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.uuid(2)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.allUuids(2)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.text(3)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.nested(4)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.allNested(4)).isInstanceOf(WireFormatException.class);
    assertThatThrownBy(() -> in.intNumber(5)).isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "01", // in the number
        "0100 0800 00", // in the length
        "0100 08000000 00000000000000", // one byte short
        "0100 ffffff7f", // as long as an int can say
        "0100 ffffffff", // negative, if it were signed
        "0000 00000000", // number 0
        "0100 00000000 02", // in the second head
      })
  void fieldsThatDoNotAddUpAreRefused(String payload) {
    assertThatThrownBy(() -> new FieldReader(hex(payload))).isInstanceOf(WireFormatException.class);
  }

  @Test
  void everyCutIsRefusedOrEndsBetweenTwoFields() {
    byte[] payload = everyKind().toBytes();
    int whole = 0;
    for (int length = 0; length < payload.length; length++) {
      byte[] cut = Arrays.copyOf(payload, length);
      try {
        var _ = new FieldReader(cut);
        whole++;
      } catch (WireFormatException e) {
        assertThat(e).hasMessageStartingWith("control payload");
      }
    }
    assertThat(whole).isEqualTo(11);
  }

  @Test
  void moreFieldsThanTheLimitAreRefused() {
    byte[] most = new byte[6 * FieldReader.MAX_FIELDS];
    for (int at = 0; at < most.length; at += 6) {
      most[at] = 1;
    }
    assertThat(new FieldReader(most).count(1)).isEqualTo(16_384);
    byte[] oneMore = Arrays.copyOf(most, most.length + 6);
    oneMore[most.length] = 1;
    assertThatThrownBy(() -> new FieldReader(oneMore)).isInstanceOf(WireFormatException.class);
  }

  @Test
  void aPayloadLargerThanAFrameCarriesIsNeitherWrittenNorRead() {
    int most = FrameHeader.MAX_PAYLOAD_BYTES - 6;
    byte[] largest = new FieldWriter().bytes(1, new byte[most]).toBytes();
    assertThat(largest).hasSize(FrameHeader.MAX_PAYLOAD_BYTES);
    assertThat(new FieldReader(largest).bytes(1)).hasSize(most);
    FieldWriter tooLarge = new FieldWriter().bytes(1, new byte[most + 1]);
    assertThatThrownBy(tooLarge::toBytes).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> new FieldReader(new byte[FrameHeader.MAX_PAYLOAD_BYTES + 1]))
        .isInstanceOf(WireFormatException.class);
    FieldWriter around = new FieldWriter().nested(1, new FieldWriter().bytes(1, new byte[most]));
    assertThatThrownBy(around::toBytes).isInstanceOf(IllegalStateException.class);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 65_536, Integer.MIN_VALUE})
  void aFieldNumberThatDoesNotFitIsAMistake(int field) {
    assertThatThrownBy(() -> new FieldWriter().number(field, 1))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void whatIsHandedOutIsACopy() {
    FieldReader in = new FieldReader(new FieldWriter().bytes(1, new byte[] {5}).toBytes());
    in.bytes(1)[0] = 6;
    assertThat(in.bytes(1)).containsExactly(5);
  }

  /** Any bytes give a reader or a WireFormatException, and so does everything asked of it. */
  @Test
  void tenThousandDamagedPayloadsGiveAReaderOrTheOneException() {
    RandomGenerator random = Seed.random("FieldsTest");
    byte[] good = everyKind().toBytes();
    int read = 0;
    int refused = 0;
    for (int i = 0; i < 10_000; i++) {
      byte[] payload = Damage.of(good, random);
      try {
        FieldReader in = new FieldReader(payload);
        read++;
        for (int field = 0; field < 10; field++) {
          askEverything(in, field);
        }
      } catch (WireFormatException e) {
        refused++;
      }
    }
    assertThat(read).isGreaterThan(1000);
    assertThat(refused).isGreaterThan(1000);
  }

  private static void askEverything(FieldReader in, int field) {
    List<Runnable> asked =
        List.of(
            () -> in.number(field),
            () -> in.intNumber(field),
            () -> in.number(field, 1),
            () -> in.bool(field),
            () -> in.text(field),
            () -> in.optionalText(field),
            () -> in.uuid(field),
            () -> in.nested(field),
            () -> in.allNested(field),
            () -> in.allUuids(field),
            () -> in.bytes(field));
    for (Runnable ask : asked) {
      try {
        ask.run();
      } catch (WireFormatException e) {
        assertThat(e).hasMessageStartingWith("control payload");
      }
    }
  }
}
