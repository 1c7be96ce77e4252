package io.longhorn.api.memory;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.Seed;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class Crc32cTest {
  private static final int POLYNOMIAL_REVERSED = 0x82F63B78;

  private static ByteBuffer direct(byte[] bytes) {
    return ByteBuffer.allocateDirect(bytes.length).put(bytes);
  }

  /** RFC 3720, B.4, and the check value of the CRC catalogues. */
  @ParameterizedTest
  @CsvSource({
    "zeros,      8A9136AA",
    "ones,       62A8AB43",
    "ascending,  46DD794E",
    "descending, 113FDB5C",
    "digits,     E3069283",
    "nothing,    00000000",
  })
  void knownVectorsComeOut(String what, String expected) {
    byte[] bytes =
        switch (what) {
          case "digits" -> "123456789".getBytes(StandardCharsets.US_ASCII);
          case "nothing" -> new byte[0];
          default -> new byte[32];
        };
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] =
          switch (what) {
            case "ones" -> (byte) 0xFF;
            case "ascending" -> (byte) i;
            case "descending" -> (byte) (31 - i);
            default -> bytes[i];
          };
    }
    assertThat(new Crc32c().of(direct(bytes), 0, bytes.length))
        .isEqualTo(Integer.parseUnsignedInt(expected, 16));
  }

  @Test
  void theZeroBlockIsKnown() {
    assertThat(Crc32c.ZERO_BLOCK).isEqualTo(0x98F94189);
    assertThat(Crc32c.ZERO_BLOCK).isEqualTo(bitByBit(new byte[Crc32c.BLOCK_BYTES], 0, 4096));
  }

  @Test
  void anyRangeIsWhatTheDefinitionSays() {
    RandomGenerator random = Seed.random("Crc32cTest");
    byte[] bytes = new byte[10_000];
    random.nextBytes(bytes);
    ByteBuffer buffer = direct(bytes);
    Crc32c crc = new Crc32c();
    for (int i = 0; i < 200; i++) {
      int offset = random.nextInt(bytes.length);
      int length = random.nextInt(bytes.length - offset + 1);
      assertThat(crc.of(buffer, offset, length))
          .as("%d bytes at %d", length, offset)
          .isEqualTo(bitByBit(bytes, offset, length));
    }
  }

  private static int bitByBit(byte[] bytes, int offset, int length) {
    int crc = -1;
    for (int i = offset; i < offset + length; i++) {
      crc ^= bytes[i] & 0xFF;
      for (int bit = 0; bit < 8; bit++) {
        crc = (crc >>> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL_REVERSED : 0);
      }
    }
    return ~crc;
  }
}
