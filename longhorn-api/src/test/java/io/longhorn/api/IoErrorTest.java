package io.longhorn.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class IoErrorTest {
  /** What the NBD protocol lets a server answer, and 0. */
  private static final Set<Integer> NBD_ERRORS = Set.of(0, 1, 5, 12, 22, 28, 75, 95, 108);

  /** A line here is a promise to every released version: it is added to, never changed. */
  @ParameterizedTest
  @CsvSource({
    "0,  OK,              0",
    "1,  EIO,             5",
    "2,  ENOSPC,          28",
    "3,  FENCED,          5",
    "4,  STALE,           5",
    "5,  CHECKSUM,        5",
    "6,  BUSY,            5",
    "7,  INVALID,         22",
    "8,  UNSUPPORTED,     95",
    "9,  NOT_FOUND,       22",
    "10, EXISTS,          22",
    "11, PROTOCOL,        5",
    "12, DISCONNECTED,    108",
    "13, TIMEOUT,         5",
    "14, NO_QUORUM,       5",
    "15, WRONG_IDENTITY,  22",
    "16, WRONG_SIZE,      22",
    "17, UNKNOWN_VERSION, 22",
    "18, CORRUPT,         5",
    "19, LIMIT,           28",
    "20, WRONG_AUTHORITY, 22",
    "21, CONFLICT,        5",
  })
  void codesAreForEver(int code, IoError error, int errno) {
    assertThat(error.code()).isEqualTo(code);
    assertThat(IoError.ofCode(code)).isEqualTo(error);
    assertThat(error.errno()).isEqualTo(errno);
    assertThat(error.isOk()).isEqualTo(code == 0);
  }

  @Test
  void theTableAboveIsComplete() {
    assertThat(IoError.values()).hasSize(22);
  }

  @Test
  void everyErrnoIsOneThatNbdAllows() {
    assertThat(IoError.values()).allMatch(error -> NBD_ERRORS.contains(error.errno()));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 22, 255, 65_535, Integer.MAX_VALUE, Integer.MIN_VALUE})
  void aReasonOfANewerPeerIsStillAFailure(int code) {
    assertThat(IoError.ofCode(code)).isEqualTo(IoError.EIO);
  }

  @Test
  void anExceptionHasAReason() {
    assertThat(new VolumeException(IoError.STALE, "a line").error()).isEqualTo(IoError.STALE);
    assertThatThrownBy(() -> new VolumeException(IoError.OK, "nothing happened"))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
