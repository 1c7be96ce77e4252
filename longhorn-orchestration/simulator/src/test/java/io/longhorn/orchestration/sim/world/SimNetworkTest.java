package io.longhorn.orchestration.sim.world;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SimNetworkTest {
  private final SimScheduler scheduler = new SimScheduler(7);
  private final SimNetwork network =
      new SimNetwork(scheduler, new TreeMap<>(), SimNetwork.Timing.DEFAULT);
  private final End sender = new End("n1");
  private final End receiver = new End("n2");

  /** A process that can be stopped; notes what it receives. */
  private static final class End implements SimNetwork.Endpoint {
    private final String node;
    private final List<Integer> received = new ArrayList<>();
    private boolean isStopped;

    End(String node) {
      this.node = node;
    }

    @Override
    public String node() {
      return node;
    }

    @Override
    public boolean isListening() {
      return !isStopped;
    }

    @Override
    public boolean isAlive() {
      return true;
    }

    @Override
    public void received(SimNetwork.Link link, byte[] frame) {
      received.add((int) frame[0]);
    }

    @Override
    public void closed(SimNetwork.Link link) {
      received.add(-1);
    }
  }

  /** A mark was forgotten after the write that had set it, because that write overtook it. */
  @ParameterizedTest
  @ValueSource(ints = {0, 100, 300, 600})
  void whatWasHeldForOneThatWasStoppedComesBeforeWhatIsOnItsWay(int micros) {
    SimNetwork.Link link = network.connect(sender, receiver);
    receiver.isStopped = true;
    for (byte frame = 1; frame <= 3; frame++) {
      link.send(sender, new byte[] {frame});
    }
    runFor(SimScheduler.MILLI);
    link.send(sender, new byte[] {4});
    runFor(1_000L * micros);
    receiver.isStopped = false;
    network.resumed(receiver);
    link.send(sender, new byte[] {5});
    link.close(sender);
    runFor(10 * SimScheduler.MILLI);
    assertThat(receiver.received).containsExactly(1, 2, 3, 4, 5, -1);
  }

  private void runFor(long nanos) {
    boolean[] isOver = new boolean[1];
    scheduler.after(nanos, () -> isOver[0] = true);
    while (!isOver[0]) {
      scheduler.step();
    }
  }
}
