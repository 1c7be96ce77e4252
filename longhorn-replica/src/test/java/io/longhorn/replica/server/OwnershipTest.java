package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class OwnershipTest {
  private static final EngineId ENGINE = new EngineId(new UUID(0, 1));
  private static final EngineId OTHER = new EngineId(new UUID(0, 2));

  private final List<String> told = new ArrayList<>();
  private final Ownership ownership =
      new Ownership(
          new GenerationGate(
              0,
              Optional.empty(),
              MembershipRecord.ofNewVolume(List.of(new ReplicaId(new UUID(0, 1))))));
  private final Session a = new Session("a");
  private final Session b = new Session("b");
  private final Session c = new Session("c");

  private final class Session implements Ownership.Owner {
    private final String name;

    Session(String name) {
      this.name = name;
    }

    @Override
    public void end() {
      told.add(name + " end");
    }

    @Override
    public void claimed(IoError verdict) {
      told.add(name + " " + verdict);
    }
  }

  @Test
  void theFirstPromiseOwnsAtOnce() {
    assertThat(ownership.claim(a, 1, ENGINE)).isEqualTo(IoError.OK);
    assertThat(ownership.isOwned()).isTrue();
    assertThat(told).isEmpty();
  }

  @Test
  void aNewerPromiseOwnsOnlyWhenTheOlderSessionHasFinished() {
    ownership.claim(a, 1, ENGINE);
    assertThat(ownership.claim(b, 2, OTHER)).isEqualTo(IoError.BUSY);
    assertThat(told).containsExactly("a end");
    ownership.leave(a);
    assertThat(told).containsExactly("a end", "b OK");
    assertThat(ownership.claim(a, 1, ENGINE)).isEqualTo(IoError.FENCED);
  }

  @Test
  void theSameEngineAgainEndsItsOlderSessionFirst() {
    ownership.claim(a, 1, ENGINE);
    assertThat(ownership.claim(b, 1, ENGINE)).isEqualTo(IoError.BUSY);
    ownership.leave(a);
    assertThat(told).containsExactly("a end", "b OK");
  }

  @Test
  void anotherEngineWithTheSameGenerationChangesNothing() {
    ownership.claim(a, 1, ENGINE);
    assertThat(ownership.claim(b, 1, OTHER)).isEqualTo(IoError.FENCED);
    assertThat(told).isEmpty();
  }

  @Test
  void whoWaitsIsOvertakenByANewerPromise() {
    ownership.claim(a, 1, ENGINE);
    ownership.claim(b, 2, OTHER);
    assertThat(ownership.claim(c, 3, ENGINE)).isEqualTo(IoError.BUSY);
    assertThat(told).containsExactly("a end", "b FENCED", "a end");
    ownership.leave(b);
    ownership.leave(a);
    assertThat(told).containsExactly("a end", "b FENCED", "a end", "c OK");
  }

  @Test
  void whoWaitsAndLeavesGetsNothing() {
    ownership.claim(a, 1, ENGINE);
    ownership.claim(b, 2, OTHER);
    ownership.leave(b);
    ownership.leave(a);
    assertThat(told).containsExactly("a end");
    assertThat(ownership.isOwned()).isFalse();
    assertThat(ownership.claim(c, 3, ENGINE)).isEqualTo(IoError.OK);
  }

  @Test
  void theOwnerMayPromiseMoreWithoutEnding() {
    ownership.claim(a, 1, ENGINE);
    assertThat(ownership.claim(a, 2, ENGINE)).isEqualTo(IoError.OK);
    assertThat(told).isEmpty();
  }

  @Test
  void aClosingReplicaRefusesEverybody() {
    ownership.claim(a, 1, ENGINE);
    ownership.claim(b, 2, OTHER);
    ownership.close();
    assertThat(told).containsExactly("a end", "b DISCONNECTED");
    assertThat(ownership.claim(c, 3, ENGINE)).isEqualTo(IoError.DISCONNECTED);
  }
}
