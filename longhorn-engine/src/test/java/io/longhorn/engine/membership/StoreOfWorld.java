package io.longhorn.engine.membership;

import io.longhorn.api.EngineId;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;

/**
 * The cluster store of a {@link MembershipWorld}: one record that is compared and set, and the
 * network before it, which delays, reorders and loses calls and answers, also after their sender
 * has gone.
 */
final class StoreOfWorld {
  /** One frame of so many takes very long. */
  private static final int SLOW = 12;

  /** Who waits for an answer. */
  record Caller(int engine, EngineId id, long call) {}

  /** On its way to the store; a read if there is no record. */
  private record Call(Caller caller, long expected, Optional<VolumeRecord> record) {}

  /** On its way back. */
  record Answer(Caller caller, boolean isRead, boolean isConflict, Stored stored) {}

  private final RandomGenerator random;
  private final RuleSet rules;
  private final List<Call> calls = new ArrayList<>();
  private final List<Call> slowCalls = new ArrayList<>();
  private final List<Answer> answers = new ArrayList<>();
  private final List<VolumeRecord> past = new ArrayList<>();
  private VolumeRecord record;
  private long revision = 1;
  private boolean isDown;
  private boolean isRolledBack;

  StoreOfWorld(RandomGenerator random, RuleSet rules, VolumeRecord first) {
    this.random = random;
    this.rules = rules;
    record = first;
  }

  VolumeRecord record() {
    return record;
  }

  long revision() {
    return revision;
  }

  boolean isRolledBack() {
    return isRolledBack;
  }

  void call(Caller caller, long expected, Optional<VolumeRecord> wanted) {
    Call call = new Call(caller, expected, wanted);
    if (random.nextInt(SLOW) == 0) {
      slowCalls.add(call);
    } else {
      calls.add(call);
    }
  }

  void toggle() {
    isDown = !isDown;
  }

  void lose() {
    if (random.nextBoolean() && !calls.isEmpty()) {
      calls.remove(random.nextInt(calls.size()));
    } else if (!answers.isEmpty()) {
      answers.remove(random.nextInt(answers.size()));
    }
  }

  /** A backup is put back. */
  void rollBack() {
    if (!past.isEmpty()) {
      isRolledBack = true;
      record = past.get(random.nextInt(past.size()));
      revision = nextRevision();
    }
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

  void later(Answer answer) {
    answers.add(answer);
  }

  /** Whether something of this call is still under way. */
  boolean isUnderWay(Caller caller) {
    return calls.stream().anyMatch(call -> call.caller.equals(caller))
        || slowCalls.stream().anyMatch(call -> call.caller.equals(caller))
        || answers.stream().anyMatch(answer -> answer.caller.equals(caller));
  }

  void heal() {
    isDown = false;
    calls.clear();
    slowCalls.clear();
    answers.clear();
  }

  private void serve(Call call) {
    if (isDown) {
      return;
    }
    if (call.record.isEmpty()) {
      answers.add(new Answer(call.caller, true, false, stored()));
    } else if (rules.comparesRevision() && call.expected != revision) {
      answers.add(new Answer(call.caller, false, true, stored()));
    } else {
      past.add(record);
      record = call.record.get();
      revision = nextRevision();
      answers.add(new Answer(call.caller, false, false, stored()));
    }
  }

  /** Not one that says which is later. */
  private long nextRevision() {
    return revision * 6364136223846793005L + 1442695040888963407L;
  }

  private Stored stored() {
    return new Stored(revision, Optional.of(record));
  }
}
