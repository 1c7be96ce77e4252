package io.longhorn.orchestration.sim.volume;

import static org.assertj.core.api.Assertions.assertThat;

import io.longhorn.orchestration.sim.world.SimScheduler;
import io.longhorn.orchestration.sim.world.SimTrace;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a FLUSH promises of the disks when copies lose their power before it or meanwhile. */
final class VolumeOracleTest {
  private static final int BLOCK = 1;
  private static final long TORN = -1;

  private final VolumeOracle oracle =
      new VolumeOracle(new SimTrace(new SimScheduler(1), List.of(), false), "v1", 2);

  private long written() {
    long stamp = oracle.asked(BLOCK);
    oracle.acknowledge(BLOCK, stamp);
    return stamp;
  }

  private long flushed() {
    long stamp = written();
    oracle.flushed(oracle.acknowledged());
    return stamp;
  }

  @Test
  void aFlushPromisesWhatWasAcknowledgedBefore() {
    long before = written();
    Acknowledged promised = oracle.acknowledged();
    written();
    assertThat(promised.isTooOld(BLOCK, before)).isFalse();
    assertThat(promised.isTooOld(BLOCK, before - 1)).isTrue();
    assertThat(promised.isTooOld(BLOCK, TORN)).isTrue();
  }

  /** A write that was acknowledged while the FLUSH was under way made a tear from before count. */
  @Test
  void aBlockThatWasTornBeforeMayStillBeWhateverIsWrittenMeanwhile() {
    long flushed = flushed();
    written();
    oracle.mayHaveLost();
    Acknowledged promised = oracle.acknowledged();
    written();
    assertThat(promised.isTooOld(BLOCK, TORN)).isFalse();
    assertThat(promised.isTooOld(BLOCK, flushed - 1)).isTrue();
    assertThat(oracle.isTooOld(BLOCK, TORN)).isTrue();
  }

  @Test
  void aFlushPromisesAWholeBlockIfItWasWrittenAgainBefore() {
    flushed();
    written();
    oracle.mayHaveLost();
    written();
    assertThat(oracle.acknowledged().isTooOld(BLOCK, TORN)).isTrue();
  }

  @Test
  void whatIsLostMeanwhileIsNotPromisedAlthoughTheBlockIsWrittenAgain() {
    long flushed = flushed();
    long lost = written();
    Acknowledged promised = oracle.acknowledged();
    oracle.mayHaveLost();
    written();
    assertThat(promised.isTooOld(BLOCK, flushed)).isFalse();
    assertThat(promised.isTooOld(BLOCK, TORN)).isFalse();
    oracle.flushed(promised);
    oracle.mayHaveLost();
    assertThat(oracle.acknowledged(BLOCK)).isEqualTo(flushed).isLessThan(lost);
  }

  @Test
  void anEnginePromisesWhatItAcknowledgedItself() {
    Acknowledged own = oracle.nothingYet();
    long others = written();
    assertThat(own.isTooOld(BLOCK, 0)).isFalse();
    assertThat(own.isTooOld(BLOCK, TORN)).isTrue();
    own.add(BLOCK, others);
    assertThat(own.isTooOld(BLOCK, others - 1)).isTrue();
    oracle.mayHaveLost();
    assertThat(own.isTooOld(BLOCK, TORN)).isFalse();
    assertThat(oracle.nothingYet().isTooOld(BLOCK, TORN)).isFalse();
  }
}
