package io.longhorn.orchestration.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Setting;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.WireFormatException;
import io.longhorn.orchestration.Seed;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.MemoryClusterStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes between people and the daemon. */
final class CommandTest {
  /** In the order of their numbers, which are for ever. */
  private static final List<Command> ALL =
      List.of(
          new Command.CreateVolume("v", 1L << 40, 3, true),
          new Command.DeleteVolume("v"),
          new Command.AttachVolume("v", "node-1", "t", "tcp:h:1"),
          new Command.DetachVolume("v", "node-1", "t"),
          new Command.TakeSnapshot("v", "vor dem Umzug 🐂"),
          new Command.ListSnapshots("v"),
          new Command.CheckVolume("v"),
          new Command.PowerNode("node-1", true),
          new Command.SignalInstanceManager("im", "KILL"),
          new Command.ShutDown(),
          new Command.Describe(),
          new Command.UpgradeVolume("v", "next"),
          new Command.AddEngineImage("next", "/i/bin/longhorn", "0.2"),
          new Command.RemoveEngineImage("next"),
          new Command.ChangeSetting("auto-salvage", "false"),
          new Command.CordonNode("node-1", true));

  @Test
  void everyCommandIsReadAsItWasWrittenUnderItsNumber() {
    assertThat(ALL).hasSize(Command.class.getPermittedSubclasses().length);
    for (int i = 0; i < ALL.size(); i++) {
      FieldReader written = new FieldReader(ALL.get(i).write().toBytes());
      assertThat(written.number(1)).isEqualTo(i + 1);
      assertThat(Command.read(written)).isEqualTo(ALL.get(i));
      FieldWriter more = ALL.get(i).write().text(900, "of a newer build");
      assertThat(Command.read(new FieldReader(more.toBytes()))).isEqualTo(ALL.get(i));
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, 17, 4294967297L, Long.MAX_VALUE, Long.MIN_VALUE})
  void aNumberThatIsNoCommandIsRefused(long number) {
    byte[] bytes = new FieldWriter().number(1, number).text(2, "v").toBytes();
    assertThatThrownBy(() -> Command.read(new FieldReader(bytes)))
        .isInstanceOf(WireFormatException.class);
  }

  @Test
  void anyBytesGiveACommandOrTheOneException() {
    RandomGenerator random = Seed.random("CommandTest");
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] bad = ALL.get(random.nextInt(ALL.size())).write().toBytes();
      bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      try {
        assertThat(Command.read(new FieldReader(bad))).isNotNull();
      } catch (WireFormatException _) {
        refused++;
      }
    }
    assertThat(refused).isPositive();
  }

  /** Objects as long as they may be, more than a frame holds: pages together are all of them. */
  @Test
  void pagesFitIntoFramesAndTogetherHaveEveryObjectOnce() {
    List<ClusterObject> all = new ArrayList<>();
    for (int i = 1_000; i < 1_400; i++) {
      all.add(new Setting("s" + i, "x".repeat(150 * (i - 1_000))));
    }
    List<ClusterObject> seen = new ArrayList<>();
    String after = "";
    ObjectPage page;
    int pages = 0;
    do {
      byte[] bytes = ObjectPage.of(all, after, 7).write().toBytes();
      assertThat(bytes.length).isLessThanOrEqualTo(FrameHeader.MAX_PAYLOAD_BYTES);
      page = ObjectPage.read(ObjectKind.SETTING, new FieldReader(bytes));
      assertThat(page.revision()).isEqualTo(7);
      assertThat(page.objects()).isNotEmpty();
      seen.addAll(page.objects());
      after = page.objects().getLast().name();
      pages++;
    } while (page.hasMore());
    assertThat(seen).isEqualTo(all);
    assertThat(pages).isGreaterThan(2);
    assertThat(ObjectPage.of(List.of(), "", 7).hasMore()).isFalse();
  }

  @Test
  void aQueryForSomethingUnknownIsRefused() {
    byte[] bytes = new FieldWriter().number(1, 77).text(2, "").toBytes();
    assertThatThrownBy(() -> ObjectPage.Query.read(new FieldReader(bytes)))
        .isInstanceOf(WireFormatException.class);
  }

  private static long watch(ObjectCalls calls, long seen, long millis) {
    byte[] request = new FieldWriter().number(1, seen).number(2, millis).toBytes();
    return new FieldReader(calls.watch(new FieldReader(request))).number(1);
  }

  @Test
  void whoWaitsForAChangeGetsTheOneThatWasAlreadyThereOrTheNext() {
    ClusterStore store = new MemoryClusterStore();
    ObjectCalls calls = new ObjectCalls(store);
    store.put(new Setting("a", "1"), ClusterStore.ABSENT);
    assertThat(watch(calls, 0, Long.MAX_VALUE)).as("behind: at once").isEqualTo(1);
    assertThat(watch(calls, 9, Long.MAX_VALUE)).as("of another store: at once").isEqualTo(1);
    assertThat(watch(calls, 1, 0)).as("nothing new").isEqualTo(1);
    assertThat(watch(calls, 1, -5)).isEqualTo(1);
    for (long seen = 1; seen <= 50; seen++) {
      long now = seen;
      CompletableFuture<Long> next = CompletableFuture.supplyAsync(() -> watch(calls, now, 60_000));
      store.put(new Setting("a", "" + (now + 1)), now);
      assertThat(next.orTimeout(60, TimeUnit.SECONDS).join()).isEqualTo(now + 1);
    }
  }
}
