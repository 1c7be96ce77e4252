package io.longhorn.orchestration.call;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class CallAddressTest {
  @ParameterizedTest
  @ValueSource(
      strings = {"unix:/run/x.sock", "unix:x", "tcp:localhost:0", "tcp:[::1]:65535", "tcp:h:1"})
  void anAddressIsPrintedAsItIsWritten(String text) {
    assertThat(CallAddress.parse(text)).hasToString(text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "unix:",
        "unix",
        "/run/x.sock",
        "tcp:",
        "tcp:host",
        "tcp::1",
        "tcp:host:",
        "tcp:host:-1",
        "tcp:host:65536",
        "tcp:host:99999999999",
        "tcp:host:http",
        "tcp:::1:80",
        "tcp:[]:80",
        "udp:host:1",
        "unix:a\0b",
      })
  void whatIsNoneIsRefusedInOneLine(String text) {
    assertThatThrownBy(() -> CallAddress.parse(text))
        .isInstanceOfSatisfying(
            VolumeException.class,
            e -> {
              assertThat(e.error()).isEqualTo(IoError.INVALID);
              assertThat(e.getMessage()).doesNotContain("\n").startsWith("address '");
            });
  }

  @Test
  void aPathLongerThanTheKernelTakesIsRefused() {
    String most = "/" + "p".repeat(CallAddress.MAX_PATH_BYTES - 1);
    assertThat(CallAddress.parse("unix:" + most)).hasToString("unix:" + most);
    assertThatThrownBy(() -> CallAddress.parse("unix:" + most + "p"))
        .isInstanceOf(VolumeException.class)
        .hasMessageContaining("108 bytes, Linux allows 107");
    assertThatThrownBy(() -> CallAddress.parse("unix:/" + "ä".repeat(54)))
        .isInstanceOf(VolumeException.class);
  }
}
