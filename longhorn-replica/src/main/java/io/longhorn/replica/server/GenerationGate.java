package io.longhorn.replica.server;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import java.util.Optional;

/**
 * Who may use a replica: what was promised to whom, and which record is the newest one here (I3,
 * I7). Pure: it judges; making a promise or a record durable is its caller's, who tells it
 * afterwards. Not thread-safe.
 *
 * <p>R1: a generation is promised once, to one engine instance; lower ones are refused for ever,
 * and the same one to another instance. R3: only a record with a higher (generation, number)
 * replaces the one that is here. R8: the same engine may ask again, which begins a new session; the
 * older one is ended first, by the caller.
 */
final class GenerationGate {
  private long promised;
  private Optional<EngineId> promisedTo;
  private MembershipRecord record;

  /**
   * A gate as the replica's super block has it.
   *
   * @param promised 0 for none
   * @param promisedTo empty only if {@code promised} is 0
   */
  GenerationGate(long promised, Optional<EngineId> promisedTo, MembershipRecord record) {
    if (promised < 0 || (promised == 0) != promisedTo.isEmpty()) {
      throw new IllegalArgumentException(
          "generation " + promised + " promised to " + promisedTo + ": both or none");
    }
    this.promised = promised;
    this.promisedTo = promisedTo;
    this.record = record;
  }

  /** The newest generation promised, 0 for none. */
  long promised() {
    return promised;
  }

  /** Whom it was promised to; empty only if nothing was. */
  Optional<EngineId> promisedTo() {
    return promisedTo;
  }

  /** The newest record here. */
  MembershipRecord record() {
    return record;
  }

  /**
   * R1: {@link IoError#OK} if the promise may be made, or repeated, {@link IoError#FENCED} if not.
   */
  IoError judgePromise(long generation, EngineId engine) {
    if (generation > promised) {
      return IoError.OK;
    }
    return generation == promised && promisedTo.isPresent() && promisedTo.get().equals(engine)
        ? IoError.OK
        : IoError.FENCED;
  }

  /**
   * From now on everything lower is refused. Told before the promise is made durable: if that
   * fails, refusing is the safe side.
   */
  void promise(long generation, EngineId engine) {
    if (!judgePromise(generation, engine).isOk()) {
      throw new IllegalStateException(
          "generation "
              + generation
              + " promised to "
              + engine
              + " after "
              + promised
              + " to "
              + promisedTo);
    }
    promised = generation;
    promisedTo = Optional.of(engine);
  }

  /** What becomes of a record that a session offers. */
  enum RecordVerdict {
    /** Newer: make it durable, then tell {@link #record(MembershipRecord)}. */
    TAKE,
    /** The one that is here: there is nothing to do, and it is durable. */
    HAVE,
    /** Older, or another one of the same stamp (R3). */
    STALE,
    /** Of a later generation than the one that was promised: no writer of it can be known here. */
    AHEAD
  }

  /** R3, for a record offered in the session that was promised the newest generation. */
  RecordVerdict judgeRecord(MembershipRecord offered) {
    if (offered.stamp().generation() > promised) {
      return RecordVerdict.AHEAD;
    }
    if (offered.stamp().isNewerThan(record.stamp())) {
      return RecordVerdict.TAKE;
    }
    return offered.equals(record) ? RecordVerdict.HAVE : RecordVerdict.STALE;
  }

  /** A record that is durable here; one that is not newer changes nothing. */
  void record(MembershipRecord durable) {
    if (durable.stamp().isNewerThan(record.stamp())) {
      record = durable;
    }
  }
}
