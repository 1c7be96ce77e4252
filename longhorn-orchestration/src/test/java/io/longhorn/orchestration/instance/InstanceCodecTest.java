package io.longhorn.orchestration.instance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.ProcessNonce;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.orchestration.Seed;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class InstanceCodecTest {
  private static final InstanceManagerInfo MANAGER =
      new InstanceManagerInfo("n1", 77, new ProcessNonce(new UUID(8, 9)), "0.1.0");

  private static InstanceStatus status(String name, List<String> command) {
    return new InstanceStatus(
        new InstanceSpec(name, InstanceType.REPLICA, command, List.of("unix:/run/r")),
        new UUID(1, 2),
        InstanceState.ERROR,
        "ended with exit code 1",
        List.of("tcp:host:1", "tcp:host:2"),
        4_711,
        1_700_000_000_000L,
        OptionalInt.of(1));
  }

  private static InstanceStatus again(InstanceStatus status) {
    return InstanceStatus.read(new FieldReader(status.write().toBytes()));
  }

  @Test
  void everythingWrittenIsReadBack() {
    InstanceStatus full = status("r-1", List.of("longhorn", "replica", "", "ä b"));
    assertThat(again(full)).isEqualTo(full);
    InstanceStatus bare =
        new InstanceStatus(
            new InstanceSpec("e", InstanceType.ENGINE, List.of("x"), List.of()),
            new UUID(1, 2),
            InstanceState.STARTING,
            "",
            List.of(),
            0,
            0,
            OptionalInt.empty());
    assertThat(again(bare)).isEqualTo(bare);
    InstanceSpec once = new InstanceSpec("c", InstanceType.REPLICA, List.of("x"), List.of(), true);
    assertThat(InstanceSpec.read(new FieldReader(once.write().toBytes()))).isEqualTo(once);
    InstanceListing listing = new InstanceListing(9, MANAGER, List.of(full, bare), true);
    assertThat(InstanceListing.read(new FieldReader(listing.write().toBytes()))).isEqualTo(listing);
    LogChunk chunk =
        LogChunk.read(new FieldReader(new LogChunk(5, new byte[] {1, 2}, 9).write().toBytes()));
    assertThat(chunk.bytes()).containsExactly(1, 2);
    assertThat(chunk.next()).isEqualTo(7);
    assertThat(chunk.end()).isEqualTo(9);
  }

  /** The bytes are a promise: an instance manager outlives the build that started it. */
  @Test
  void theBytesOfAStatusAreForEver() {
    assertThat(HexFormat.of().formatHex(status("r-1", List.of("a", "bc")).write().toBytes()))
        .isEqualTo(
            "010049000000"
                + "010003000000722d31"
                + "0200080000000200000000000000"
                + "03000700000001000100000061"
                + "0300080000000100020000006263"
                + "0400110000000100" // an address hint
                + "0b000000756e69783a2f72756e2f72"
                + "020010000000"
                + "00000000000000010000000000000002"
                + "0300080000000500000000000000"
                + "040016000000656e646564207769746820657869742063" // ended with exit c
                + "6f64652031"
                + "0600080000006712000000000000"
                + "0700080000000068e5cf8b010000"
                + "0500100000000100"
                + "0a0000007463703a686f73743a31"
                + "0500100000000100"
                + "0a0000007463703a686f73743a32"
                + "0800080000000100000000000000");
  }

  @Test
  void whatANewerPeerAddsIsSkipped() {
    InstanceStatus status = status("r-1", List.of("a"));
    FieldWriter more = status.write().text(99, "new").number(100, 7);
    assertThat(InstanceStatus.read(new FieldReader(more.toBytes()))).isEqualTo(status);
  }

  @Test
  void damagedBytesAreRefusedOrReadNeverAnythingElse() {
    RandomGenerator random = Seed.random("InstanceCodecTest");
    byte[] good =
        new InstanceListing(3, MANAGER, List.of(status("r", List.of("a"))), false)
            .write()
            .toBytes();
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] bad = good.clone();
      bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      try {
        InstanceListing.read(new FieldReader(bad));
      } catch (WireFormatException _) {
        refused++;
      }
    }
    assertThat(refused).isPositive();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "-a", ".a", "../a", "a/b", "a b", "a\nb", "ä", "a\0", "/"})
  void aNameThatIsNoFileNameIsRefused(String name) {
    assertThatThrownBy(() -> new InstanceSpec(name, InstanceType.ENGINE, List.of("x"), List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("name '");
    assertThatThrownBy(() -> InstanceSpec.requireName("n".repeat(129)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aCommandBeyondItsLimitsIsRefused() {
    List<List<String>> commands =
        List.of(
            List.of(),
            List.of(""),
            List.of("a\0b"),
            List.of("x", "y".repeat(InstanceSpec.MAX_COMMAND_BYTES)),
            Collections.nCopies(InstanceSpec.MAX_WORDS + 1, "w"));
    for (List<String> command : commands) {
      assertThatThrownBy(() -> new InstanceSpec("n", InstanceType.ENGINE, command, List.of()))
          .isInstanceOf(IllegalArgumentException.class);
    }
    assertThatThrownBy(
            () -> InstanceSpec.read(new FieldReader(new FieldWriter().text(1, "n").toBytes())))
        .isInstanceOf(WireFormatException.class);
  }

  @ParameterizedTest
  @CsvSource({
    "ENGINE, 'serving nbd://x', nbd://x",
    "REPLICA, 'listening tcp:h:1 ', tcp:h:1",
  })
  void theLineThatSaysWhereIsFound(InstanceType type, String line, String address) {
    assertThat(type.addressIn(line)).hasValue(address);
    assertThat(type.addressIn(" " + line)).isEmpty();
    assertThat(type.addressIn("waiting")).isEmpty();
  }

  /** With commands as long as they may be, a page still has one instance and fits into a frame. */
  @Test
  void pagesFitIntoFramesAndTogetherHaveEveryInstanceOnce() {
    List<InstanceStatus> all = new ArrayList<>();
    for (int i = 100; i < 140; i++) {
      all.add(status("r-" + i, List.of("y".repeat(1 + 800 * (i - 100)))));
    }
    InstanceListing whole = new InstanceListing(1, MANAGER, all, false);
    List<InstanceStatus> seen = new ArrayList<>();
    InstanceListing page = whole.page("");
    int pages = 1;
    seen.addAll(page.instances());
    while (page.hasMore()) {
      assertThat(page.instances()).isNotEmpty();
      assertThat(page.write().toBytes().length).isLessThan(FrameHeader.MAX_PAYLOAD_BYTES);
      page = whole.page(page.instances().getLast().name());
      seen.addAll(page.instances());
      pages++;
    }
    assertThat(seen).isEqualTo(all);
    assertThat(pages).isGreaterThan(3);
  }

  @ParameterizedTest
  @CsvSource({"1,STARTING", "2,RUNNING", "3,STOPPING", "4,STOPPED", "5,ERROR"})
  void statesAreForEver(int code, InstanceState state) {
    assertThat(state.code()).isEqualTo(code);
    assertThat(InstanceState.ofCode(code)).isEqualTo(state);
    assertThatThrownBy(() -> InstanceState.ofCode(code + 10))
        .isInstanceOf(WireFormatException.class);
  }
}
