package io.longhorn.engine.claim;

import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;

/**
 * The cluster store of a {@link ClaimWorld}: one record that is compared and set, behind a network
 * that delays, reorders and loses calls and answers, also after their sender has gone.
 */
final class StoreOfClaims {
  /** One call of so many takes very long. */
  private static final int SLOW = 12;

  /** Who waits for an answer: an engine's slot, which start of it, and its number of the call. */
  record Caller(int slot, int start, long call) {}

  private record Call(Caller caller, long expected, Optional<VolumeRecord> wanted) {}

  /** On its way back. */
  record Answer(Caller caller, boolean isRead, boolean isConflict, Stored stored) {}

  private final RandomGenerator random;
  private final List<Call> calls = new ArrayList<>();
  private final List<Call> slowCalls = new ArrayList<>();
  private final List<Answer> answers = new ArrayList<>();
  private VolumeRecord record;
  private long revision = 1;
  private boolean isDown;

  StoreOfClaims(RandomGenerator random, VolumeRecord first) {
    this.random = random;
    record = first;
  }

  VolumeRecord record() {
    return record;
  }

  Stored stored() {
    return new Stored(revision, Optional.of(record));
  }

  /** What the control plane does: at once, and every expected revision is gone. */
  void change(UnaryOperator<VolumeRecord> change) {
    record = change.apply(record);
    revision++;
  }

  void call(Caller caller, long expected, Optional<VolumeRecord> wanted) {
    (random.nextInt(SLOW) == 0 ? slowCalls : calls).add(new Call(caller, expected, wanted));
  }

  void toggle() {
    isDown = !isDown;
  }

  void lose() {
    if (random.nextInt(3) == 0 && !calls.isEmpty()) {
      calls.remove(random.nextInt(calls.size()));
    } else if (!answers.isEmpty()) {
      answers.remove(random.nextInt(answers.size()));
    }
  }

  boolean isUnderWay(Caller caller) {
    return calls.stream().anyMatch(call -> call.caller.equals(caller))
        || slowCalls.stream().anyMatch(call -> call.caller.equals(caller))
        || answers.stream().anyMatch(answer -> answer.caller.equals(caller));
  }

  void heal() {
    isDown = false;
  }

  void serveSlow() {
    if (!slowCalls.isEmpty()) {
      serve(slowCalls.remove(random.nextInt(slowCalls.size())));
    }
  }

  /** One frame moves on; an answer that arrives is returned. */
  Optional<Answer> move() {
    if (!calls.isEmpty() && (answers.isEmpty() || random.nextBoolean())) {
      serve(calls.remove(random.nextInt(calls.size())));
      return Optional.empty();
    }
    return answers.isEmpty()
        ? Optional.empty()
        : Optional.of(answers.remove(random.nextInt(answers.size())));
  }

  private void serve(Call call) {
    if (isDown) {
      return;
    }
    boolean isConflict = call.wanted.isPresent() && call.expected != revision;
    if (call.wanted.isPresent() && !isConflict) {
      VolumeRecord next = call.wanted.get();
      boolean isTaken = next.reservedGeneration() != record.reservedGeneration();
      if (isTaken && !record.claimants().contains(next.owner().orElseThrow())) {
        throw new ClaimWorld.Violation("one that is no claimant took " + next);
      }
      record = next;
      revision++;
    }
    answers.add(new Answer(call.caller, call.wanted.isEmpty(), isConflict, stored()));
  }
}
