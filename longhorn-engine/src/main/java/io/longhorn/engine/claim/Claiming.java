package io.longhorn.engine.claim;

import io.longhorn.api.EngineId;
import io.longhorn.api.membership.VolumeRecord;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One claim, from its QUIESCE until this engine serves. */
final class Claiming {
  /** How far it is. */
  enum Stage {
    /** The other engine is asked to stop, the record read, links waited for. */
    PREPARING,
    /** The compare-and-set is under way. */
    SETTING,
    /** The record names this engine; members promise. */
    PROMISING,
    /** Another engine may still be answering reads. */
    WAITING
  }

  private record Answer(EngineId by, long generation, boolean isClean) {}

  final long number;
  final long beganNanos;

  /** A write is what it is for. */
  final boolean isForWrite;

  Stage stage = Stage.PREPARING;
  boolean isOtherDone;
  private @Nullable Answer answer;

  /** The record that the claim follows, and the one that it makes. */
  private @Nullable VolumeRecord base;

  private @Nullable VolumeRecord wanted;
  long lastPromiseNanos;
  long serveAtNanos;

  /** When the record is read again, because a replica knows a newer one. */
  long lookAgainNanos;

  Claiming(long number, long beganNanos, boolean isForWrite) {
    this.number = number;
    this.beganNanos = beganNanos;
    this.isForWrite = isForWrite;
    lookAgainNanos = beganNanos;
  }

  void answered(EngineId by, long generation, boolean isClean) {
    isOtherDone = true;
    answer = new Answer(by, generation, isClean);
  }

  void set(VolumeRecord from, VolumeRecord to) {
    stage = Stage.SETTING;
    base = from;
    wanted = to;
  }

  Optional<VolumeRecord> wanted() {
    return stage == Stage.SETTING ? Optional.ofNullable(wanted) : Optional.empty();
  }

  VolumeRecord base() {
    return ClaimCore.present(base);
  }

  /** Whether whoever could serve before this claim has stopped, and has not gone on since. */
  boolean hasOtherStopped(long now, ClaimTiming timing, ClaimRules rules) {
    if (isOfNewVolume()) {
      return true;
    }
    Answer given = answer;
    return given != null
        && (!rules.holds(ClaimRules.Rule.Q1) || now - beganNanos <= timing.validNanos())
        && base().isOwnedBy(given.by, given.generation);
  }

  /**
   * Whether it also left members equal, and they still are.
   *
   * @param haveAllRun since they were last made equal; what others had not flushed is gone (E3)
   */
  boolean isOtherClean(boolean haveAllRun) {
    Answer given = answer;
    return isOfNewVolume() || (given != null && given.isClean && haveAllRun);
  }

  private boolean isOfNewVolume() {
    return base().owner().isEmpty() && base().reservedGeneration() == 0;
  }
}
