package io.longhorn.replica.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.replica.server.GenerationGate.RecordVerdict;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenerationGateTest {
  private static final ReplicaId ONE = new ReplicaId(new UUID(0, 1));
  private static final ReplicaId TWO = new ReplicaId(new UUID(0, 2));

  private static EngineId engine(int number) {
    return new EngineId(new UUID(0, number));
  }

  private static MembershipRecord record(long generation, long number, ReplicaId... members) {
    return new MembershipRecord(
        new RecordStamp(generation, number), new TreeSet<>(List.of(members)), new TreeMap<>());
  }

  private static GenerationGate gate(long promised, int engine) {
    return new GenerationGate(
        promised,
        promised == 0 ? Optional.empty() : Optional.of(engine(engine)),
        record(2, 7, ONE, TWO));
  }

  /** R1. */
  @ParameterizedTest
  @CsvSource({
    // promised, to engine, asked, by engine, verdict
    "0, 0, 1, 1, OK",
    "0, 0, 9, 1, OK",
    "3, 1, 4, 1, OK",
    "3, 1, 4, 2, OK",
    "3, 1, 9, 2, OK",
    "3, 1, 3, 1, OK",
    "3, 1, 3, 2, FENCED",
    "3, 1, 2, 1, FENCED",
    "3, 1, 2, 2, FENCED",
    "3, 1, 1, 1, FENCED",
  })
  void aGenerationIsPromisedOnceAndToOneEngine(
      long promised, int to, long asked, int by, IoError verdict) {
    GenerationGate gate = gate(promised, to);
    assertThat(gate.judgePromise(asked, engine(by))).isEqualTo(verdict);
    if (verdict.isOk()) {
      gate.promise(asked, engine(by));
      assertThat(gate.promised()).isEqualTo(asked);
      assertThat(gate.judgePromise(asked, engine(by))).isEqualTo(IoError.OK);
      assertThat(gate.judgePromise(asked, engine(by + 1))).isEqualTo(IoError.FENCED);
      assertThat(gate.judgePromise(asked - 1, engine(by))).isEqualTo(IoError.FENCED);
    } else {
      assertThatThrownBy(() -> gate.promise(asked, engine(by)))
          .isInstanceOf(IllegalStateException.class);
      assertThat(gate.promised()).isEqualTo(promised);
    }
  }

  /** R3; the gate has record (2,7) and promised generation 4. */
  @ParameterizedTest
  @CsvSource({
    "2, 8, TAKE",
    "3, 1, TAKE",
    "4, 8, TAKE",
    "2, 7, HAVE",
    "2, 6, STALE",
    "1, 99, STALE",
    "0, 1, STALE",
    "5, 8, AHEAD",
  })
  void onlyANewerRecordReplacesTheOneThatIsHere(
      long generation, long number, RecordVerdict verdict) {
    GenerationGate gate = gate(4, 1);
    MembershipRecord offered = record(generation, number, ONE, TWO);
    assertThat(gate.judgeRecord(offered)).isEqualTo(verdict);
    gate.record(offered);
    boolean isNewer = offered.stamp().isNewerThan(new RecordStamp(2, 7));
    assertThat(gate.record()).isEqualTo(isNewer ? offered : record(2, 7, ONE, TWO));
  }

  @Test
  void anotherRecordOfTheSameStampIsStale() {
    assertThat(gate(4, 1).judgeRecord(record(2, 7, ONE))).isEqualTo(RecordVerdict.STALE);
  }

  @Test
  void aPromiseNamesItsEngine() {
    MembershipRecord record = record(0, 1, ONE);
    assertThatThrownBy(() -> new GenerationGate(1, Optional.empty(), record))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new GenerationGate(0, Optional.of(engine(1)), record))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
